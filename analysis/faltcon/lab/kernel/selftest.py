"""Build, boot and test: the KUnit suite and the in-guest tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.ktap import Report, parse
from faltcon.lab.kernel import initramfs, planted
from faltcon.lab.kernel import programs as real
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.build import Arch, Build, Variant, build
from faltcon.lab.kernel.guest import Guest, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from faltcon.lab.kernel.steps import Steps

__all__ = [
    "KUNIT_CPUS",
    "SOURCES",
    "STORM_S",
    "Shown",
    "run_all",
    "run_planted",
    "run_programs",
    "run_selftest",
]

SOURCES = (
    "selftest.c", "path.c", "listeners.c", "routes.c", "life.c", "netfilter.c", "harness.c",
    "net.c", "raw.c",
)  # fmt: skip
STORM_SOURCES = ("storm.c", "harness.c", "net.c", "raw.c")
STORM_S = 60
# kernel/scenarios.toml names up to three; the suite skips a scenario that needs more.
KUNIT_CPUS = 4
# The kernel's own first line of a test run: KUnit's, before init has started.
KTAP_LINES = ("KTAP version", "TAP version")


class Shown:
    """Passes on a console's lines from the first test's to the last's, without the boot."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.on_line = on_line
        self.started = False

    def __call__(self, line: str) -> None:
        """Take one line of the console."""
        if line.strip() in (initramfs.START_MARK, initramfs.END_MARK):
            self.started = line.strip() == initramfs.START_MARK
            return
        self.started = self.started or line.startswith(KTAP_LINES)
        if self.started and self.on_line is not None:
            self.on_line(line)


def _boot(
    what: Build,
    steps: Steps,
    run_lines: str,
    programs: Mapping[str, Path],
    *,
    cpus: int,
    on_line: Callable[[str], None] | None,
    append: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> list[str]:
    archive = initramfs.make(
        work_dir() / "guest" / f"{what.name}.initramfs.gz", run_lines, programs, files
    )
    words = list(append)
    if what.variant.has_kunit:
        # KUnit reports by printk, which "quiet" keeps from the console.
        words.append("ignore_loglevel")
    if what.variant.checks_itself:
        # Each cache by its own name, so that what is left in it can be told.
        words.append("slab_nomerge")
    guest = Guest(cpus=1 if what.arch is Arch.UM else cpus, append=tuple(words))
    first = run_lines.split()[0 if run_lines[0] != "." else 1].strip("/")
    log = what.folder / "logs" / f"console-{first}-{guest.cpus}.log"
    steps.say(f"boot {what.name} and test (a minute or more; the console goes to {log}) ...")
    return run(what, archive, guest, log, Shown(on_line))


def run_selftest(
    what: Build,
    steps: Steps,
    only: Sequence[str] = (),
    *,
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
    storm_s: int = 0,
) -> Report:
    """Run the in-guest tests (those whose names contain one of `only`, if given).

    Before them, a kernel that has it runs the KUnit suite; user-mode Linux has
    one CPU, so scenarios with more are skipped there. After them, for `storm_s`
    seconds, the storm of `kernel/tests/storm.c`.
    """
    build(what, steps)
    programs = {"selftest": initramfs.compile_program("selftest", SOURCES, steps)}
    lines = [" ".join(["selftest", *only])]
    if storm_s:
        programs["storm"] = initramfs.compile_program("storm", STORM_SOURCES, steps)
        lines.append(" ".join(["storm", str(storm_s), *only]))
    console = _boot(what, steps, "\n".join(lines), programs, cpus=cpus, on_line=on_line)
    return parse(console, initramfs.END_MARK)


def run_planted(
    what: Build,
    steps: Steps,
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """Boot a kernel that checks itself and see that it reports each bug that is made in it."""
    bugs = planted.BUGS[what.variant]
    build(what, steps)
    program = initramfs.compile_program("planted", planted.SOURCES, steps)
    words = " ".join(["planted", *bugs])
    console = _boot(
        what, steps, words, {"planted": program},
        cpus=max(2, cpus), on_line=None, append=planted.APPEND,
    )  # fmt: skip
    report = planted.judge(console, bugs)
    if on_line is not None:
        for name in report.passed:
            on_line(f"ok - {name}")
        for name in report.failed:
            on_line(f"not ok - {name}")
    return report


def run_programs(
    what: Build,
    steps: Steps,
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """Run nginx, lighttpd, curl, ab and wrk, as Debian has them, in the guest at each level.

    Raises MissingToolError for those that are not installed here.
    """
    files = real.files()
    build(what, steps)
    line = f". /{real.SCRIPT}"
    console = _boot(what, steps, line, {}, cpus=cpus, on_line=on_line, files=files)
    return parse(console, initramfs.END_MARK)


def run_all(
    what: Build,
    steps: Steps,
    only: Sequence[str] = (),
    *,
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
    storm_s: int | None = None,
) -> Report:
    """What `faltcon lab kernel test` runs: the in-guest tests and the KUnit suite.

    The suite has a kernel of its own, so that the one that is tested and
    measured is the same. In it the in-guest tests run once more: what it keeps
    is filled with a pattern. Kernels that check themselves also stand a storm
    (`storm_s`, STORM_S if None), and must report the planted bugs. Named tests
    (`only`) are in-guest tests, and run on one kernel.
    """
    if what.variant is Variant.KUNIT:
        cpus = max(cpus, KUNIT_CPUS)
    if storm_s is None:
        storm_s = STORM_S if what.variant.checks_itself else 0
    report = run_selftest(what, steps, only, cpus=cpus, on_line=on_line, storm_s=storm_s)
    if what.variant.checks_itself and not only:
        report.add(run_planted(what, steps, cpus, on_line))
    if what.variant is Variant.FALTCON and not only:
        suite = Build(what.base, Variant.KUNIT, what.arch, what.config, what.source)
        report.add(run_selftest(suite, steps, cpus=max(cpus, KUNIT_CPUS), on_line=on_line))
    return report
