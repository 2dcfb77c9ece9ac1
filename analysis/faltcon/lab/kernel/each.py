"""Each patch of the series by itself: the tree after it builds, boots and connects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faltcon.ktap import Report
from faltcon.lab.kernel import build as kernels
from faltcon.lab.kernel import selftest, series
from faltcon.lab.kernel.build import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = ["SMOKE", "run_each"]

# The test that any kernel can run, with the series or without.
SMOKE = "smoke__"


def run_each(
    what: Build,
    steps: Steps,
    *,
    cpus: int = 2,
    on_line: Callable[[str], None] | None = None,
) -> Report:
    """Build after each patch of `what.base`, every option of the series on that is there yet.

    The files that the patch touches are compiled once more with the warnings of
    W=1: one of them fails that patch. Then the kernel boots, runs the KUnit suite
    where it has it, and makes connections on real sockets. The report has one test
    for each patch.
    """
    report = Report(finished=True)
    patches = series.patches(what.base.name)
    for number, patch in enumerate(patches, start=1):
        after = replace(what, variant=Variant.KUNIT, cycles=True, first=number)
        kernels.build(after, steps)
        told = kernels.warnings(after, series.touched([patch]), steps)
        boot = selftest.run_selftest(after, steps, [SMOKE], cpus=cpus)
        good = boot.good and any(name.startswith(SMOKE) for name in boot.passed) and not told
        (report.passed if good else report.failed).append(patch.stem)
        report.splats += boot.splats
        report.problems += [*boot.problems, *told, *(f"{name} failed" for name in boot.failed)]
        if on_line is not None:
            on_line(f"{'ok' if good else 'not ok'} {number} - {patch.stem}")
    return report
