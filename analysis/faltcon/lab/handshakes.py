"""Recordings of an experiment, one boot after the other: the instructions of handshakes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon.files import sha256_of
from faltcon.lab import bounds
from faltcon.lab import experiment as experiments
from faltcon.lab.host import tool_versions
from faltcon.lab.kernel import base, build, count, initramfs, measure
from faltcon.lab.kernel import buckets as bucket_file
from faltcon.lab.kernel.build import Build, Config, compiler
from faltcon.lab.run_folder import RunFolder, command_line, is_complete, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.experiment import Experiment, Step
    from faltcon.lab.kernel.buckets import Buckets
    from faltcon.lab.kernel.steps import Steps

__all__ = ["functions_table", "record"]

COUNTS, FUNCTIONS, CONSOLE = "counts.txt", "functions.tsv", "console.log.zst"


def record(what: Experiment, root: Path, steps: Steps, *, force: bool = False) -> int:
    """Make every recording of the experiment that is not there; return how many were made.

    Builds the kernels first. A run that is there and whole is left alone unless
    `force`; so an interrupted experiment goes on where it stopped.
    """
    for name in sweep(root, what.name):
        steps.say(f"removed the half-made run {name}")
    order = experiments.order(what)
    todo = [s for s in order if force or not is_complete(root, what.name, s.run)]
    steps.say(f"{len(order)} recordings in all, {len(order) - len(todo)} there already")
    kernels = {(s.configuration, s.arm): _build(what, s) for s in todo}
    for kernel in dict.fromkeys(kernels.values()):
        build.build(kernel, steps)
    recorder: bounds.Recorder | _Recorder = (
        bounds.Recorder(what, root, steps)
        if what.target == "qemu"
        else _Recorder(what, root, bucket_file.load(), steps)
    )
    began = time.monotonic()
    for made, step in enumerate(todo, start=1):
        recorder.record(step, kernels[step.configuration, step.arm])
        left = (time.monotonic() - began) / made * (len(todo) - made)
        steps.say(f"{made} of {len(todo)}: {step.run}; about {left / 60:.0f} min left")
    return len(todo)


def functions_table(buckets: Buckets) -> str:
    """The regions of the counter's output, tab-separated: region, function, bucket."""
    rows = [
        f"{number}\t{name}\t{buckets.functions.get(name, name)}"
        for number, name in enumerate(buckets.regions)
    ]
    return "\n".join(["region\tfunction\tbucket", *rows]) + "\n"


def _arm(name: str) -> measure.Arm:
    return next(arm for arm in (*measure.ARMS, *measure.SHARED) if arm.name == name)


def _build(what: Experiment, step: Step) -> Build:
    return Build(base.load(what.base), _arm(step.arm).variant, config=Config(step.configuration))


@dataclass(frozen=True)
class _Recorder:
    what: Experiment
    root: Path
    buckets: Buckets
    steps: Steps

    def record(self, step: Step, kernel: Build) -> None:
        """Boot once and let the run's folder appear."""
        arm, layout = _arm(step.arm), measure.layouts(self.what.layouts)[step.layout - 1]
        load = count.Load(
            arm.level,
            layout.concurrent,
            max(1, self.what.connections // layout.concurrent),
            phases=1,
            strangers=self.what.load == "strangers",
        )
        with ExitStack() as stack:
            run = RunFolder(stack, self.root, self.what.name, step.run)
            raw = count.boot(kernel, load, self.buckets, self.steps, layout.memory_mib)
            # Refused here rather than found out later: windows that are not the connections'.
            phase = count.phases(raw, load, self.buckets)[0]
            run.add(raw.counts, COUNTS, "sums of executed instructions by region, from the plugin")
            run.add_text(FUNCTIONS, functions_table(self.buckets), "the regions, and their buckets")
            run.add(raw.console, CONSOLE, "the guest's console")
            run.commit(self._facts(step, kernel, load, layout, phase.windows))

    def _facts(
        self, step: Step, kernel: Build, load: count.Load, layout: measure.Layout, windows: int
    ) -> dict[str, Any]:
        program = sha256_of(initramfs.compile_program("drive", initramfs.DRIVE_SOURCES, self.steps))
        return {
            "command": command_line("lab", "run", self.what.name),
            "description": (
                f"Instructions of a guest's kernel from SYN to SYNACK: {step.arm}, "
                f"{step.configuration} configuration, layout {step.layout}."
            ),
            "kernel": build.facts(kernel),
            "machine": {
                "cpu_model": f"QEMU {self.buckets.cpu}",
                "cpus": 1,
                "memory_bytes": layout.memory_mib * 2**20,
                "clock_source": "icount",
                "virtualization": "qemu-tcg",
            },
            "tools": tool_versions(["qemu-system-x86_64"]) | {"compiler": compiler()},
            "load_generator": {
                "name": "drive",
                "version": f"sha256 {program}",
                "command": load.command,
            },
            "repetition": step.layout,
            "parameters": {
                "arm": step.arm,
                "level": load.level,
                "configuration": step.configuration,
                "layout": step.layout,
                "place_in_order": step.place,
                "seed": self.what.seed,
                "concurrent_handshakes": layout.concurrent,
                "connections": load.connections,
                "load": self.what.load,
                "buckets_sha256": sha256_of(base.kernel_dir() / "buckets.toml"),
                "plugin_sha256": sha256_of(base.kernel_dir() / "plugin" / "faltcon_count.c"),
                "kernel_image_sha256": sha256_of(kernel.image),
            },
            "results": {"windows": windows},
        }
