"""From an address to a function: tables of symbols, and the kernel's.

The choices between names of one address are perf's, so that a recording reads
the same here as through `perf script` (tools/perf/util/symbol.c).
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faltcon.errors import FormatError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Candidate", "Symbol", "SymbolTable", "kallsyms", "table_of"]

_PAGE = 4096
_KALLSYMS = re.compile(
    rb"^([0-9a-f]{8,16}) ([TtWwDdBb]) ([^$\s][^\t\n]*)(?:\t\[([^\]]+)\])?$", re.MULTILINE
)


class Symbol(NamedTuple):
    """A function: name, address of its start, and the module it is in (`[veth]`), if any."""

    name: str
    start: int
    module: str = ""


@dataclass
class SymbolTable:
    """Functions by address; `starts` is sorted, the other lists go with it.

    reference: addresses of `_text` and `_stext`, to tell how far the kernel was moved.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    reference: dict[str, int] = field(default_factory=dict)

    def find(self, address: int) -> Symbol | None:
        """The function that an address lies in."""
        place = bisect.bisect_right(self.starts, address) - 1
        if place < 0 or address >= self.ends[place]:
            return None
        return self.symbols[place]


class Candidate(NamedTuple):
    """A name that a source of symbols offers for an address; size 0 where it does not say."""

    start: int
    size: int
    weak: bool
    local: bool
    symbol: Symbol


def table_of(candidates: Iterable[Candidate]) -> SymbolTable:
    """Sort, choose one name an address, and give each symbol without a size the gap behind it."""
    ordered = sorted(candidates, key=lambda one: one.start)
    ends = [one.start + one.size for one in ordered]
    for place, one in enumerate(ordered):
        if one.size:
            continue
        if place + 1 == len(ordered):
            ends[place] = (one.start + _PAGE - 1) // _PAGE * _PAGE + _PAGE
        elif bool(one.symbol.module) != bool(ordered[place + 1].symbol.module):
            # Between the kernel and its modules lies a gap that is neither's.
            ends[place] = (one.start + 2 * _PAGE - 1) // _PAGE * _PAGE
        else:
            ends[place] = ordered[place + 1].start
    table = SymbolTable()
    kept: list[Candidate] = []
    for one, end in zip(ordered, ends, strict=True):
        sized = one._replace(size=end - one.start)
        if kept and kept[-1].start == one.start:
            if _better(kept[-1], sized):
                continue
            kept.pop(), table.starts.pop(), table.ends.pop(), table.symbols.pop()
        kept.append(sized)
        table.starts.append(one.start)
        table.ends.append(end)
        table.symbols.append(one.symbol)
    return table


def _better(one: Candidate, other: Candidate) -> bool:
    """Whether perf keeps the first of two names of one address (choose_best_symbol)."""
    if bool(one.size) != bool(other.size):
        return bool(one.size)
    for left, right in (
        (one.weak, other.weak),
        (one.local, other.local),
        (_underscores(one), _underscores(other)),
        (-len(one.symbol.name), -len(other.symbol.name)),
    ):
        if left != right:
            return left < right
    return not one.symbol.name.startswith(("SyS", "compat_SyS"))


def _underscores(one: Candidate) -> int:
    name = one.symbol.name
    return len(name) - len(name.lstrip("_"))


def kallsyms(file: str | Path) -> SymbolTable:
    """The table of a kallsyms file or System.map (plain, gzip or zstd).

    Raises InputError; FormatError where it holds no address (an unprivileged
    user sees only zeros in /proc/kallsyms).
    """
    with reading(file), open_binary(file) as stream:
        content = stream.read()
    return _parse_kallsyms(str(file), content)


def _parse_kallsyms(file: str, content: bytes) -> SymbolTable:
    found = _KALLSYMS.findall(content)
    candidates = [
        Candidate(
            start=int(address, 16),
            size=0,
            weak=kind in b"Ww",
            local=kind.islower(),
            symbol=Symbol(
                name.decode(errors="replace"),
                int(address, 16),
                f"[{module.decode(errors='replace')}]" if module else "",
            ),
        )
        for address, kind, name, module in found
    ]
    if not any(one.start for one in candidates):
        raise FormatError(
            file, "holds no kernel address", mend="read it as root, or set kernel.kptr_restrict=0"
        )
    table = table_of(candidates)
    table.reference = {
        one.symbol.name: one.start for one in candidates if one.symbol.name in {"_text", "_stext"}
    }
    return table
