"""From an address to a function: tables of symbols, and the kernel's.

The choices between names of one address are perf's, so that a recording reads
the same here as through `perf script` (tools/perf/util/symbol.c).
"""

from __future__ import annotations

import bisect
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltcon.errors import FormatError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Names", "Symbol", "SymbolTable", "kallsyms", "table_of"]

_PAGE = 4096
_MOST_UNDERSCORES = 8


class Symbol(NamedTuple):
    """A function: name, address of its start, and the module it is in (`[veth]`), if any."""

    name: str
    start: int
    module: str = ""


@dataclass(frozen=True)
class Names:
    """Names within a run of bytes: where each begins and how long it is."""

    text: bytes
    at: NDArray[np.int64]
    length: NDArray[np.int64]

    def take(self, order: NDArray[np.intp]) -> Names:
        """These of the names, in this order."""
        return Names(self.text, self.at[order], self.length[order])

    def get(self, index: int) -> str:
        """One name."""
        at = int(self.at[index])
        return self.text[at : at + int(self.length[index])].decode("utf-8", "surrogateescape")

    def underscores(self, *, spelled: bool) -> NDArray[np.int64]:
        """How many underscores each name begins with (eight at most).

        spelled: encoded names (`_Z…`) will be shown in plain words.
        """
        content = np.frombuffer(self.text, np.uint8)
        count = np.zeros(len(self.at), np.int64)
        still = np.ones(len(self.at), np.bool_)
        for step in range(_MOST_UNDERSCORES):
            place = np.minimum(self.at + step, len(content) - 1)
            still &= (step < self.length) & (content[place] == ord("_"))
            count += still
        if spelled:
            second = np.minimum(self.at + 1, len(content) - 1)
            count[(count == 1) & (self.length > 1) & (content[second] == ord("Z"))] = 0
        return count


