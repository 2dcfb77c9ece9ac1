"""From a lab's text and a seed to a student's notebook, an autograder and a grade.

otter-grader does the work: it takes solutions and hidden tests out of the
student's version, and runs a submission against the tests of an autograder.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon import paths
from faltcon.errors import FormatError, InputError, MissingToolError, ToolFailedError, UsageError
from faltcon.files import reading, write_bytes
from faltcon.labs import captures, stacks

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LABS", "Grade", "filled", "grade", "lab_of", "make"]

# What every student sees, and may know.
PUBLIC_SEED = 1
# Data files beside a lab's notebook.
_FILES = {"pcaps": ("lab.pcap",), "perf": ("before.folded", "after.folded")}
_WRITERS: dict[str, Callable[..., None]] = {"pcaps": captures.write, "perf": stacks.write}
_EXPECTED: dict[str, Callable[[int], dict[str, Any]]] = {
    "pcaps": captures.expected,
    "perf": stacks.expected,
}
LABS = tuple(_FILES)
_TIMEOUT_S = 600


@dataclass(frozen=True)
class Grade:
    """What a submission got: points by question, as (reached, possible)."""

    questions: dict[str, tuple[float, float]]

    @property
    def reached(self) -> float:
        """All points together."""
        return sum(reached for reached, _ in self.questions.values())

    @property
    def possible(self) -> float:
        """The most that one can reach."""
        return sum(possible for _, possible in self.questions.values())


def filled(lab: str, seed: int) -> str:
    """The lab's text with its numbers: visible ones of the public data, hidden ones of the seed.

    Raises UsageError for an unknown lab, FormatError for a place without a number.
    """
    if lab not in LABS:
        raise UsageError(f"no lab {lab!r}; there are {', '.join(LABS)}")
    file = paths.project_root() / "book" / "exercises" / f"{lab}.md"
    with reading(file):
        text = file.read_text(encoding="utf-8")
    known = {"VISIBLE": _EXPECTED[lab](PUBLIC_SEED), "HIDDEN": _EXPECTED[lab](seed)}

    def number(place: re.Match[str]) -> str:
        if place[0] == "@SEED@":
            return str(seed)
        value = known[place[1]].get(place[2])
        if value is None:
            raise FormatError(file, f"no value for {place[0]}", mend="mend the place's name")
        return repr(value)

    return re.sub(r"@SEED@|@(VISIBLE|HIDDEN)\.(\w+)@", number, text)


def make(lab: str, folder: Path, seed: int) -> None:
    """Write `student/`, `autograder.zip` and `solution.ipynb` of a lab into a folder.

    The solution has to pass every test, hidden ones too. Raises UsageError for an
    unknown lab, MissingToolError without otter-grader, ToolFailedError where it fails.
    """
    text = filled(lab, seed)
    _require()
    import jupytext  # noqa: PLC0415  a tool of the book's, not of the package

    with tempfile.TemporaryDirectory(prefix="faltcon-lab.") as scratch:
        work = Path(scratch)
        _WRITERS[lab](*(work / name for name in _FILES[lab]), PUBLIC_SEED)
        jupytext.write(jupytext.reads(text, fmt="md:myst"), work / f"{lab}.ipynb")
        _otter(["assign", f"{lab}.ipynb", "dist"], work)
        archives = sorted((work / "dist" / "autograder").glob("*.zip"))
        if len(archives) != 1:
            raise ToolFailedError(["otter", "assign"], 0, f"made {len(archives)} autograders")
        shutil.rmtree(folder / "student", ignore_errors=True)
        shutil.copytree(work / "dist" / "student", folder / "student")
        write_bytes(folder / "autograder.zip", archives[0].read_bytes())
        solution = work / "dist" / "autograder" / f"{lab}.ipynb"
        write_bytes(folder / "solution.ipynb", solution.read_bytes())


def lab_of(submission: Path) -> str:
    """The lab that a submission's name begins with. Raises UsageError for another name."""
    for lab in LABS:
        if submission.name.startswith(lab):
            return lab
    names = " or ".join(f"{lab}.ipynb" for lab in LABS)
    raise UsageError(f"{submission}: which lab? name it {names}, or say --archive")


def grade(submission: Path, archive: Path) -> Grade:
    """Run a submission, that is its code, against an autograder.

    Raises InputError for files that are not there, ToolFailedError where otter fails.
    """
    if not submission.is_file():
        raise InputError(submission, "no such file", mend="check the path")
    if not archive.is_file():
        raise InputError(archive, "no such autograder", mend="run `make labs` first")
    _require()
    with tempfile.TemporaryDirectory(prefix="faltcon-grade.") as scratch:
        work = Path(scratch)
        # Otter leaves files where the submission lies.
        shutil.copyfile(submission, work / submission.name)
        (work / "out").mkdir()
        _otter(["run", submission.name, "-a", str(archive.resolve()), "-o", "out"], work)
        results = json.loads((work / "out" / "results.json").read_text(encoding="utf-8"))
    return Grade(
        {
            str(row["name"]): (float(row["score"]), float(row["max_score"]))
            for row in results["tests"]
            if row.get("max_score")
        }
    )


def _require() -> None:
    for module in ("otter", "jupytext"):
        if importlib.util.find_spec(module) is None:
            raise MissingToolError("otter", "otter-grader (run `make setup`)")


def _otter(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "otter", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(command, 1, f"took more than {_TIMEOUT_S} s") from error
    if done.returncode:
        raise ToolFailedError(command, done.returncode, done.stderr)
