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
# No record holds more messages: the largest record by the shortest message.
MOST_MESSAGES = (1 << 18) // 16 + 2


def _room(rows: int, fields: int) -> Words:
    """Rows of zeros whose pages come into being when they are first touched."""
    pages = mmap.mmap(-1, 8 * rows * fields, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype=np.int64).reshape(rows, fields)


class State:
    """The arrays that compiled code works on, and the control block that leads it to them.

    `rows` is how many connection rows were ever used; those from there on are
    free too, and were never touched.
    """

    def __init__(self, *, transactions: bool = True, speculative: bool = False) -> None:
        self.ctl: Words = np.zeros(at.CTL_FIELDS, dtype=np.int64)
        self.conn = _room(FIRST_ROWS, at.CONN_FIELDS)
        self.tx = _room(FIRST_TRANSACTIONS, at.TX_FIELDS)
        self.names = _room(FIRST_NAMES, at.NAMES_WORDS)
        self.free = _descending(0, FIRST_ROWS)
        self.tx_free = _descending(0, FIRST_TRANSACTIONS)
        self.names_free = _descending(0, FIRST_NAMES)
        self.ended: Words = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.done = _room(2 * MOST_MESSAGES, at.TX_FIELDS)
        self.out = _room(OUT_ROWS, at.OUT_FIELDS)
        self.table: Words = np.zeros(4 * FIRST_ROWS, dtype=np.int64)
        self._memo = _room(fast_head.MEMO_ENTRIES, fast_head.MEMO_WORDS)
        self._answer: Words = np.zeros(fast_head.ANSWER_FIELDS, dtype=np.int64)
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

    @property
    def address(self) -> int:
        """Where the control block is."""
        return address_of(self.ctl)

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
        if ctl[at.FREE_COUNT] < 1:
            size = len(self.conn)
            self.conn = _doubled(self.conn)
            self.ended = np.concatenate((self.ended, np.zeros_like(self.ended)))
            self.free = np.concatenate((_descending(size, 2 * size), np.zeros_like(self.free)))
            ctl[at.FREE_COUNT] = size
            self.table = np.zeros(2 * len(self.table), dtype=np.int64)
            self._point()
            fast_find.rebuild(self.address, size)
        if ctl[at.TX_FREE_COUNT] < MOST_MESSAGES:
            size = len(self.tx)
            self.tx = _doubled(self.tx)
            left = self.tx_free[: ctl[at.TX_FREE_COUNT]]
            self.tx_free = np.concatenate((_descending(size, 2 * size), self.tx_free))
            self.tx_free[size : size + len(left)] = left
            ctl[at.TX_FREE_COUNT] += size
        if ctl[at.NAMES_FREE_COUNT] < 1:
            size = len(self.names)
            self.names = _doubled(self.names)
            self.names_free = np.concatenate((_descending(size, 2 * size), self.names_free))
            ctl[at.NAMES_FREE_COUNT] = size
        self._point()

    def rebuild(self) -> None:
        """Make the table anew after rows were let go."""
        self.table[:] = 0
        fast_find.rebuild(self.address, self.rows)

    def release(self, numbers: Words) -> None:
        """Rows that were handed out may be given anew."""
        names = self.conn[numbers, at.NAMES]
        names = names[names >= 0]
        count = self.ctl[at.NAMES_FREE_COUNT]
        self.names_free[count : count + len(names)] = names
        self.ctl[at.NAMES_FREE_COUNT] += len(names)
        self.conn[numbers, at.FLAGS] = 0
        count = self.ctl[at.FREE_COUNT]
        self.free[count : count + len(numbers)] = numbers[::-1]
        self.ctl[at.FREE_COUNT] += len(numbers)


def _descending(first: int, end: int) -> Words:
    """Numbers from `end` - 1 down, so that the top of the stack is `first`."""
    return np.arange(end - 1, first - 1, -1, dtype=np.int64)


def _doubled(array: Words) -> Words:
    grown = _room(2 * len(array), array.shape[1])
    grown[: len(array)] = array
    return grown
