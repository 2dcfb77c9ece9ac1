"""Keep a run of the kernel's tests as a recording: KTAP, consoles and the build's logs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from faltcon.errors import CheckFailedError
from faltcon.files import sha256_of
from faltcon.lab.host import tool_versions
from faltcon.lab.kernel.build import Arch, Build, Variant, compiler, facts
from faltcon.lab.run_folder import RunFolder, command_line, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faltcon.ktap import Report

__all__ = ["EXPERIMENT", "KTAP", "keep"]

EXPERIMENT = "kernel-test"
KTAP = "ktap.txt.zst"


def keep(
    root: Path,
    what: Build,
    report: Report,
    lines: Sequence[str],
    *,
    cpus: int,
    began: float,
    seconds: float,
) -> Path:
    """Write `root/kernel-test/<kernel>-<cpus>cpu` and return it.

    lines: what the tests printed. began: seconds since the epoch; logs that are
    older are of another run and left out. Raises CheckFailedError when the
    console of the run is not there.
    """
    sweep(root, EXPERIMENT)
    with ExitStack() as stack:
        run = RunFolder(stack, root, EXPERIMENT, f"{what.name}-{cpus}cpu")
        run.add_packed_text(KTAP, "\n".join(lines) + "\n", "what the tests printed")
        kernels = [what]
        if what.variant is Variant.FALTCON:
            kernels.append(Build(what.base, Variant.KUNIT, what.arch, what.config, what.source))
        logs = [
            (kernel, log)
            for kernel in kernels
            for log in sorted((kernel.folder / "logs").glob("*.log"))
            if log.stat().st_mtime >= began
        ]
        if not any(log.name.startswith("console-") for _, log in logs):
            raise CheckFailedError(f"{what.folder / 'logs'} has no console of this run")
        for kernel, log in logs:
            kind = "console" if log.name.startswith("console-") else "build step"
            run.add(log, f"{kernel.variant}-{log.name}.zst", f"{kernel.name}: {kind}")
        return run.commit(
            {
                "command": command_line(
                    "lab", "kernel", "test", "--base", what.base.name, "--variant", what.variant,
                    "--arch", what.arch, "--config", what.config, "--cpus", str(cpus),
                    "--out", "data/raw",
                ),
                "description": (
                    "The tests of the FALTCON series, run in a guest: "
                    f"Linux {what.base.release}, {what.variant}, {what.arch}."
                ),
                "kernel": facts(what),
                "tools": _tools(what),
                "load_generator": None,
                "repetition": 1,
                "parameters": {
                    "base": what.base.name,
                    "variant": str(what.variant),
                    "arch": str(what.arch),
                    "configuration": str(what.config),
                    "guest_cpus": cpus,
                    "kernel_image_sha256": sha256_of(what.image),
                },
                "results": {
                    "passed": len(report.passed),
                    "failed": len(report.failed),
                    "skipped": len(report.skipped),
                    "reports_of_the_kernel": len(report.splats),
                    "problems": len(report.problems),
                    "duration_s": round(seconds),
                },
            }
        )  # fmt: skip


def _tools(what: Build) -> dict[str, str]:
    emulator = [] if what.arch is Arch.UM else ["qemu-system-x86_64"]
    return tool_versions(emulator) | {"compiler": compiler()}
