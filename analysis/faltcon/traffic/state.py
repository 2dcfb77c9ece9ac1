"""The memory of the compiled engine: rows that are given anew, and arrays that double."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic import fast_find, fast_head
from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_memory import address_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.int64]

__all__ = ["State"]

# Room that costs nothing until it is used; beyond it the arrays double.
FIRST_ROWS = 1 << 14
FIRST_TRANSACTIONS = 1 << 15
FIRST_NAMES = 1 << 8
OUT_ROWS = 1 << 13
HUGE_PAGE_BYTES = 1 << 21
# What a state that is kept for later consists of.
ARRAYS = [
    "ctl",
    "conn",
    "tx",
    "names",
    "free",
    "tx_free",
    "names_free",
    "ended",
    "done",
    "out",
    "table",
]
# No record holds more messages: the largest record by the shortest message.
MOST_MESSAGES = (1 << 18) // 16 + 8


def _room(rows: int, fields: int) -> Words:
    """Rows of zeros whose pages come into being when they are first touched."""
    pages = mmap.mmap(-1, 8 * rows * fields, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Rows are met in no order; large pages spare the walk through the page tables.
    if hasattr(mmap, "MADV_HUGEPAGE") and len(pages) >= HUGE_PAGE_BYTES:
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=np.int64).reshape(rows, fields)


class State:
    """The arrays that compiled code works on, and the control block that leads it to them.

    `rows` is how many connection rows were ever used; those from there on are
    free too, and were never touched.
    """

    def __init__(self, *, transactions: bool = True, speculative: bool = False) -> None:
        self.ctl: Words = np.zeros(at.CTL_FIELDS, dtype=np.int64)
        # Where the control block is.
        self.address = address_of(self.ctl)
        self.conn = _room(FIRST_ROWS, at.CONN_FIELDS)
        self.tx = _room(FIRST_TRANSACTIONS, at.TX_FIELDS)
        self.names = _room(FIRST_NAMES, at.NAMES_WORDS)
        self.free = _descending(0, FIRST_ROWS)
        self.tx_free = _descending(0, FIRST_TRANSACTIONS)
        self.names_free = _descending(0, FIRST_NAMES)
        self.ended: Words = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.done = _room(2 * MOST_MESSAGES, at.TX_FIELDS)
        self.out = _room(OUT_ROWS, at.OUT_FIELDS)
        self.table = _room(4 * FIRST_ROWS, 1)
        self._memo = _room(fast_head.MEMO_ENTRIES, fast_head.MEMO_WORDS)
        self._answer: Words = np.zeros(fast_head.ANSWER_FIELDS, dtype=np.int64)
        self._block = _room(at.BLOCK_SEGMENTS, at.B_FIELDS)
        ctl = self.ctl
        ctl[at.FREE_COUNT] = FIRST_ROWS
        ctl[at.TX_FREE_COUNT] = FIRST_TRANSACTIONS
        ctl[at.NAMES_FREE_COUNT] = FIRST_NAMES
        ctl[at.OUT_ROOM] = OUT_ROWS
        ctl[at.DONE_ROOM] = len(self.done)
        ctl[at.KEEP_TRANSACTIONS] = transactions
        ctl[at.SPECULATIVE] = speculative
        ctl[at.FIRST_TCP] = np.iinfo(np.int64).max
        self._point()

    def __getstate__(self) -> dict[str, Words]:
        """The arrays, as copies."""
        return {name: np.array(getattr(self, name)) for name in ARRAYS}

    def __setstate__(self, arrays: dict[str, Words]) -> None:
        self.__init__()  # type: ignore[misc]  # makes what is not kept
        for name, array in arrays.items():
            setattr(self, name, array)
        self.address = address_of(self.ctl)
        self._point()

    def _point(self) -> None:
        ctl = self.ctl
        for field, array in (
            (at.P_TABLE, self.table),
            (at.P_CONN, self.conn),
            (at.P_FREE, self.free),
            (at.P_TX, self.tx),
            (at.P_TX_FREE, self.tx_free),
            (at.P_NAMES, self.names),
            (at.P_NAMES_FREE, self.names_free),
            (at.P_OUT, self.out),
            (at.P_ENDED, self.ended),
            (at.P_DONE, self.done),
            (at.P_MEMO, self._memo),
            (at.P_ANSWER, self._answer),
            (at.P_BLOCK, self._block),
        ):
            ctl[field] = address_of(array)
        ctl[at.TABLE_MASK] = len(self.table) - 1

    @property
    def rows(self) -> int:
        """The highest number of a row in use, and 1."""
        # Numbers are given from the lowest on: those that were never given are at the bottom.
        return len(self.conn) - int(self._untouched())

    def _untouched(self) -> int:
        free = self.free[: self.ctl[at.FREE_COUNT]]
        last = len(self.conn) - 1
        down = np.flatnonzero(free != last - np.arange(len(free)))
        return int(down[0]) if len(down) else len(free)

    def grow(self) -> None:
        """Double what is full."""
        ctl = self.ctl
        # A block of segments may begin as many connections.
        self.room_for(at.BLOCK_SEGMENTS + 1, MOST_MESSAGES, at.BLOCK_SEGMENTS + 1)
        if ctl[at.DONE_COUNT] + MOST_MESSAGES > len(self.done):
            self.done = _doubled(self.done)
            ctl[at.DONE_ROOM] = len(self.done)
        self._point()

    def room_for(self, rows: int, transactions: int, names: int) -> None:
        """Grow until so much more fits."""
        ctl = self.ctl
        while True:
            short = (
                ctl[at.FREE_COUNT] < rows,
                ctl[at.TX_FREE_COUNT] < transactions,
                ctl[at.NAMES_FREE_COUNT] < names,
            )
            if not any(short):
                return
            if short[0]:
                self._more_rows()
            if short[1]:
                self._more_transactions()
            if short[2]:
                self._more_names()
            self._point()

    def _more_rows(self) -> None:
        size, left = len(self.conn), int(self.ctl[at.FREE_COUNT])
        self.conn = _doubled(self.conn)
        self.ended = np.concatenate((self.ended, np.zeros_like(self.ended)))
        self.free = _more_free(self.free, left)
        self.ctl[at.FREE_COUNT] += size
        self.table = _room(2 * len(self.table), 1)
        self._point()
        fast_find.rebuild(self.address, size)

    def _more_transactions(self) -> None:
        size, left = len(self.tx), int(self.ctl[at.TX_FREE_COUNT])
        self.tx = _doubled(self.tx)
        self.tx_free = _more_free(self.tx_free, left)
        self.ctl[at.TX_FREE_COUNT] += size

    def _more_names(self) -> None:
        size, left = len(self.names), int(self.ctl[at.NAMES_FREE_COUNT])
        self.names = _doubled(self.names)
        self.names_free = _more_free(self.names_free, left)
        self.ctl[at.NAMES_FREE_COUNT] += size

    def rebuild(self) -> None:
        """Make the table anew after rows were let go."""
        self.table[:] = 0
        fast_find.rebuild(self.address, self.rows)


def _descending(first: int, end: int) -> Words:
    """Numbers from `end` - 1 down, so that the top of the stack is `first`."""
    return np.arange(end - 1, first - 1, -1, dtype=np.int64)


def _more_free(free: Words, left: int) -> Words:
    """A stack of free numbers twice as large, the new ones below the `left` old ones."""
    size = len(free)
    grown = np.concatenate((_descending(size, 2 * size), np.zeros_like(free)))
    grown[size : size + left] = free[:left]
    return grown


def _doubled(array: Words) -> Words:
    grown = _room(2 * len(array), array.shape[1])
    grown[: len(array)] = array
    return grown
