"""The compiled engine: the tables that mining.py makes, at some millions of packets a second.

One walk over the mapped file tracks every connection whose packets are of
common forms and whose payload needs no buffer. A connection that needs more (a
hole, disorder, a head in two segments, HTTP/2, a fragment, a tunnel) is marked;
a second walk, which numbers connections in the same way, hands its packets to
the reference implementation. So the two engines cannot differ: the compiled
code answers only what is plain.
"""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from faltcon.traffic import fast_head, link
from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_track import MOST_MESSAGES, rehash, take_segment, track
from faltcon.traffic.ip import Datagrams, Segment
from faltcon.traffic.mapped import BATCH, Batches, mapped
from faltcon.traffic.mining import Mined
from faltcon.traffic.rows import connection_columns, transaction_columns
from faltcon.traffic.tables import Tables, tables_of
from faltcon.traffic.tcp import DEFAULT_MAX_HELD_BYTES, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["mine"]

# Room that costs nothing until it is used; beyond it the arrays double.
FIRST_ROWS = 1 << 21
FIRST_SLOTS = 1 << 16


def _room(rows: int, fields: int) -> Words:
    """An array of zeros whose pages come into being when they are first touched."""
    pages = mmap.mmap(-1, 8 * rows * fields, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=np.int64).reshape(rows, fields)


@dataclass
class _State:
    """The arrays of one walk; they double when they are full."""

    table: Words = field(default_factory=lambda: np.full(FIRST_SLOTS, -1, dtype=np.int64))
    conn: Words = field(default_factory=lambda: _room(FIRST_ROWS, at.CONN_FIELDS))
    tx: Words = field(default_factory=lambda: _room(2 * FIRST_ROWS, at.TX_FIELDS))
    hard: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(FIRST_ROWS, dtype=np.uint8))
    out: Words = field(default_factory=lambda: np.zeros((BATCH + 1, at.OUT_FIELDS), dtype=np.int64))
    key: Words = field(default_factory=lambda: np.zeros(5, dtype=np.int64))
    answer: Words = field(default_factory=lambda: np.zeros(fast_head.ANSWER_FIELDS, dtype=np.int64))
    counters: Words = field(default_factory=lambda: np.zeros(at.COUNTERS, dtype=np.int64))

    def __post_init__(self) -> None:
        self.counters[at.C_FIRST_TCP] = np.iinfo(np.int64).max

    def grow(self) -> None:
        """Double whatever is full."""
        used = int(self.counters[at.C_CONNECTIONS])
        if used >= len(self.conn):
            self.conn = _doubled(self.conn)
        if used >= len(self.hard):
            self.hard = np.concatenate((self.hard, np.zeros_like(self.hard)))
        if 2 * used >= len(self.table):
            self.table = np.full(4 * len(self.table), -1, dtype=np.int64)
            rehash(self.table, self.conn, used)
        if self.counters[at.C_TRANSACTIONS] + MOST_MESSAGES >= len(self.tx):
            self.tx = _doubled(self.tx)


def _doubled(array: Words) -> Words:
    return np.concatenate((array, np.zeros_like(array)))


class _Walk:
    """One walk over the file; `replayed` takes the segments of marked connections."""

    def __init__(
        self,
        batches: Batches,
        skipped: Counter[str],
        state: _State,
        replayed: Callable[[int, int, Segment, int], None] | None = None,
    ) -> None:
        self.batches = batches
        self.skipped = skipped
        self.state = state
        self._replayed = replayed
        self._datagrams = Datagrams(skipped)

    def run(self, progress: Callable[[int], None] | None = None) -> None:
        """Walk the whole file."""
        data, state = self.batches.data, self.state
        replay = self._replayed is not None
        for records, count in self.batches:
            done = 0
            while done < count:
                done = track(
                    data,
                    records,
                    done,
                    count,
                    state.key,
                    state.table,
                    state.conn,
                    state.tx,
                    state.hard,
                    state.counters,
                    state.answer,
                    state.out,
                    replay,
                )
                if replay:
                    self._hand_over(data)
                stop = state.counters[at.C_STOP]
                if stop == at.STOP_FULL:
                    state.grow()
                elif stop == at.STOP_SLOW:
                    self._slow(data, records[done])
                    done += 1
            if progress is not None:
                progress(self.batches.packets)
        self._datagrams.finish()

    def _hand_over(self, data: Bytes) -> None:
        """Give the reference what the compiled loop collected."""
        assert self._replayed is not None  # noqa: S101  run() asks first
        state = self.state
        for row in state.out[: state.counters[at.C_OUT]].tolist():
            number, side = row[at.OUT_CONNECTION], row[at.OUT_SIDE]
            source, destination = _ends(state.conn[number], side)
            place = row[at.OUT_PLACE]
            segment = Segment(
                source[0],
                destination[0],
                source[1],
                destination[1],
                row[at.OUT_SEQ],
                row[at.OUT_ACK],
                row[at.OUT_FLAGS],
                row[at.OUT_WINDOW],
                data[place : place + row[at.OUT_BYTES]].tobytes(),
                row[at.OUT_WIRE],
            )
            self._replayed(number, side, segment, row[at.OUT_NS])
        state.counters[at.C_OUT] = 0

    def _slow(self, data: Bytes, record: Words) -> None:
        """A packet for the reference's link and IP layers."""
        place, size, time_ns, link_type = record.tolist()
        frame = memoryview(data[place : place + size].tobytes())
        try:
            segment = self._datagrams.segment(link.datagram(link_type, frame))
        except link.Skip as skip:
            self.skipped[skip.reason] += 1
            return
        if segment is None:
            return
        state = self.state
        used = state.counters[at.C_CONNECTIONS]
        if used >= len(state.conn) or 2 * used >= len(state.table):
            state.grow()
        row = state.out[-1]
        row[at.OUT_SEQ], row[at.OUT_ACK] = segment.seq, segment.ack
        row[at.OUT_FLAGS], row[at.OUT_NS] = segment.flags, time_ns
        state.key[:], row[at.OUT_KEY_SIDE] = _key(segment)
        number = take_segment(
            data,
            state.key,
            state.out,
            len(state.out) - 1,
            True,
            state.table,
            state.conn,
            state.tx,
            state.hard,
            state.counters,
            state.answer,
            self._replayed is not None,
        )
        if self._replayed is not None:
            self._replayed(number, int(row[at.OUT_SIDE]), segment, time_ns)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _key(segment: Segment) -> tuple[list[int], int]:
    """The key of a segment's connection, and whether its sender is the second half."""
    halves = []
    for address, port in (
        (segment.source, segment.source_port),
        (segment.destination, segment.destination_port),
    ):
        value = int.from_bytes(address, "big")
        halves.append((_signed(value >> 64), _signed(value & (1 << 64) - 1), port))
    second = int(halves[0] > halves[1])
    first, last = sorted(halves)
    version = 4 if len(segment.source) == 4 else 6
    return [*first[:2], *last[:2], version << 32 | first[2] << 16 | last[2]], second


