"""KTAP, the kernel's test output, read from a guest's console."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Report", "parse"]

PLAN = re.compile(r"^(?P<indent>\s*)1\.\.(?P<number>\d+)\s*$")
RESULT = re.compile(
    r"^(?P<indent>\s*)(?P<bad>not )?ok (?P<number>\d+)(?: -)? (?P<name>[^#]*?)\s*"
    r"(?:#\s*(?P<directive>\S+).*)?$"
)
# What a kernel prints when one of its checkers, or itself, finds something wrong.
SPLAT = re.compile(
    r"(BUG: |BUG \S+ \(|WARNING: |KASAN: |KCSAN: |INFO: task .* blocked|INFO: rcu|Oops|"
    r"Kernel panic|general protection fault|unreferenced object|ODEBUG: |refcount_t: |"
    r"possible recursive locking|circular locking|suspicious RCU usage|"
    r"sleeping function called|non-static key|Objects remaining in|UBSAN: |"
    r"unregister_netdevice: waiting|scheduling while atomic)"
)


# KCSAN's reports, of which a kernel without the series has some: ours have one of our
# functions in a stack trace.
RACE = re.compile(r"BUG: KCSAN: ")
RACE_RULE = re.compile(r"^(?:\[[^\]]*\] )?={60,}$")
OURS = re.compile(r"faltcon|planted_")


@dataclass
class Report:
    """The leaves of a run: names of tests that passed, failed and were skipped.

    `splats` are the console lines with which the kernel itself reported
    something, `foreign` those of races in which no function of ours takes part;
    `problems` say what is missing, such as tests that a plan
    announced; `finished` whether the console came to its end mark.
    """

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    splats: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def good(self) -> bool:
        """Whether everything that should have run did, and nothing failed."""
        ran = bool(self.passed)
        return ran and self.finished and not (self.failed or self.splats or self.problems)

    def add(self, other: Report) -> None:
        """Take in the leaves of another run; both must have finished."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.splats += other.splats
        self.foreign += other.foreign
        self.problems += other.problems
        self.finished = self.finished and other.finished

    def summary(self) -> str:
        """The last line a user sees."""
        failed = len(self.failed) + len(self.splats) + len(self.problems)
        return f"{len(self.passed)} passed, {failed} failed"


def parse(lines: Iterable[str], end_mark: str) -> Report:
    """Read a console's lines; the tests end with the one that equals `end_mark`.

    A result is a leaf unless results of deeper indentation came before it, which
    it sums up; such a sum counts only where it failed and nothing below it did (a
    suite's own set-up). A plan that is not fulfilled is a problem, at any depth,
    and so is a console that ends before the mark.
    """
    report = Report()
    tree = _Tree(report)
    splats = _Splats(report)
    for raw in lines:
        line = raw.rstrip("\r\n")
        splats.line(line)
        if line.strip() == end_mark:
            report.finished = True
        if report.finished:
            continue  # the way to power-off: no results any more, but perhaps a report
        plan = PLAN.match(line)
        if plan:
            tree.plan(len(plan["indent"]), int(plan["number"]))
        result = RESULT.match(line)
        if result:
            tree.result(result)
    splats.end()
    tree.end()
    if not report.finished:
        report.problems.append("the guest ended before its tests did")
    return report


class _Splats:
    """What the kernel itself reports; a race's report goes on to the next rule."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.race: list[str] = []

    def line(self, line: str) -> None:
        if self.race:
            self.race.append(line)
            if RACE_RULE.match(line.strip()):
                ours = any(OURS.search(one) for one in self.race)
                found = self.report.splats if ours else self.report.foreign
                found.append(self.race[0])
                self.race = []
        elif RACE.search(line):
            self.race = [line.strip()]
        elif SPLAT.search(line):
            self.report.splats.append(line.strip())

    def end(self) -> None:
        # Nobody knows whose a report is that was cut.
        self.report.splats += self.race[:1]


class _Tree:
    """The results whose sum has not come yet, and the plans that they must fulfil."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.open: list[tuple[int, bool]] = []  # indentation, whether it failed
        self.plans: dict[int, int] = {}

    def plan(self, indent: int, number: int) -> None:
        # Several top-level plans (KUnit's, then the guest's own) add up.
        self.plans[indent] = self.plans.get(indent, 0) + number

    def result(self, result: re.Match[str]) -> None:
        indent = len(result["indent"])
        below: list[tuple[int, bool]] = []
        while self.open and self.open[-1][0] > indent:
            below.append(self.open.pop())
        bad = bool(result["bad"])
        if not below:
            _count(self.report, result)
        else:
            depth = min(one[0] for one in below)
            self._check(depth, sum(one[0] == depth for one in below))
            if bad and not any(one[1] for one in below):
                _count(self.report, result)
        self.open.append((indent, bad))

    def end(self) -> None:
        for indent in sorted(self.plans):
            self._check(indent, sum(one[0] == indent for one in self.open))

    def _check(self, indent: int, seen: int) -> None:
        missing = self.plans.pop(indent, 0) - seen
        if missing > 0:
            self.report.problems.append(f"{missing} planned tests gave no result")


def _count(report: Report, result: re.Match[str]) -> None:
    name = result["name"].strip() or f"test {result['number']}"
    if (result["directive"] or "").upper() == "SKIP":
        report.skipped.append(name)
    elif result["bad"]:
        report.failed.append(name)
    else:
        report.passed.append(name)
