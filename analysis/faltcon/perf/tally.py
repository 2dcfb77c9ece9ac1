"""Samples that are alike, counted together: what folding and breaking down need of a profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltcon.perf.leftout import LeftOut
from faltcon.perf.samples import UNKNOWN, Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.perf.samples import Sample

__all__ = ["Profile", "Tally", "grouped", "plain_frame", "tally_of"]

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
    def left_out(self) -> LeftOut:
        """What the recording lacks."""
        return LeftOut(self.skipped, self.throttled)

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


def tally_of(sample: Sample, *, addresses: bool) -> Tally:
    """A tally of one sample."""
    frames = tuple(plain_frame(frame, addresses=addresses) for frame in sample.frames)
    return Tally(
        sample.comm, sample.pid, sample.tid, sample.event, frames, 1, sample.weight,
        sample.with_period,
    )  # fmt: skip


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
