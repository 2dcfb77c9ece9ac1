"""The chapter on the kernel patch: the series as it is, and a recorded run of its tests."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon import ktap, paths, provenance
from faltcon.errors import FormatError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Patch", "TestRun", "patches", "recorded_runs"]

EXPERIMENT = "kernel-test"
KTAP = "ktap.txt.zst"
_SUBJECT = re.compile(r"\[PATCH (\d+)/\d+\] (.+)")
_STAT = re.compile(r"^ (\S.*?) +\| +\d+ ", re.MULTILINE)
_DIFF = re.compile(r"^diff --git ", re.MULTILINE)
# `ok 3 - name # SKIP reason`, or without the reason, which then stands in a line before it.
_SKIP = re.compile(r"^\s*ok \d+(?: -)? (?P<name>[^#]*?)\s*# SKIP\s*(?P<why>.*)$")
_SKIPPED = re.compile(r"^\s*# skipped: (?P<why>.*)$")


@dataclass(frozen=True)
class Patch:
    """One patch of the series.

    why: the first paragraph of its message. files: that it touches. added,
    removed: lines; new_code: of the added ones, those in files that this patch or
    an earlier one brings.
    """

    number: int
    subject: str
    why: str
    files: int
    added: int
    removed: int
    new_code: int


@dataclass(frozen=True)
class TestRun:
    """One recorded run of the kernel's tests, read again from what they printed."""

    # Not a test of ours, whatever its name says to a test runner.
    __test__ = False

    run: str
    document: dict[str, Any]
    report: ktap.Report
    skipped_because: dict[str, str]
    lines: list[str]
    folder: Path


def patches(base: str, folder: Path | None = None) -> list[Patch]:
    """The series for a base kernel, in order. Raises FormatError naming a file that is no patch."""
    folder = folder or paths.project_root() / "kernel" / "patches" / base
    own: set[str] = set()
    found = [_patch(file, own) for file in sorted(folder.glob("[0-9]*.patch"))]
    if not found:
        raise FormatError(folder, "holds no patch", mend="restore it from git")
    return found


def _patch(file: Path, own: set[str]) -> Patch:
    """Read one patch; `own` are the files that the series has brought so far, and grows."""
    with reading(file):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.compat32)
    subject = _SUBJECT.fullmatch(re.sub(r"\s*\n\s*", " ", str(message["Subject"] or "")))
    text = str(message.get_payload())
    start = _DIFF.search(text)
    if subject is None or start is None:
        raise FormatError(file, "is no patch of a series", mend="write it with git format-patch")
    head, diff = text[: start.start()], text[start.start() :]
    added = removed = new_code = 0
    name = ""
    for line in diff.splitlines():
        if line.startswith("diff --git "):
            name = line.rpartition(" b/")[2]
        elif line.startswith("--- /dev/null"):
            own.add(name)
        elif line.startswith("+") and not line.startswith("+++ "):
            added += 1
            new_code += name in own
        elif line.startswith("-") and not line.startswith(("--- ", "-- ")):
            removed += 1
    why = " ".join(head.strip().split("\n\n")[0].split())
    return Patch(
        int(subject[1]), subject[2], why, len(_STAT.findall(head)), added, removed, new_code
    )


def recorded_runs(root: Path | None = None) -> list[TestRun]:
    """Every recorded run of the tests, in order of name.

    Raises UsageError where there is none, FormatError for one whose output says
    another count than its provenance.
    """
    folders = provenance.runs(paths.raw_dir() if root is None else root, EXPERIMENT)
    return [_run(folder) for folder in folders]


def _run(folder: Path) -> TestRun:
    document = provenance.load(folder)
    with reading(folder / KTAP), open_binary(folder / KTAP) as stream:
        lines = stream.read().decode("utf-8", "replace").splitlines()
    end = "the end"
    report = ktap.parse([*lines, end], end)
    results = document.get("results", {})
    for name, leaves in (("passed", report.passed), ("failed", report.failed)):
        if len(leaves) != results.get(name):
            problem = f"says {len(leaves)} {name}, its provenance {results.get(name)}"
            raise FormatError(folder / KTAP, problem, mend="record it again")
    return TestRun(folder.name, document, report, _reasons(lines), lines, folder)


def _reasons(lines: list[str]) -> dict[str, str]:
    """For each skipped test, why."""
    found: dict[str, str] = {}
    told = ""
    for line in lines:
        if before := _SKIPPED.match(line):
            told = before["why"]
        elif skip := _SKIP.match(line):
            found[skip["name"]] = skip["why"] or told
            told = ""
    return found
