"""Instructions counted from outside: QEMU's TCG plugin, run once over a guest's load."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import FormatError, ToolFailedError
from faltcon.files import reading
from faltcon.lab.kernel import buckets as bucket_file
from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import kernel_dir, work_dir
from faltcon.lab.kernel.guest import Guest, run

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.kernel.buckets import Buckets
    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = ["Load", "Sums", "build_plugin", "count", "parse"]

# Windows that the shadow stack may lose, to an interrupt between two blocks for example.
LOST_SHARE = 0.005
TRIGGER = "__x64_sys_getsid"
SNAPSHOT = re.compile(r"snapshot (\d+) windows (\d+) user (\d+) lost (\d+)")
REGION = re.compile(r"region (\d+) inside (\d+) outside (\d+) calls (\d+)")


@dataclass(frozen=True)
class Load:
    """What the guest does: `rounds` rounds of `concurrent` handshakes, `phases` times."""

    level: int
    concurrent: int = 8
    rounds: int = 100
    phases: int = 3

    @property
    def connections(self) -> int:
        """Connections of one phase."""
        return self.concurrent * self.rounds


@dataclass(frozen=True)
class Sums:
    """Instructions since boot at one snapshot: by bucket inside windows and outside them."""

    windows: int
    user: int
    inside: dict[str, int]
    outside: dict[str, int]

    def since(self, before: Sums) -> Sums:
        """What came after another snapshot."""
        return Sums(
            self.windows - before.windows,
            self.user - before.user,
            {name: value - before.inside.get(name, 0) for name, value in self.inside.items()},
            {name: value - before.outside.get(name, 0) for name, value in self.outside.items()},
        )


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


def parse(file: Path, names: tuple[str, ...]) -> list[Sums]:
    """The snapshots that the plugin wrote, in order. Raises FormatError for any other line."""
    with reading(file):
        lines = file.read_text("utf-8").splitlines()
    found: list[Sums] = []
    for number, line in enumerate(lines, start=1):
        snapshot, region = SNAPSHOT.fullmatch(line), REGION.fullmatch(line)
        if snapshot:
            zero = dict.fromkeys(names, 0)
            found.append(Sums(int(snapshot[2]), int(snapshot[3]), dict(zero), dict(zero)))
        elif region and found and int(region[1]) < len(names):
            found[-1].inside[names[int(region[1])]] = int(region[2])
            found[-1].outside[names[int(region[1])]] = int(region[3])
        else:
            raise FormatError(file, "is not the plugin's output", place=f"line {number}")
    return found


def count(
    build: Build, load: Load, buckets: Buckets, steps: Steps, memory_mib: int = 1024
) -> list[Sums]:
    """Boot, load, count: the sums of each phase.

    Raises ToolFailedError when the load did not end as it should, or the
    number of windows is not that of the connections.
    """
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
    words = f"drive {load.level} {load.concurrent} {load.rounds} {load.phases}"
    archive = initramfs.make(
        folder / f"{build.name}-level{load.level}.initramfs.gz",
        words,
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
    marks = parse(out, buckets.names)
    phases = [after.since(before) for before, after in itertools.pairwise(marks)]
    phases = phases[: load.phases]
    for phase in phases:
        if abs(phase.windows - load.connections) > LOST_SHARE * load.connections:
            raise ToolFailedError(
                ["drive"], 0, f"{phase.windows} windows for {load.connections} connections"
            )
    return phases
