"""From callchains to numbers of stacks, each distinct chain of callers worked out once.

A server calls its functions in few ways: of 700,000 samples, 6,000 chains of
callers differ. So whole chains are told apart by their addresses first, and
only one of each kind is looked up frame by frame. The interrupted address
itself differs nearly every time; it is looked up for each sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.framing import CONTEXT_MAX
from faltcon.perf.numbering import Numbers, Runs, Stacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from faltcon.perf.framing import Chain, Framing
    from faltcon.perf.replay import Mapping
    from faltcon.perf.samples import Frame

__all__ = ["Stacking"]

_HALF = np.uint64(32)


class Stacking:
    """Numbers stacks from 0 on; `stacks` holds them by number.

    torn: samples whose chain has a mark that perf does not know. Raises
    HashCollisionError (numbering.Stacks).
    """

    def __init__(self, framing: Framing, seed: int) -> None:
        self.torn = 0
        self._framing = framing
        self._callers = Runs(seed)  # by address
        self._marked: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._keys = Numbers()  # callers, whether from the kernel, and number of memory maps
        self._frames = Stacks(seed)  # by frame
        self._of_key: NDArray[np.int32] = np.empty(0, np.int32)
        self._torn: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._stacks = Numbers()  # callers by frame, and the frame of the interrupted address

    def of(
        self,
        chains: Chain,
        maps: Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], list[list[Mapping]]]],
    ) -> NDArray[np.int32]:
        """The number of each chain's stack, shape (n,).

        maps: gives the number of memory maps of each of these chains, and the
        maps by number; asked only where there are user frames.
        """
        callers = self._callers.of(chains.words, chains.begins, chains.counts)
        self._see_marks(callers, chains)
        versions = np.zeros(len(callers), np.int64)
        known_maps: list[list[Mapping]] = []
        in_user = ~chains.kernel & ((chains.leaf != 0) | (chains.counts > 0))
        in_user = np.flatnonzero(in_user | self._marked[callers])
        if len(in_user):
            versions[in_user], known_maps = maps(in_user)
        keys = (callers.astype(np.uint64) << np.uint64(1)) | chains.kernel
        keys |= versions.astype(np.uint64) << _HALF
        known = len(self._keys)
        numbers = self._keys.of(keys)
        if len(self._keys) > known:
            rows = _one_of_each(numbers, known, len(self._keys))
            self._work_out(chains, rows, versions[rows], known_maps)
        torn = self._torn[numbers]
        self.torn += int(torn.sum())
        leaves = np.full(len(numbers), -1, np.int64)
        wanted = (chains.leaf != 0) & ~torn
        leaves[wanted] = self._framing.leaves(
            chains.leaf[wanted], chains.kernel[wanted], versions[wanted], known_maps
        )
        pairs = self._of_key[numbers].astype(np.uint64) << _HALF
        return self._stacks.of(pairs | (leaves + 1).astype(np.uint64))

    def _see_marks(self, callers: NDArray[np.int32], chains: Chain) -> None:
        """Note of each new chain of callers whether it turns from the kernel to the user."""
        known = len(self._marked)
        if len(self._callers) == known:
            return
        rows = _one_of_each(callers, known, len(self._callers))
        marks = chains.addresses(rows) >= CONTEXT_MAX
        marked = np.zeros(len(rows), np.bool_)
        marked[np.repeat(np.arange(len(rows)), chains.counts[rows])[marks]] = True
        self._marked = np.append(self._marked, marked)

    def _work_out(
        self,
        chains: Chain,
        rows: NDArray[np.int64],
        versions: NDArray[np.int64],
        maps: list[list[Mapping]],
    ) -> None:
        """Look up the callers of these chains, frame by frame."""
        frames, lengths, torn = self._framing.frames(
            chains.addresses(rows), chains.counts[rows], chains.kernel[rows], versions, maps
        )
        self._of_key = np.append(self._of_key, self._frames.of(frames, lengths))
        self._torn = np.append(self._torn, torn)

    @property
    def stacks(self) -> list[tuple[Frame, ...]]:
        """The stacks so far, each innermost frame first."""
        frames = self._framing.found
        callers = [tuple([frames[one] for one in stack]) for stack in self._frames]
        leaves: list[tuple[Frame, ...]] = [(), *((one,) for one in frames)]
        return [leaves[key & 0xFFFFFFFF] + callers[key >> 32] for key in self._stacks.distinct()]


def _one_of_each(numbers: NDArray[np.int32], known: int, size: int) -> NDArray[np.int64]:
    """A row of each number from `known` on; all of them are there."""
    rows = np.flatnonzero(numbers >= known)
    found = np.empty(size - known, np.int64)
    found[numbers[rows] - known] = rows
    return found
