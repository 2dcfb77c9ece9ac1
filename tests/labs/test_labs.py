"""The labs as students and instructors use them: what is handed out, and what answers earn."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from faltcon import paths
from faltcon.cli import run
from faltcon.errors import UsageError
from faltcon.labs import making

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = 4711471147
FULL = {
    "pcaps": {"connections": 2, "f_keys": 3, "is_f_pair": 3},
    "perf": {"phases": 4, "bottleneck": 3},
}

# Typical wrong answers: the lab, what to write instead of what, and what each question then earns.
WRONG = {
    "counts every SYN": (
        "pcaps",
        [("return len(tried)", "return len(tried) + 7")],
        {"connections": 0, "f_keys": 3, "is_f_pair": 3},
    ),
    "at least instead of more than, and the client's port in the key": (
        "pcaps",
        [
            ("> k_t", ">= k_t"),
            ("(source, target, tcp.dport), []", "(source, tcp.sport, target), []"),
        ],
        {"connections": 2, "f_keys": 0, "is_f_pair": 2},
    ),
    "a window that is cut into slices": (
        "pcaps",
        [
            ("start <= t < start + window for t", "t // window == start // window for t"),
        ],
        {"connections": 2, "f_keys": 3, "is_f_pair": 2},
    ),
    "the outermost function decides": (
        "perf",
        [("reversed(stack)", "stack")],
        {"phases": 1, "bottleneck": 3},
    ),
    "the function with the most samples": (
        "perf",
        [("new[name] - old.get(name, 0)", "new[name]")],
        {"phases": 4, "bottleneck": 0},
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instructor's archive, made as the command makes it."""
    folder = tmp_path_factory.mktemp("archive")
    assert run(["labs", "archive", "--seed", str(SEED), "--out", str(folder)]) == 0
    return folder


def cells(file: Path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(file, as_version=4).cells)


@pytest.mark.slow
@pytest.mark.parametrize("lab", making.LABS)
def test_make__students_get_neither_solutions_nor_hidden_tests(made: Path, lab: str) -> None:
    student = made / lab / "student"
    text = (student / f"{lab}.ipynb").read_text(encoding="utf-8")
    assert "hidden-" not in text
    assert "HIDDEN" not in text
    assert str(SEED) not in text
    solution = cells(made / lab / "solution.ipynb")
    pattern = r"^ +# BEGIN SOLUTION\n(.*?)^ +# END SOLUTION"
    body = re.findall(pattern, making.filled(lab, 1), re.MULTILINE | re.DOTALL)
    assert len(body) == len(FULL[lab])
    for lines in body:
        assert lines.strip() in solution
        assert lines.strip().split("\n")[-1].strip() not in cells(student / f"{lab}.ipynb")
    assert "Hint" in text
    assert re.search(r"Allow \d+ minutes", text)
    assert len(list(student.iterdir())) > 1


@pytest.fixture
def graded(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, list[tuple[str, str]]], dict[str, float]]:
    """Grade the solution with some changes: points by question."""

    def points(lab: str, changes: list[tuple[str, str]]) -> dict[str, float]:
        notebook = nbformat.read(made / lab / "solution.ipynb", as_version=4)
        for old, new in changes:
            touched = [cell for cell in notebook.cells if old in cell.source]
            assert len(touched) == 1, old
            touched[0].source = touched[0].source.replace(old, new)
        file = tmp_path / f"{lab}-somebody.ipynb"
        nbformat.write(notebook, file)
        archive = str(made / lab / "autograder.zip")
        assert run(["labs", "grade", str(file), "--archive", archive, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["possible"] == sum(FULL[lab].values())
        return {name: reached for name, (reached, _) in answer["questions"].items()}

    return points


@pytest.mark.slow
@pytest.mark.parametrize("lab", making.LABS)
def test_grade__a_right_submission_gets_full_marks(graded, lab: str) -> None:
    assert graded(lab, []) == FULL[lab]


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_grade__a_wrong_submission_loses_what_it_should(graded, mistake: str) -> None:
    lab, changes, points = WRONG[mistake]
    assert graded(lab, changes) == points


@pytest.mark.parametrize("lab", making.LABS)
def test_filled__every_place_has_its_number_and_the_seed_changes_the_hidden_ones(lab: str) -> None:
    one, other = making.filled(lab, 1), making.filled(lab, 2)
    assert not re.search(r"@[A-Z]+", one)
    assert one != other
    changed = [a for a, b in zip(one.splitlines(), other.splitlines(), strict=True) if a != b]
    assert all("hidden" in line or "sums" in line for line in changed), changed


def test_filled__an_unknown_lab_is_refused() -> None:
    with pytest.raises(UsageError, match="pcaps"):
        making.filled("chemistry", 1)


def test_archive__not_inside_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    inside = paths.project_root() / "build" / "archive"
    assert run(["labs", "archive", "--seed", "1", "--out", str(inside)]) == 2
    assert "where students look" in capsys.readouterr().err
    assert not inside.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(["pcaps-nowhere.ipynb"], 1, "no such file"), (["homework.ipynb"], 2, "which lab")],
)
def test_grade__says_what_is_missing(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["labs", "grade", *arguments]) == code
    assert words in capsys.readouterr().err.replace("\n", " ")
