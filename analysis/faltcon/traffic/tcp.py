"""TCP: segments to connections.

A connection runs from SYN to FIN or RST; a SYN with a new initial sequence
number starts a new connection of the same four values, and one that is sent
again does not. No timeout ends a connection. The rules are those of
Wireshark's tcp.stream, so that counts can be compared.

Source: RFC 9293; Wireshark's packet-tcp.c for what starts a new stream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.traffic.ip import ACK, FIN, RST, SYN, Segment
from faltcon.traffic.protocols import Application
from faltcon.traffic.reassembly import MASK, Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Connection", "Limits", "Tracker"]

Key = tuple[bytes, int, bytes, int]


@dataclass(frozen=True)
class Limits:
    """What bounds the memory; the same for both engines, so that their answers are.

    `held_bytes`: what one direction of a connection may keep waiting for a
    missing segment. Between two stretches of `stretch_bytes` of the unpacked
    file, a closed connection (reset, or FIN from both ends) without a packet
    for `linger_ns` is let go, and so are those beyond `max_connections`, the
    longest silent first; the open ones of these are marked `evicted`. What
    comes later on the same ports is then a connection of its own.
    """

    held_bytes: int = 1 << 20
    stretch_bytes: int = 32 << 20
    linger_ns: int = 5_000_000_000
    max_connections: int = 1 << 20


class Connection:
    """One TCP connection. Side 0 sent the first captured packet; `client` is the opening side."""

    def __init__(self, number: int, segment: Segment, time_ns: int, max_held_bytes: int) -> None:
        self.number = number
        self.ends = (
            (segment.source, segment.source_port),
            (segment.destination, segment.destination_port),
        )
        self.client = 0
        self.client_known = False
        self.first_ns = self.last_ns = time_ns
        self.base_seq: list[int | None] = [None, None]
        self.syn_ns: int | None = None
        self.synack_ns: int | None = None
        self.ack_ns: int | None = None
        self.end_ns: int | None = None
        self.syns = self.synacks = 0
        self.packets = [0, 0]
        self.fins = [False, False]
        self.reset_by: int | None = None
        self.closed_by: int | None = None
        # Whether it was let go of before it was over.
        self.evicted = False
        self.handshake_over_ns: int | None = None
        self.synack_seq = 0
        self.application = Application((segment.source_port, segment.destination_port))
        self.directions = (Direction(max_held_bytes), Direction(max_held_bytes))
        for direction, side in zip(self.directions, self.application.sides, strict=True):
            direction.reader = side

    @property
    def established(self) -> bool:
        """Whether SYN, SYN-ACK and the client's ACK were all seen."""
        return self.ack_ns is not None

    @property
    def close(self) -> str:
        """How it ended: `rst`, `fin` (both sides), `half` (one side) or `open`."""
        if self.reset_by is not None:
            return "rst"
        return ("open", "half", "fin")[sum(self.fins)]

    @property
    def over(self) -> bool:
        """Whether it was reset, or both sides sent FIN."""
        return self.reset_by is not None or all(self.fins)

    def starts_anew(self, segment: Segment, side: int) -> bool:
        """Whether this segment belongs to a new connection of the same four values."""
        if segment.flags & (SYN | ACK) != SYN or self.base_seq[side] is None:
            return False
        return segment.seq != self.base_seq[side]

    def take(self, segment: Segment, side: int, time_ns: int) -> None:
        """Account for a segment from `side`."""
        self.packets[side] += 1
        self.last_ns = max(self.last_ns, time_ns)
        flags, seq = segment.flags, segment.seq
        syn = bool(flags & SYN)
        if self.base_seq[side] is None:
            self.base_seq[side] = seq if syn else (seq - 1) & MASK
        if flags & ACK and self.base_seq[1 - side] is None:
            self.base_seq[1 - side] = (segment.ack - 1) & MASK
        self._handshake(segment, side, time_ns)
        if syn:
            seq = (seq + 1) & MASK
            self.directions[side].start(seq)
        if flags & ACK:
            self.directions[1 - side].acknowledge(segment.ack)
        if segment.wire_bytes and not flags & RST:
            self.directions[side].segment(seq, segment.payload, segment.wire_bytes, time_ns)
        self._closing(flags, side, time_ns)

    def _handshake(self, segment: Segment, side: int, time_ns: int) -> None:
        kind = segment.flags & (SYN | ACK | RST)
        if kind == SYN:
            self.syns += 1
            if self.syn_ns is None:
                self.syn_ns = time_ns
                self.client, self.client_known = side, True
        elif kind == SYN | ACK:
            self.synacks += 1
            if not self.client_known:
                self.client, self.client_known = 1 - side, True
            if self.synack_ns is None and side != self.client:
                self.synack_ns, self.synack_seq = time_ns, segment.seq
        elif kind == ACK and side == self.client and self.ack_ns is None:
            answered = self.syn_ns is not None and self.synack_ns is not None
            if answered and 0 < ((segment.ack - self.synack_seq) & MASK) < 1 << 31:
                self.ack_ns = self.handshake_over_ns = time_ns

    def _closing(self, flags: int, side: int, time_ns: int) -> None:
        if flags & RST:
            self.reset_by = side if self.reset_by is None else self.reset_by
            if self.handshake_over_ns is None:
                self.handshake_over_ns = time_ns
        if flags & FIN:
            self.fins[side] = True
        if flags & (RST | FIN) and self.closed_by is None:
            self.closed_by, self.end_ns = side, time_ns

    def finish(self) -> None:
        """No more segments come: hand over what waits, and let go of the bytes."""
        if not self.client_known:
            self.client = self._likely_client()
        for direction in self.directions:
            direction.finish()
        self.application.finish()

    def _likely_client(self) -> int:
        """The opening side where no SYN was seen: the one with the higher port."""
        return 0 if self.ends[0][1] >= self.ends[1][1] else 1


