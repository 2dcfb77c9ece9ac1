"""The compiled engine's loop: batches of packets in, rows of connections that are over out.

Compiled code tracks every connection whose packets are of common forms and
whose payload needs no buffer. From the first payload that needs more (a hole,
disorder, a head in two segments, HTTP/2) or the first packet that takes
another road (a fragment, a tunnel) the reference implementation has the
connection. So the two engines cannot differ: the compiled code answers only
what is plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from faltcon.traffic import fast_columns, fast_find, link
from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_memory import address_of
from faltcon.traffic.fast_records import MOST_ENDED
from faltcon.traffic.fast_track import track
from faltcon.traffic.ip import Datagrams, Segment
from faltcon.traffic.promoted import ends_of, promoted
from faltcon.traffic.rows import Columns, encoded, transaction_table
from faltcon.traffic.state import State
from faltcon.traffic.tables import tables_of

if TYPE_CHECKING:
    from collections import Counter

    import pyarrow as pa
    from numpy.typing import NDArray

    from faltcon.traffic.tcp import Connection, Limits

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["Engine", "Sink"]


class Piece(Protocol):
    """An array, and the address of its first element."""

    data: NDArray[Any]
    address: int


class Sink(Protocol):
    """Takes rows as connections end; texts are dictionary-encoded."""

    def connections(self, table: pa.Table) -> None:
        """Rows of tables.CONNECTIONS, in order of their ends."""

    def transactions(self, table: pa.Table, ordinals: Words) -> None:
        """Rows of tables.TRANSACTIONS, and the number of each within its connection."""


@dataclass
class _Hard:
    """A connection of the reference, and the numbers of its first transactions within it."""

    connection: Connection
    ordinals: list[int]
    begun: int


class Engine:
    """Takes batches of records; hands finished rows to `sink`. `skipped` counts packets."""

    def __init__(
        self, sink: Sink, skipped: Counter[str], limits: Limits, transactions: bool
    ) -> None:
        self.state = State(transactions=transactions)
        self.sink = sink
        self.skipped = skipped
        self.limits = limits
        self.evicted = 0
        # Whether rows must wait, because their numbers are not final.
        self.hold = False
        self._hard: dict[int, _Hard] = {}
        self._columns = Columns()
        self._datagrams = Datagrams(skipped)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the sink: whoever goes on brings one."""
        return {name: value for name, value in vars(self).items() if name != "sink"}

    def take(self, data: Piece, records: Piece, done: int, count: int, base: int) -> None:
        """Track the records up to the number `count`, of which `done` are tracked already.

        Their places are counted from `data`, which is at `base` in the file.
        """
        state = self.state
        ctl = state.ctl
        if not done:
            ctl[at.STOP] = at.STOP_DONE
        while True:
            if ctl[at.OUT_COUNT]:
                self._hand_over(data.data, base)
            stop = ctl[at.STOP]
            if stop == at.STOP_FULL:
                self._make_room()
            elif stop == at.STOP_SLOW:
                self._slow(data.data, records.data[done], base)
                done += 1
            if done >= count:
                break
            done = track(state.address, data.address, records.address, done, count, base)
        if ctl[at.ENDED_COUNT] >= MOST_ENDED and not self.hold:
            self.hand_out()

    def boundary(self, now_ns: int) -> None:
        """Between two stretches of the file: let go of what is over, or too much."""
        state = self.state
        rows = state.rows
        live_rows = fast_find.sweep(state.address, rows, now_ns - self.limits.linger_ns)
        excess = live_rows - self.limits.max_connections
        if excess > 0:
            live = np.flatnonzero(state.conn[:rows, at.FLAGS] & at.F_LIVE)
            held = state.conn[live]
            order = np.lexsort((held[:, at.NUMBER], held[:, at.LAST_NS]))
            self._evict(live[order[:excess]])
        if state.ctl[at.ENDED_COUNT]:
            state.rebuild()
            self.hand_out()

    def _evict(self, numbers: Words) -> None:
        state = self.state
        flags = state.conn[numbers, at.FLAGS]
        over = (flags & at.F_RESET != 0) | (flags & at.BOTH_FINS == at.BOTH_FINS)
        state.conn[numbers[~over], at.FLAGS] |= at.F_EVICTED
        self.evicted += int((~over).sum())
        for number in numbers.tolist():
            fast_find.end(state.address, address_of(state.conn[number]))

    def finish(self) -> None:
        """The capture is over: hand out every connection."""
        fast_columns.end_all(self.state.address, self.state.rows)
        self.hand_out()
        self.flush()
        self._datagrams.finish()

    def flush(self) -> None:
        """Give the sink what was handed out."""
        if len(self._columns):
            self.sink.connections(self._columns.take())

    def hand_out(self) -> None:
        """Hand out the connections that are over, and free their rows; the sink has them later."""
        state = self.state
        ctl = state.ctl
        count, done = int(ctl[at.ENDED_COUNT]), 0
        while done < count:
            done = self._columns.add(state, done)
            self._hand_out_transactions()
            if self._columns.full:
                self.flush()
        if ctl[at.ENDED_HARD]:
            self._hand_out_hard(state.ended[: ctl[at.ENDED_HARD]])
        fast_columns.release(state.address)

    def _hand_out_transactions(self) -> None:
        ctl = self.state.ctl
        count = ctl[at.DONE_COUNT]
        if count:
            done = self.state.done[:count].copy()
            self.sink.transactions(transaction_table(done), done[:, at.TX_ORDINAL])
            ctl[at.DONE_COUNT] = 0

    def transactions_of(self, done: Words) -> None:
        """Hand out transactions that were done elsewhere."""
        if len(done):
            self.sink.transactions(transaction_table(done), done[:, at.TX_ORDINAL])

    def _hand_out_hard(self, numbers: Words) -> None:
        connections, ordinals = [], []
        for number in numbers.tolist():
            held = self._hard.pop(number)
            one = held.connection
            row = self.state.conn[number]
            one.number = int(row[at.NUMBER])
            one.evicted = bool(row[at.FLAGS] & at.F_EVICTED)
            one.finish()
            connections.append(one)
            later = len(one.application.transactions) - len(held.ordinals)
            ordinals += [*held.ordinals, *range(held.begun, held.begun + later)]
        tables = tables_of(connections)
        self.sink.connections(encoded(tables.connections))
        if self.state.ctl[at.KEEP_TRANSACTIONS] and ordinals:
            self.sink.transactions(encoded(tables.transactions), np.array(ordinals, dtype=np.int64))

    def _make_room(self) -> None:
        ctl = self.state.ctl
        if ctl[at.DONE_COUNT] and not self.hold:
            self._hand_out_transactions()
        short = ctl[at.FREE_COUNT] <= at.BLOCK_SEGMENTS
        # For a few rows alone it is not worth it.
        if short and 4 * ctl[at.ENDED_COUNT] >= len(self.state.conn) and not self.hold:
            self.hand_out()
        self.state.grow()

    def reference(self, number: int) -> Connection:
        """The reference's connection of a row; from now on it has the row."""
        held = self._hard.get(number)
        if held is None:
            connection, ordinals = promoted(self.state, number, self.limits.held_bytes)
            held = _Hard(connection, ordinals, int(self.state.conn[number, at.TX_COUNT]))
            self._hard[number] = held
        return held.connection

    def _hand_over(self, data: Bytes, base: int) -> None:
        """Give the reference what the compiled loop collected."""
        state = self.state
        for out in state.out[: state.ctl[at.OUT_COUNT]].tolist():
            place = out[at.OUT_PLACE] - base
            self.hand_over(out, data[place : place + out[at.OUT_BYTES]].tobytes())
        state.ctl[at.OUT_COUNT] = 0

    def hand_over(self, out: list[int], payload: bytes) -> None:
        """Give the reference one packet of a connection that is its own."""
        number, side, time_ns = out[at.OUT_ROW], out[at.OUT_SIDE], out[at.OUT_NS]
        connection = self.reference(number)
        if out[at.OUT_KIND] == at.PAYLOAD:
            connection.directions[side].segment(out[at.OUT_SEQ], payload, out[at.OUT_WIRE], time_ns)
            return
        ends = ends_of(self.state.conn[number, : at.SIDE].tolist())
        (source, source_port), (target, target_port) = ends[side], ends[1 - side]
        segment = Segment(
            source,
            target,
            source_port,
            target_port,
            out[at.OUT_SEQ],
            out[at.OUT_ACK],
            out[at.OUT_FLAGS],
            out[at.OUT_WINDOW],
            payload,
            out[at.OUT_WIRE],
        )
        connection.take(segment, side, time_ns)

    def _slow(self, data: Bytes, record: Words, base: int) -> None:
        """A packet for the reference's link and IP layers."""
        place, size, time_ns, link_type = record.tolist()
        frame = memoryview(data[place : place + size].tobytes())
        try:
            segment = self._datagrams.segment(link.datagram(link_type, frame))
        except link.Skip as skip:
            self.skipped[skip.reason] += 1
            return
        if segment is not None:
            self._slow_segment(segment, time_ns, base + place)

    def _slow_segment(self, segment: Segment, time_ns: int, place: int) -> None:
        state = self.state
        ctl = state.ctl
        if ctl[at.FREE_COUNT] < 1:
            self._make_room()
        ctl[at.TCP] += 1
        ctl[at.FIRST_TCP] = min(ctl[at.FIRST_TCP], time_ns)
        key, second = _key(segment)
        row, side = fast_find.find(
            state.address,
            *key,
            fast_find.hash_of(*key),
            second,
            segment.flags,
            segment.seq,
            segment.ack,
            time_ns,
            place,
        )
        number = (row - address_of(state.conn)) // fast_find.ROW_BYTES
        connection = self.reference(number)
        held = state.conn[number]
        held[at.FLAGS] |= at.F_HARD
        held[at.LAST_NS] = max(int(held[at.LAST_NS]), time_ns)
        connection.take(segment, side, time_ns)
        # What tells that it is over is kept in the row too.
        if connection.reset_by is not None:
            held[at.FLAGS] |= at.F_RESET
        for one, fin in enumerate(connection.fins):
            held[at.FLAGS] |= at.F_FIN << one if fin else 0


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _key(segment: Segment) -> tuple[tuple[int, int, int, int, int], int]:
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
    ports = version << 32 | first[2] << 16 | last[2]
    return (first[0], first[1], last[0], last[1], ports), second
