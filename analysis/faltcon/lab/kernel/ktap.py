"""KTAP, the kernel's test output, read from a guest's console."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Report", "parse"]

PLAN = re.compile(r"^\s*1\.\.(\d+)\s*$")
RESULT = re.compile(
    r"^(?P<indent>\s*)(?P<bad>not )?ok (?P<number>\d+)(?: -)? (?P<name>[^#]*?)\s*"
    r"(?:#\s*(?P<directive>\S+).*)?$"
)
# What a kernel prints when one of its checkers, or itself, finds something wrong.
SPLAT = re.compile(
    r"(BUG: |WARNING: |KASAN: |KCSAN: |INFO: task .* blocked|INFO: rcu|Oops|Kernel panic|"
    r"general protection fault|unreferenced object|ODEBUG: |refcount_t: |possible recursive "
    r"locking|circular locking|suspicious RCU usage|sleeping function called)"
)


@dataclass
class Report:
    """The leaves of a run: names of tests that passed, failed and were skipped.

    `splats` are the console lines with which the kernel itself reported
    something; `planned` the number of top-level tests announced, or None;
    `complete` whether each plan was fulfilled.
    """

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    splats: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def good(self) -> bool:
        """Whether everything that should have run did, and nothing failed."""
        ran = bool(self.passed)
        return ran and self.finished and not (self.failed or self.splats or self.problems)

    def summary(self) -> str:
        """The last line a user sees."""
        failed = len(self.failed) + len(self.splats) + len(self.problems)
        return f"{len(self.passed)} passed, {failed} failed"


def parse(lines: Iterable[str], end_mark: str) -> Report:
    """Read a console's lines up to the one that equals `end_mark`.

    Only top-level results and those of unindented suites count as leaves;
    indented results (sub-tests) are counted instead of the line that sums
    them up. A plan that is not fulfilled is a problem, and so is a console
    that ends before the mark.
    """
    report = Report()
    expected = seen = 0
    subtests = False
    for raw in lines:
        line = raw.rstrip("\r\n")
        if line.strip() == end_mark:
            report.finished = True
            break
        if SPLAT.search(line):
            report.splats.append(line.strip())
        plan = PLAN.match(line)
        if plan and not line.startswith(" "):
            expected += int(plan[1])
        result = RESULT.match(line)
        if not result:
            continue
        if result["indent"]:
            subtests = True
        else:
            seen += 1
            if subtests:
                subtests = False
                continue
        _count(report, result)
    if seen < expected:
        report.problems.append(f"{expected - seen} planned tests gave no result")
    if not report.finished:
        report.problems.append("the guest ended before its tests did")
    return report


def _count(report: Report, result: re.Match[str]) -> None:
    name = result["name"].strip() or f"test {result['number']}"
    if (result["directive"] or "").upper() == "SKIP":
        report.skipped.append(name)
    elif result["bad"]:
        report.failed.append(name)
    else:
        report.passed.append(name)