def _ends(row: Words, side: int) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    """Sender and receiver (address, port) of a segment from this side."""
    k0, k1, k2, k3, k4, swapped = row[: at.SWAPPED + 1].tolist()
    size = 4 if k4 >> 32 == 4 else 16
    mask = (1 << 64) - 1
    halves = (
        (((k0 & mask) << 64 | k1 & mask).to_bytes(16, "big")[-size:], k4 >> 16 & 0xFFFF),
        (((k2 & mask) << 64 | k3 & mask).to_bytes(16, "big")[-size:], k4 & 0xFFFF),
    )
    return (halves[1], halves[0]) if side ^ swapped else halves


def mine(
    file: str | Path,
    *,
    max_held_bytes: int = DEFAULT_MAX_HELD_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Mined:
    """Read a capture and make its tables; arguments, result and errors are those of mining.mine."""
    with mapped(file) as (data, cut):
        skipped: Counter[str] = Counter()
        batches = Batches(file, data, skipped, cut=cut)
        state = _State()
        _Walk(batches, skipped, state).run(progress)
        counters = state.counters.tolist()
        used, marked = counters[at.C_CONNECTIONS], state.hard[: counters[at.C_CONNECTIONS]]
        hard = dict(_replay(file, data, marked, max_held_bytes)) if marked.any() else {}
        tables = _tables(data, state, used, hard)
    for reason, number in (
        ("UDP", counters[at.C_UDP]),
        ("ICMP", counters[at.C_ICMP]),
        ("ICMPv6", counters[at.C_ICMPV6]),
    ):
        if number:
            skipped[reason] += number
    return Mined(
        tables,
        batches.packets,
        counters[at.C_TCP],
        counters[at.C_FIRST_TCP] if counters[at.C_TCP] else None,
        skipped,
        batches.truncated,
    )


def _replay(
    file: str | Path, data: Bytes, marked: NDArray[np.uint8], max_held_bytes: int
) -> Iterator[tuple[int, Connection]]:
    """The marked connections, made by the reference implementation in a second walk."""
    connections: dict[int, Connection] = {}

    def take(number: int, side: int, segment: Segment, time_ns: int) -> None:
        connection = connections.get(number)
        if connection is None:
            connection = Connection(number, segment, time_ns, max_held_bytes)
            connections[number] = connection
        connection.take(segment, side, time_ns)

    state = _State()
    state.hard = np.concatenate((marked, np.zeros(1, dtype=np.uint8)))
    ignored: Counter[str] = Counter()
    _Walk(Batches(file, data, ignored, cut=False), ignored, state, take).run()
    for number, connection in connections.items():
        connection.finish()
        yield number, connection


def _tables(data: Bytes, state: _State, used: int, hard: dict[int, Connection]) -> Tables:
    """Rows of plain connections from the arrays, those of marked ones from the reference."""
    conn = state.conn[:used]
    tx = state.tx[: state.counters[at.C_TRANSACTIONS]]
    numbers = np.arange(used, dtype=np.int64)
    if hard:
        numbers = np.flatnonzero(state.hard[:used] == 0)
        conn = conn[numbers]
        tx = tx[state.hard[tx[:, at.TX_CONNECTION]] == 0]
    connections = connection_columns(data, conn, numbers)
    transactions = transaction_columns(tx)
    if hard:
        rest = tables_of(hard[number] for number in sorted(hard))
        connections = pa.concat_tables([connections, rest.connections])
        connections = connections.take(np.argsort(connections["connection"].to_numpy()))
        transactions = pa.concat_tables([transactions, rest.transactions])
    owners = transactions["connection"].to_numpy()
    if (owners[1:] < owners[:-1]).any():
        transactions = transactions.take(np.argsort(owners, kind="stable"))
    return Tables(connections, transactions)
