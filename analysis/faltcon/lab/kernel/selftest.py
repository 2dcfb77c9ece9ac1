"""Build, boot and test: the KUnit suite and the in-guest tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.build import Arch, Build, Variant, build
from faltcon.lab.kernel.guest import Guest, run
from faltcon.lab.kernel.ktap import Report, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from faltcon.lab.kernel.steps import Steps

__all__ = ["KUNIT_CPUS", "SOURCES", "Shown", "run_all", "run_kunit", "run_selftest"]

SOURCES = (
    "selftest.c", "path.c", "listeners.c", "routes.c", "life.c", "harness.c", "net.c", "raw.c",
)  # fmt: skip
# kernel/scenarios.toml names up to three; the suite skips a scenario that needs more.
KUNIT_CPUS = 4
# The kernel's own first line of a test run: KUnit's, before init has started.
KTAP_LINES = ("KTAP version", "TAP version")


class Shown:
    """Passes on a console's lines from the first test's on, without the boot before it."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.on_line = on_line
        self.started = False

    def __call__(self, line: str) -> None:
        """Take one line of the console."""
        if line.strip() == initramfs.START_MARK:
            self.started = True
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
) -> Report:
    archive = initramfs.make(
        work_dir() / "guest" / f"{what.name}.initramfs.gz", run_lines, programs
    )
    # KUnit reports by printk, which "quiet" keeps from the console.
    append = ("ignore_loglevel",) if what.variant.has_kunit else ()
    guest = Guest(cpus=1 if what.arch is Arch.UM else cpus, append=append)
    log = what.folder / "logs" / "selftest-console.log"
    steps.say(f"boot {what.name} and test (a minute or two; the console goes to {log}) ...")
    return parse(run(what, archive, guest, log, Shown(on_line)), initramfs.END_MARK)


def run_kunit(
    what: Build,
    steps: Steps,
    cpus: int = KUNIT_CPUS,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """Build the kernel with the KUnit suite in it and boot it: the suite runs before init.

    Of `what` count the base, the architecture and the configuration. User-mode
    Linux has one CPU, so scenarios with more are skipped there.
    """
    suite = Build(what.base, Variant.KUNIT, what.arch, what.config, what.source)
    build(suite, steps)
    return _boot(suite, steps, "true", {}, cpus=cpus, on_line=on_line)


def run_selftest(
    what: Build,
    steps: Steps,
    only: Sequence[str] = (),
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """Run the in-guest tests (those whose names contain one of `only`, if given)."""
    build(what, steps)
    program = initramfs.compile_program("selftest", SOURCES, steps)
    line = " ".join(["selftest", *only])
    return _boot(what, steps, line, {"selftest": program}, cpus=cpus, on_line=on_line)


def run_all(
    what: Build,
    steps: Steps,
    only: Sequence[str] = (),
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """What `faltcon lab kernel test` runs: the KUnit suite and the in-guest tests.

    The suite has a kernel of its own, so that the one that is tested and
    measured is the same; a debug kernel holds both. Named tests (`only`) are
    in-guest tests, and run alone.
    """
    if what.variant is Variant.KUNIT:
        return run_kunit(what, steps, max(cpus, KUNIT_CPUS), on_line)
    report = run_selftest(what, steps, only, cpus, on_line)
    if what.variant is Variant.FALTCON and not only:
        report.add(run_kunit(what, steps, max(cpus, KUNIT_CPUS), on_line))
    return report
