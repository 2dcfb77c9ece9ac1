"""Distinct stacks as runs of frame numbers, for the compiled loops."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.compiled import enter_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["StackPool"]


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
