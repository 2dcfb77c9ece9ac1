"""One direction of a TCP connection: segments in any order to bytes in the sender's order.

Positions are counted from the first byte after the SYN and do not wrap. The
first copy of a byte wins. A hole is given up, as a `gap`, when the peer has
acknowledged it (then the capture missed it, not the peer), when too many bytes
wait behind it, or when the connection ends.
"""

from __future__ import annotations

import heapq
from typing import Protocol

__all__ = ["Direction", "Reader"]

MASK = 0xFFFFFFFF
HALF = 0x80000000
# A jump of more than the largest scaled window is no later byte of this stream.
MAX_WINDOW = 1 << 30
# What a waiting segment costs besides its bytes; keeps empty and tiny ones bounded too.
HELD_OVERHEAD = 64


class Reader(Protocol):
    """Takes a direction's bytes in order."""

    def data(self, piece: bytes, time_ns: int) -> None:
        """The next bytes; a piece begins where a segment began, or inside one after an overlap."""

    def gap(self, size: int, time_ns: int, *, cut: bool) -> None:
        """So many bytes are missing here; `cut` where the capture cut them off a packet."""


class Direction:
    """Reassembles one direction; hands its bytes to `reader` as they become contiguous.

    Counts `unique_bytes` (payload on the wire, each byte once), `gap_bytes`
    (never captured), `cut_bytes` (cut off captured packets), `overlap_bytes`
    (came again) and `out_of_order` (segments that had to wait).
    """

    __slots__ = (
        "_base",
        "_heap",
        "_held_bytes",
        "_max_held_bytes",
        "_next",
        "_order",
        "acked",
        "cut_bytes",
        "gap_bytes",
        "limit_reached",
        "out_of_order",
        "overlap_bytes",
        "reader",
        "unique_bytes",
    )

    def __init__(self, max_held_bytes: int) -> None:
        self.reader: Reader | None = None
        self.unique_bytes = 0
        self.gap_bytes = 0
        self.cut_bytes = 0
        self.overlap_bytes = 0
        self.out_of_order = 0
        self.limit_reached = False
        # Position up to which the peer says that it has everything.
        self.acked = 0
        self._base: int | None = None
        self._next = 0
        self._heap: list[tuple[int, int, bytes, int, int]] = []
        self._held_bytes = 0
        self._max_held_bytes = max_held_bytes
        self._order = 0

    @property
    def known(self) -> bool:
        """Whether a first sequence number is known."""
        return self._base is not None

    def start(self, first_byte_seq: int) -> None:
        """Fix the sequence number of position 0, unless it is fixed already."""
        if self._base is None:
            self._base = first_byte_seq

    def resume(self, first_byte_seq: int, position: int) -> None:
        """Go on where another reader of this direction stopped, with nothing waiting."""
        self._base = first_byte_seq
        self._next = self.unique_bytes = position

    def _position(self, seq: int) -> int:
        """The position nearest to the next expected one that this sequence number can mean."""
        base = self._base or 0
        ahead = (seq - base - self._next) & MASK
        return self._next + (ahead - (MASK + 1) if ahead >= HALF else ahead)

    def acknowledge(self, ack: int) -> None:
        """The peer acknowledges everything before this sequence number."""
        if self._base is None:
            return
        position = self._position(ack)
        if self.acked < position < self._next + MAX_WINDOW:
            self.acked = position

    def segment(self, seq: int, payload: bytes, wire_bytes: int, time_ns: int) -> None:
        """Take a segment's payload; `wire_bytes` exceeds it where the capture cut the packet."""
        if self._base is None:
            self._base = seq
        start = self._position(seq)
        if start + wire_bytes <= self._next:
            self.overlap_bytes += wire_bytes
            return
        if start > self._next + MAX_WINDOW:
            return
        if start > self._next:
            self.out_of_order += 1
            self._order += 1
            entry = (start, self._order, payload, wire_bytes, time_ns)
            heapq.heappush(self._heap, entry)
            self._held_bytes += len(payload) + HELD_OVERHEAD
        else:
            self._deliver(start, payload, wire_bytes, time_ns)
        self._drain()

    def finish(self) -> None:
        """The connection is over: hand over what waits, with its holes as gaps."""
        while self._heap:
            self._skip_to(self._heap[0][0], self._heap[0][4])
            self._drain()

    def _drain(self) -> None:
        while self._heap:
            start = self._heap[0][0]
            if start > self._next:
                beyond = self._held_bytes > self._max_held_bytes
                if not beyond and self.acked < start:
                    return
                self.limit_reached |= beyond and self.acked < start
                self._skip_to(start, self._heap[0][4])
            start, _, payload, wire_bytes, time_ns = heapq.heappop(self._heap)
            self._held_bytes -= len(payload) + HELD_OVERHEAD
            self._deliver(start, payload, wire_bytes, time_ns)

    def _skip_to(self, position: int, time_ns: int, *, cut: bool = False) -> None:
        size = position - self._next
        if cut:
            self.cut_bytes += size
        else:
            self.gap_bytes += size
        self._next = position
        if self.reader is not None:
            self.reader.gap(size, time_ns, cut=cut)

    def _deliver(self, start: int, payload: bytes, wire_bytes: int, time_ns: int) -> None:
        known = self._next - start
        end = start + wire_bytes
        if known >= wire_bytes:
            self.overlap_bytes += wire_bytes
            return
        self.overlap_bytes += known
        self.unique_bytes += wire_bytes - known
        piece = payload[known:wire_bytes]
        self._next += len(piece)
        if piece and self.reader is not None:
            self.reader.data(piece, time_ns)
        if self._next < end:
            self._skip_to(end, time_ns, cut=True)
