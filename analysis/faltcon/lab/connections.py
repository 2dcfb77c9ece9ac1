"""Figure 4's recordings: what whole connections cost a server alone, one boot after the other."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon import stages as counted
from faltcon.files import sha256_of
from faltcon.lab import connection_plan
from faltcon.lab.host import tool_versions
from faltcon.lab.kernel import account, base, buckets, build, initramfs, measure, series
from faltcon.lab.kernel.build import Build, Config, Variant, compiler
from faltcon.lab.run_folder import RunFolder, command_line, is_complete, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.connection_plan import Boot, Plan
    from faltcon.lab.kernel.steps import Steps

__all__ = ["layouts", "record"]

# At a time. The paper keeps 100 connections for each of the server's cores (section 4.1).
CONCURRENT = (100, 60, 80, 120, 150)


def layouts(number: int) -> list[measure.Layout]:
    """The first `number` layouts: every boot of these experiments uses the same ones."""
    return [measure.Layout(640 + 48 * i, CONCURRENT[i % len(CONCURRENT)]) for i in range(number)]


def record(plan: Plan, root: Path, steps: Steps, *, force: bool = False) -> int:
    """Make every recording of the plan that is not there; return how many were made.

    Builds the kernels first. A run that is there and whole is left alone unless
    `force`; so an interrupted experiment goes on where it stopped.
    """
    for name in sweep(root, plan.name):
        steps.say(f"removed the half-made run {name}")
    order = connection_plan.order(plan)
    todo = [b for b in order if force or not is_complete(root, plan.name, b.run)]
    steps.say(f"{len(order)} recordings in all, {len(order) - len(todo)} there already")
    kernels = {
        name: Build(base.load(plan.base), Variant(name), config=Config(plan.configuration))
        for name in dict.fromkeys(b.kernel for b in todo)
    }
    for kernel in kernels.values():
        build.build(kernel, steps)
    recorder = _Recorder(plan, root, buckets.load().cpu, steps)
    began = time.monotonic()
    for made, boot in enumerate(todo, start=1):
        recorder.record(boot, kernels[boot.kernel])
        left = (time.monotonic() - began) / made * (len(todo) - made)
        steps.say(f"{made} of {len(todo)}: {boot.run}; about {left / 60:.0f} min left")
    return len(todo)


@dataclass(frozen=True)
class _Recorder:
    plan: Plan
    root: Path
    cpu: str
    steps: Steps

    def record(self, boot: Boot, kernel: Build) -> None:
        """Boot once and let the run's folder appear."""
        layout = layouts(self.plan.layouts)[boot.layout - 1]
        load = account.Load(
            layout.concurrent, self.plan.connections, connection_plan.phases(self.plan, boot)
        )
        stages = account.load_stages()
        with ExitStack() as stack:
            run = RunFolder(stack, self.root, self.plan.name, boot.run)
            raw = account.boot(kernel, load, self.steps, cpu=self.cpu, memory_mib=layout.memory_mib)
            # Refused here rather than found out later: work of the client's on the server's side.
            found = counted.read_boot(
                raw.counts.read_text("utf-8"), stages.names, len(load.phases), raw.counts
            )
            counted.check(found, load.connections, raw.counts)
            run.add(raw.counts, counted.COUNTS, "executed instructions by stage and function")
            run.add_text(
                counted.STAGES,
                "".join(f"{name}\n" for name in stages.names),
                "the stages' names, from 0",
            )
            run.add(raw.console, counted.CONSOLE, "the guest's console")
            run.commit(self._facts(boot, kernel, load, layout, raw))

    def _facts(
        self,
        boot: Boot,
        kernel: Build,
        load: account.Load,
        layout: measure.Layout,
        raw: account.Raw,
    ) -> dict[str, Any]:
        program = initramfs.compile_program("connections", account.CONNECTIONS_SOURCES, self.steps)
        patched = kernel.variant is not Variant.STOCK
        return {
            "command": command_line("lab", "run", self.plan.name),
            "description": (
                f"A server's instructions for whole connections, by stage: {boot.kernel} kernel, "
                f"{self.plan.configuration} configuration, layout {boot.layout}."
            ),
            "kernel": {
                "release": kernel.base.release,
                "version": "",
                "base_package": f"{kernel.base.package} {kernel.base.version}",
                "patch_series_sha256": (
                    series.digest(series.patches(kernel.base.name)) if patched else None
                ),
                "config_sha256": sha256_of(kernel.config_file),
            },
            "machine": {
                "cpu_model": f"QEMU {self.cpu}",
                "cpus": 1,
                "memory_bytes": layout.memory_mib * 2**20,
                "clock_source": "icount",
                "virtualization": "qemu-tcg",
            },
            "tools": tool_versions(["qemu-system-x86_64", "nginx"]) | {"compiler": compiler()},
            "load_generator": {
                "name": "connections",
                "version": f"sha256 {sha256_of(program)}",
                "command": load.words,
            },
            "repetition": boot.layout,
            "parameters": {
                "kernel": boot.kernel,
                "configuration": self.plan.configuration,
                "layout": boot.layout,
                "place_in_order": boot.place,
                "seed": self.plan.seed,
                "concurrent": load.concurrent,
                "connections": load.connections,
                "phases": " ".join(f"{p.level},{p.server},{p.value}" for p in load.phases),
                "stages_sha256": sha256_of(account.stages_file()),
                "plugin_sha256": sha256_of(account.plugin_source()),
                "kernel_image_sha256": sha256_of(kernel.image),
            },
            "results": {"said": "; ".join(raw.said)},
        }
