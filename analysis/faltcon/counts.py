"""What the instruction counter wrote: executed guest instructions by region of the kernel's work.

The counter is kernel/plugin/faltcon_count.c. A region is a call of one of the
functions that it was given, with all that the call calls, up to the next such
function; region 0 is everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import EmptyInputError, FormatError
from faltcon.files import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["OTHERS", "Sums", "parse"]

OTHERS = "others"
SNAPSHOT = re.compile(r"snapshot (\d+) windows (\d+) user (\d+) lost (\d+)")
REGION = re.compile(r"region (\d+) inside (\d+) outside (\d+) calls (\d+)")


@dataclass(frozen=True)
class Sums:
    """Instructions since boot at one snapshot: by name inside windows and outside them.

    windows: SYNs that were answered; user: instructions outside the kernel.
    """

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

    def grouped(self, group_of: Mapping[str, str]) -> Sums:
        """The same, names of a group added up; a name without a group is `others`."""
        return Sums(
            self.windows, self.user, _added(self.inside, group_of), _added(self.outside, group_of)
        )


def _added(sums: Mapping[str, int], group_of: Mapping[str, str]) -> dict[str, int]:
    found = dict.fromkeys([OTHERS, *dict.fromkeys(group_of.values())], 0)
    for name, value in sums.items():
        found[group_of.get(name, OTHERS)] += value
    return found


def parse(file: Path, names: Sequence[str]) -> list[Sums]:
    """The snapshots that the counter wrote, in order.

    names: of the regions, from 0. Raises FormatError for a line that is not
    the counter's, EmptyInputError for none.
    """
    with reading(file):
        lines = file.read_bytes().decode("utf-8", errors="replace").splitlines()
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
            raise FormatError(file, "is not the counter's output", place=f"line {number}")
    if not found:
        raise EmptyInputError(file, "holds no snapshot", mend="record it again")
    return found