@dataclass
class SymbolTable:
    """Functions by address; `starts` is sorted, the other columns go with it.

    first, last: the names that stand for an address equally well; perf takes
    the longest as it is shown.
    reference: addresses of `_text` and `_stext`, to tell how far the kernel was
    moved. spell: applied to a name when it is first asked for.
    """

    starts: NDArray[np.uint64]
    ends: NDArray[np.uint64]
    names: Names
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    reference: dict[str, int] = field(default_factory=dict)
    spell: Callable[[str], str] = str

    def __post_init__(self) -> None:
        self._known: dict[int, Symbol] = {}

    @functools.cached_property
    def _sorted(self) -> list[int]:
        # One address at a time is found faster in a list than in an array.
        found: list[int] = self.starts.tolist()
        return found

    def places(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The place in the table of the function of each address; -1 where there is none."""
        if not len(self.starts):
            return np.full(len(addresses), -1, np.int64)
        found = np.searchsorted(self.starts, addresses, "right") - 1
        found[addresses >= self.ends[found]] = -1
        return found

    def find(self, address: int) -> Symbol | None:
        """The function that an address lies in."""
        place = bisect.bisect_right(self._sorted, address) - 1
        if place < 0 or address >= self.ends[place]:
            return None
        symbol = self._known.get(place)
        if symbol is None:
            names = map(self.names.get, range(self.first[place], self.last[place] + 1))
            shown = ((self.spell(name), module) for name, _, module in map(_parted, names))
            name, module = max(shown, key=lambda pair: len(pair[0]))
            symbol = Symbol(name, self._sorted[place], module)
            self._known[place] = symbol
        return symbol


def _parted(name: str) -> tuple[str, str, str]:
    return name.partition("\t")


def table_of(
    starts: NDArray[np.uint64],
    sizes: NDArray[np.uint64],
    names: Names,
    *,
    weak: NDArray[np.bool_],
    local: NDArray[np.bool_],
    module: NDArray[np.bool_] | None = None,
    spell: Callable[[str], str] = str,
) -> SymbolTable:
    """Sort, give each symbol without a size the gap behind it, choose one name an address.

    All columns have shape (n,), one entry a symbol, in the order of the source.
    size 0: the source does not say. module: whether the symbol is a kernel
    module's. spell: how names are shown.
    """
    order = np.argsort(starts, kind="stable")
    starts, names = starts[order], names.take(order)
    weak, local = weak[order], local[order]
    ends = starts + sizes[order]
    page = np.uint64(_PAGE)
    following = np.append(starts[1:], (starts[-1:] + page - np.uint64(1)) // page * page + page)
    if module is not None:
        # Between the kernel and its modules lies a gap that is neither's.
        modules = module[order]
        edge = np.append(modules[1:] != modules[:-1], np.False_)
        near = (starts + np.uint64(2) * page - np.uint64(1)) // page * page
        following = np.where(edge, near, following)
    ends = np.where(ends == starts, following, ends)
    # Only names that share an address have to be ranked.
    same = starts[1:] == starts[:-1]
    shared = np.flatnonzero(np.append(same, np.False_) | np.append(np.False_, same))
    of_shared = names.take(shared)
    rank = (
        of_shared.underscores(spelled=spell is not str), local[shared], weak[shared],
        ends[shared] == starts[shared],
    )  # fmt: skip
    best = np.arange(len(starts))
    ranked = np.lexsort((*rank, starts[shared]))
    best[shared] = shared[ranked]
    new = np.append(np.True_, ~same)[: len(best)]
    tied = ~new
    equal = np.ones(max(len(shared) - 1, 0), np.bool_)
    for column in rank:
        equal &= column[ranked][1:] == column[ranked][:-1]
    tied[shared[1:]] &= equal
    first = np.flatnonzero(new)
    # Names as good as the first of their address follow it; the longest wins when one is asked for.
    last = np.flatnonzero(np.append(~tied[1:], np.True_)[: len(best)])
    chosen = best[first]
    return SymbolTable(
        starts[chosen],
        ends[chosen],
        names.take(best),
        first,
        last[np.searchsorted(last, first)],
        spell=spell,
    )


def kallsyms(file: str | Path) -> SymbolTable:
    """The table of a kallsyms file or System.map (plain, gzip or zstd).

    Raises InputError; FormatError where it holds no address (an unprivileged
    user sees only zeros in /proc/kallsyms).
    """
    with reading(file), open_binary(file) as stream:
        text = stream.read()
    content = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    begins = np.append(0, ends[:-1] + 1) if len(ends) else ends
    digits = text.find(b" ")
    if digits not in {8, 16} or not len(ends):
        raise FormatError(file, "is no kallsyms", mend="copy /proc/kallsyms as root")
    # address, blank, kind, blank, name[, tab, [module]]
    usable = ends - begins > digits + 3
    begins, ends = begins[usable], ends[usable]
    kinds = content[begins + digits + 1]
    wanted = np.isin(kinds, np.frombuffer(b"TtWwDdBb", np.uint8))
    wanted &= content[begins + digits + 3] != ord("$")
    begins, ends, kinds = begins[wanted], ends[wanted], kinds[wanted]
    try:
        starts = _hexadecimal(content, begins, digits)
    except ValueError as error:
        raise FormatError(file, "is no kallsyms", mend="copy /proc/kallsyms as root") from error
    if not starts.any():
        raise FormatError(
            file, "holds no kernel address", mend="read it as root, or set kernel.kptr_restrict=0"
        )
    names = Names(text, begins + digits + 3, ends - begins - digits - 3)
    table = table_of(
        starts,
        np.zeros(len(starts), np.uint64),
        names,
        weak=(kinds | 32) == ord("w"),
        local=kinds >= ord("a"),
        module=content[ends - 1] == ord("]"),
    )
    for name in ("_text", "_stext"):
        place = text.find(f" {name}\n".encode())
        if place >= digits + 2:
            table.reference[name] = int(text[place - digits - 2 : place - 2], 16)
    return table


def _hexadecimal(
    content: NDArray[np.uint8], at: NDArray[np.int64], digits: int
) -> NDArray[np.uint64]:
    """The numbers of so many (8 or 16) hexadecimal digits at these places."""
    values = np.full(256, 255, np.uint8)
    values[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
    if not len(at):
        return np.empty(0, np.uint64)
    found = values[np.lib.stride_tricks.sliding_window_view(content, digits)[at]]
    if found.max() == 255:
        raise ValueError
    packed = found[:, 0::2] << 4 | found[:, 1::2]
    return packed.view(">u8" if digits == 16 else ">u4")[:, 0].astype(np.uint64)
