"""Build, boot and test: the in-guest tests on one kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.build import Arch, build
from faltcon.lab.kernel.guest import Guest, run
from faltcon.lab.kernel.ktap import Report, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = ["SOURCES", "run_selftest"]

SOURCES = ("selftest.c", "harness.c", "net.c", "raw.c")


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
    archive = initramfs.make(
        work_dir() / "guest" / f"{what.name}.initramfs.gz",
        " ".join(["selftest", *only]),
        {"selftest": program},
    )
    guest = Guest(cpus=1 if what.arch is Arch.UM else cpus)
    log = what.folder / "logs" / "selftest-console.log"
    steps.say(f"boot {what.name} and test (a minute or two; the console goes to {log}) ...")
    started = False

    def show(line: str) -> None:
        nonlocal started
        if line.strip() == initramfs.START_MARK:
            started = True
        elif started and on_line is not None:
            on_line(line)

    return parse(run(what, archive, guest, log, show), initramfs.END_MARK)
