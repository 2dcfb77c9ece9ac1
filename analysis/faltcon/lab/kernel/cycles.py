"""Cycles counted from inside: the stamps of section 4.2, on user-mode Linux pinned to a CPU."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from faltcon.errors import FormatError, ToolFailedError
from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.guest import Guest, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.count import Load
    from faltcon.lab.kernel.steps import Steps

__all__ = ["PARTS", "STAMPS", "boot", "figures", "histograms", "median"]

PARTS = ("total", "request_sock", "synack", "faltcon", "others")
# How often each part begins: so many stamps are in it (net/ipv4/tcp_cycles.c).
STAMPS: Mapping[str, int] = {"request_sock": 3, "synack": 1, "others": 5}
STAMPS_FALTCON = 1
STEPS = 8
LINE = re.compile(r"(\d+) (\w+) (\d+) (\d+)")
HEAD = "cpu part cycles count"
# Of the SYNs, those whose window the kernel may have missed or counted double.
LOST_SHARE = 0.005


def histograms(lines: Iterable[str], file: Path) -> dict[str, Counter[int]]:
    """Of each part: how many SYNs by the least number of cycles of their step, all CPUs together.

    Reads from the line after the table's head to the first that is no row.
    Raises FormatError where there is no table.
    """
    found: dict[str, Counter[int]] = {}
    rows = iter(lines)
    if not any(line.strip() == HEAD for line in rows):
        raise FormatError(file, "holds no table of cycles", mend="was the kernel built with it?")
    for line in rows:
        row = LINE.fullmatch(line.strip())
        if row is None:
            break
        found.setdefault(row[2], Counter())[int(row[3])] += int(row[4])
    return found


def _width(least: int) -> int:
    """Width in cycles of the step that begins at `least`: eight steps an octave."""
    return max(1, 1 << max(0, least.bit_length() - STEPS.bit_length()))


def median(histogram: Mapping[int, int]) -> float:
    """The median of a histogram, in cycles, as if a step's values lay evenly in it."""
    half = sum(histogram.values()) / 2
    before = 0
    for least, count in sorted(histogram.items()):
        if before + count >= half:
            return least + (_width(least) - 1) * (half - before) / count
        before += count
    raise ValueError("an empty histogram has no median")


def figures(parts: Mapping[str, Mapping[int, int]], faltcon: bool) -> dict[str, float]:
    """Median cycles of the window and of its parts, without those of the stamps in them.

    `faltcon` says whether FALTCON is on, whose part then begins once.
    """
    stamp = median(parts["stamp"])
    stamps = {**STAMPS, "faltcon": STAMPS_FALTCON if faltcon else 0}
    stamps["total"] = sum(stamps.values())
    return {name: median(parts[name]) - stamps[name] * stamp for name in PARTS}


def boot(build: Build, load: Load, steps: Steps, memory_mib: int = 1024) -> dict[str, float]:
    """Boot, load, read the histograms: median cycles by part.

    Raises ToolFailedError when the load did not end as it should.
    """
    folder = work_dir() / "guest" / "cycles"
    name = f"{build.name}-level{load.level}"
    archive = initramfs.make(
        folder / f"{name}.initramfs.gz",
        f"drive {load.level} {load.concurrent} {load.rounds} {load.phases}\n"
        "cat /proc/net/tcp_cycles",
        {"drive": initramfs.compile_program("drive", initramfs.DRIVE_SOURCES, steps)},
    )
    log = folder / f"{name}.console"
    lines = run(build, archive, Guest(cpus=1, memory_mib=memory_mib), log)
    if not any(line.startswith("drive: done") for line in lines):
        raise ToolFailedError(["drive"], 1, f"the load did not end well; see {log}")
    parts = histograms(lines, log)
    seen, made = sum(parts.get("total", Counter()).values()), load.connections * load.phases
    if abs(seen - made) > LOST_SHARE * made:
        raise ToolFailedError(["drive"], 0, f"{seen} SYNs counted for {made} connections")
    return figures(parts, faltcon=load.level > 0)
