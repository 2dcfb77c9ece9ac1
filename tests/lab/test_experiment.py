from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.cli import run
from faltcon.errors import FormatError, UsageError
from faltcon.lab import connection_plan, experiment
from faltcon.lab.kernel import measure

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
name = "mine"
base = "6.1"
target = "qemu-icount"
configurations = ["minimal"]
arms = ["stock", "level2"]
layouts = 3
connections = 100
seed = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    return file


HANDSHAKES = [
    name
    for name in experiment.names()
    if not connection_plan.is_plan(experiment.folder() / f"{name}.toml")
]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_load__the_projects_own_experiments(name: str) -> None:
    found = experiment.load(name)
    assert found.name == name
    assert set(found.arms) <= {arm.name for arm in (*measure.ARMS, *measure.SHARED)}


def test_load__a_readers_own_file(file: Path) -> None:
    found = experiment.load("anything", file)
    assert found.arms == ("stock", "level2")
    assert found.load == "repeated"
    file.write_text(GOOD + 'load = "strangers"\n')
    assert experiment.load("anything", file).load == "strangers"


def test_load__an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UsageError, match="fig3"):
        experiment.load("fig9")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("seed = 7", "", "lacks the field 'seed'"),
        ("seed = 7", "seed = 7\ncolour = 3", "unknown field 'colour'"),
        ("seed = 7", "seed = 0", "seed"),
        ("seed = 7", 'seed = 7\nload = "everybody"', "everybody"),
        ("layouts = 3", "layouts = true", "layouts"),
        ('"level2"', '"level9"', "level9"),
        ('"level2"', '"stock"', "different names"),
        ('"qemu-icount"', '"abacus"', "abacus"),
        ('name = "mine"', "name = 3", "name"),
        ("layouts = 3", "layouts = ", "not TOML"),
    ],
)
def test_load__what_is_wrong_is_named(file: Path, old: str, new: str, problem: str) -> None:
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(FormatError, match=problem):
        experiment.load("mine", file)


def test_order__every_arm_once_a_layout_and_the_seed_decides(file: Path) -> None:
    what = experiment.load("mine", file)
    order = experiment.order(what)
    assert [step.place for step in order] == list(range(1, 7))
    assert [step.layout for step in order] == [1, 1, 2, 2, 3, 3]
    assert {step.run for step in order} == {
        f"minimal-l0{layout}-{arm}" for layout in (1, 2, 3) for arm in ("stock", "level2")
    }
    assert experiment.order(what) == order


def test_order__arms_are_mixed() -> None:
    what = experiment.load("fig3")
    firsts = [step.arm for step in experiment.order(what) if step.place % len(what.arms) == 1]
    assert len(set(firsts)) > 1


def test_run__dry_run_prints_the_order(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "run", "mine", "--file", str(file), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("1\tmine/minimal-l01-")