class Tracker:
    """All connections of a capture, in order of their first packets."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._live: dict[Key, Connection] = {}
        self._ended: deque[Connection] = deque()
        self.connections = 0

    def take(self, segment: Segment, time_ns: int) -> Connection:
        """Account for a segment; the connection that it belongs to."""
        source = (segment.source, segment.source_port)
        destination = (segment.destination, segment.destination_port)
        key = (*source, *destination) if source <= destination else (*destination, *source)
        connection = self._live.get(key)
        side = 0
        if connection is not None:
            side = 0 if source == connection.ends[0] else 1
            if connection.starts_anew(segment, side):
                connection.finish()
                self._ended.append(connection)
                connection, side = None, 0
        if connection is None:
            connection = Connection(self.connections, segment, time_ns, self._limits.held_bytes)
            self._live[key] = connection
            self.connections += 1
        connection.take(segment, side, time_ns)
        return connection

    def boundary(self, now_ns: int) -> None:
        """Between two stretches of the file: let go of what is over, or too much."""
        before_ns = now_ns - self._limits.linger_ns
        for key, one in list(self._live.items()):
            if one.over and one.last_ns <= before_ns:
                self._let_go(key)
        excess = len(self._live) - self._limits.max_connections
        if excess > 0:
            oldest = sorted(self._live, key=lambda key: self._age(self._live[key]))
            for key in oldest[:excess]:
                self._live[key].evicted = not self._live[key].over
                self._let_go(key)

    @staticmethod
    def _age(connection: Connection) -> tuple[int, int]:
        return connection.last_ns, connection.number

    def _let_go(self, key: Key) -> None:
        connection = self._live.pop(key)
        connection.finish()
        self._ended.append(connection)

    def finish(self) -> Iterator[Connection]:
        """The capture is over: every connection, finished, in order of its first packet."""
        for connection in self._live.values():
            connection.finish()
        everything = [*self._ended, *self._live.values()]
        self._live.clear()
        self._ended.clear()
        yield from sorted(everything, key=lambda connection: connection.number)
