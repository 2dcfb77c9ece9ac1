"""Instructions counted from outside: QEMU's TCG plugin, run once over a guest's load."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.counts import Sums, parse
from faltcon.errors import FormatError, ToolFailedError
from faltcon.lab.kernel import buckets as bucket_file
from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import kernel_dir, work_dir
from faltcon.lab.kernel.guest import Guest, run

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.kernel.buckets import Buckets
    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = ["Load", "Raw", "boot", "build_plugin", "count", "phases"]

# Windows that the shadow stack may lose, to an interrupt between two blocks for example.
LOST_SHARE = 0.005
TRIGGER = "__x64_sys_getsid"
# More than twice the default of net.ipv4.tcp_faltcon_timer_ms.
SETTLE_MS = 61_000


@dataclass(frozen=True)
class Load:
    """What the guest does: `rounds` rounds of `concurrent` handshakes, `phases` times.

    With `strangers` each handshake has a client address of its own, and a phase
    lasts until they have been forgotten.
    """

    level: int
    concurrent: int = 8
    rounds: int = 100
    phases: int = 3
    strangers: bool = False

    @property
    def connections(self) -> int:
        """Connections of one phase."""
        return self.concurrent * self.rounds

    @property
    def command(self) -> str:
        """The guest's command line."""
        words = f"drive {self.level} {self.concurrent} {self.rounds} {self.phases}"
        return f"{words} strangers {SETTLE_MS}" if self.strangers else words


def build_plugin(steps: Steps) -> Path:
    """Compile the plugin, if its source changed. It needs no header of QEMU's."""
    source = kernel_dir() / "plugin" / "faltcon_count.c"
    target = work_dir() / "guest" / "faltcon_count.so"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]
    steps.run("compile the plugin", "seconds", ["gcc", *flags, "-o", str(target), str(source)])
    return target


@dataclass(frozen=True)
class Raw:
    """What one boot left: the counter's output, the list it was given, and the console."""

    counts: Path
    names: Path
    console: Path


def boot(build: Build, load: Load, buckets: Buckets, steps: Steps, memory_mib: int = 1024) -> Raw:
    """Boot, load, count. Raises ToolFailedError when the load did not end as it should."""
    plugin = build_plugin(steps)
    folder = work_dir() / "guest" / "count"
    folder.mkdir(parents=True, exist_ok=True)
    names = folder / f"{build.name}.list"
    system_map = build.folder / "System.map"
    bucket_file.write_list(buckets, system_map, names)
    trigger = bucket_file.symbols(system_map).get(TRIGGER)
    if trigger is None:
        raise FormatError(system_map, f"has no {TRIGGER}; the phases cannot be told apart")
    out = folder / f"{build.name}-level{load.level}.out"
    out.unlink(missing_ok=True)
    archive = initramfs.make(
        folder / f"{build.name}-level{load.level}.initramfs.gz",
        load.command,
        {"drive": initramfs.compile_program("drive", initramfs.DRIVE_SOURCES, steps)},
    )
    guest = Guest(
        cpus=1,
        icount=True,
        cpu=buckets.cpu,
        extra=("-plugin", f"{plugin},list={names},out={out},trigger={trigger:x}"),
        memory_mib=memory_mib,
    )
    log = folder / f"{build.name}-level{load.level}.console"
    lines = run(build, archive, guest, log)
    if not any(line.startswith("drive: done") for line in lines) or not out.exists():
        raise ToolFailedError(["drive"], 1, f"the load did not end well; see {log}")
    return Raw(out, names, log)


def phases(raw: Raw, load: Load, buckets: Buckets) -> list[Sums]:
    """The sums of each phase, by function of the bucket file.

    Raises ToolFailedError where the number of windows is not that of the connections.
    """
    marks = parse(raw.counts, buckets.regions)
    found = [after.since(before) for before, after in itertools.pairwise(marks)][: load.phases]
    for phase in found:
        if abs(phase.windows - load.connections) > LOST_SHARE * load.connections:
            raise ToolFailedError(
                ["drive"], 0, f"{phase.windows} windows for {load.connections} connections"
            )
    return found


def count(
    build: Build, load: Load, buckets: Buckets, steps: Steps, memory_mib: int = 1024
) -> list[Sums]:
    """Boot, load, count: the sums of each phase, by bucket. Raises as `boot` and `phases` do."""
    raw = boot(build, load, buckets, steps, memory_mib)
    return [phase.grouped(buckets.functions) for phase in phases(raw, load, buckets)]
