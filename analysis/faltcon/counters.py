"""The kernel's counters that a recording keeps from before and after its load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from faltcon.errors import FormatError
from faltcon.files import reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["growth"]

BEFORE, AFTER = "counters-before.txt", "counters-after.txt"
# One of nstat's lines: name, value, rate.
_LINE = re.compile(r"([A-Z]\w+) +(\d+) +[\d.]+")


def growth(folder: Path, *names: str) -> dict[str, int]:
    """How much these counters of `nstat` grew during a run (counts).

    folder: the run's. names: as nstat prints them, `TcpPassiveOpens` for example.
    Raises InputError for a file that cannot be read or lacks a counter.
    """
    before, after = (_read(folder / file) for file in (BEFORE, AFTER))
    for name in names:
        for file, values in ((BEFORE, before), (AFTER, after)):
            if name not in values:
                raise FormatError(folder / file, f"has no counter {name}")
    return {name: after[name] - before[name] for name in names}


def _read(file: Path) -> dict[str, int]:
    with reading(file):
        lines = file.read_text("utf-8", "replace").splitlines()
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    return {match[1]: int(match[2]) for match in found if match}
