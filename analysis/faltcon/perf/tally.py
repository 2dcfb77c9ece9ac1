"""Samples that are alike, counted together: what folding and breaking down need of a profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltcon.perf.compiled import enter_all
from faltcon.perf.samples import UNKNOWN, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Profile", "StackPool", "Tally", "grouped", "plain_frame"]

_KERNEL_ADDRESSES = 1 << 63


class Tally(NamedTuple):
    """Samples of one thread name, event and stack (and thread, where that was asked for).

    samples: how many; weight: their summed periods (one each where none is
    given); frames: innermost first, addresses left out.
    """

    comm: str
    pid: int | None
    tid: int
    event: str | None
    frames: tuple[Frame, ...]
    samples: int
    weight: int
    with_period: bool


@dataclass
class Profile:
    """A whole file's tallies, and what could not be used of it."""

    file: str
    tallies: list[Tally]
    skipped: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    unclosed: bool = False

    @property
    def samples(self) -> int:
        """Number of samples, of all events."""
        return sum(tally.samples for tally in self.tallies)


def plain_frame(frame: Frame, *, addresses: bool) -> Frame:
    """The frame without what tells two calls of one function apart.

    The address of a frame without a symbol stays where it is asked for;
    otherwise only whether it is the kernel's.
    """
    if frame.symbol == UNKNOWN and addresses:
        return frame._replace(offset=None)
    return frame._replace(address=frame.address & _KERNEL_ADDRESSES, offset=None)


class StackPool:
    """Stacks as runs of frame numbers, each distinct one kept once (for the compiled loops)."""

    def __init__(self) -> None:
        self.table: NDArray[np.int32] = np.full(1 << 14, -1, np.int32)
        self.pool: NDArray[np.int32] = np.empty(1 << 16, np.int32)
        self.begins: NDArray[np.int64] = np.zeros(1 << 13, np.int64)
        self.known = 0

    def grow(self) -> None:
        """Make room for as much again."""
        self.pool = np.concatenate([self.pool, np.empty_like(self.pool)])
        self.begins = np.concatenate([self.begins, np.empty_like(self.begins)])
        self.table = np.full(2 * len(self.table), -1, np.int32)
        enter_all(self.table, self.pool, self.begins, self.known)

    def stacks(self) -> Iterator[list[int]]:
        """The frame numbers of each stack, in the order of the stacks' numbers."""
        pool, begins = self.pool.tolist(), self.begins[: self.known + 1].tolist()
        for begin, end in pairwise(begins):
            yield pool[begin:end]


def grouped(
    keys: list[NDArray[np.int64]], weights: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows of the key columns, with the number of rows and their summed weight."""
    order = np.lexsort(keys[::-1])
    edges = np.zeros(len(order), np.bool_)
    edges[:1] = True
    for key in keys:
        ordered = key[order]
        edges[1:] |= ordered[1:] != ordered[:-1]
    begins = np.flatnonzero(edges)
    counts = np.diff(np.append(begins, len(order)))
    sums = np.add.reduceat(weights[order], begins) if len(begins) else weights[:0]
    return [key[order][begins] for key in keys], counts, sums
