"""Recordings of what the archive holds and costs on several CPUs: kernel/tests/bounds.c, booted."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.bounds import LINES, MARK
from faltcon.errors import ToolFailedError, UsageError
from faltcon.files import sha256_of
from faltcon.lab.host import tool_versions
from faltcon.lab.kernel import build, initramfs
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.guest import Guest, run
from faltcon.lab.run_folder import RunFolder, command_line

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.experiment import Experiment, Step
    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = ["CONCURRENT", "CPUS", "Recorder"]

CPUS, MEMORY_MIB, CONCURRENT = 8, 1024, 50
SOURCES = ("bounds.c", "harness.c", "net.c", "raw.c")
CONSOLE = "console.log.zst"
LEVEL_OF = {"level1": 1, "level2": 2, "level3": 3}


@dataclass(frozen=True)
class Recorder:
    """Makes the recordings of one experiment."""

    what: Experiment
    root: Path
    steps: Steps

    def record(self, step: Step, kernel: Build) -> None:
        """Boot once and let the run's folder appear. Raises ToolFailedError when a case failed."""
        level = LEVEL_OF.get(step.arm)
        if level is None:
            raise UsageError(f"{self.what.name}: {step.arm} keeps nothing; use level1 to level3")
        program = initramfs.compile_program("bounds", SOURCES, self.steps)
        words = f"bounds {level} {CONCURRENT} {max(1, self.what.connections // CONCURRENT)}"
        folder = work_dir() / "guest" / "events"
        archive = initramfs.make(folder / f"{kernel.name}.gz", words, {"bounds": program})
        log = folder / f"{kernel.name}.console"
        lines = run(kernel, archive, Guest(cpus=CPUS, memory_mib=MEMORY_MIB), log)
        found = [line for line in lines if line.startswith(MARK)]
        if not found or found[-1] != f"{MARK}done":
            raise ToolFailedError(["bounds"], 1, f"a case did not end well; see {log}")
        with ExitStack() as stack:
            folder_of = RunFolder(stack, self.root, self.what.name, step.run)
            folder_of.add_text(
                LINES, "\n".join(found) + "\n", "what the program in the guest counted"
            )
            folder_of.add(log, CONSOLE, "the guest's console")
            folder_of.commit(
                {
                    "command": command_line("lab", "run", self.what.name),
                    "description": (
                        f"Hit rate, elimination and floods on {CPUS} virtual CPUs: {step.arm}, "
                        f"{step.configuration} configuration, boot {step.layout}."
                    ),
                    "kernel": build.facts(kernel),
                    "machine": {
                        "cpu_model": "QEMU max",
                        "cpus": CPUS,
                        "memory_bytes": MEMORY_MIB * 2**20,
                        "clock_source": "tsc",
                        "virtualization": "qemu-tcg",
                    },
                    "tools": tool_versions(["qemu-system-x86_64"]) | {"compiler": build.compiler()},
                    "load_generator": {
                        "name": "bounds",
                        "version": f"sha256 {sha256_of(program)}",
                        "command": words,
                    },
                    "repetition": step.layout,
                    "parameters": {
                        "arm": step.arm,
                        "level": level,
                        "configuration": step.configuration,
                        "layout": step.layout,
                        "place_in_order": step.place,
                        "seed": self.what.seed,
                        "concurrent_handshakes": CONCURRENT,
                        "kernel_image_sha256": sha256_of(kernel.image),
                    },
                }
            )
