"""One pass over a capture with dpkt's header declarations: packets to finished connections.

Plain Python, without tables: a browser's Python runs it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.traffic import link
from faltcon.traffic.ip import Datagrams
from faltcon.traffic.pcap import Capture
from faltcon.traffic.tcp import Limits, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faltcon.traffic.tcp import Connection

__all__ = ["OnePass"]

PROGRESS_PACKETS = 4096


class OnePass:
    """A capture that is read once.

    After `connections` is exhausted, `capture` holds the packets and what was
    skipped, `tcp_packets` counts those with a TCP segment and `first_tcp_ns`
    is the earliest of their times (captures may run back), None without any.
    """

    def __init__(self, file: str | Path, limits: Limits | None = None) -> None:
        self.capture = Capture(file)
        self.tcp_packets = 0
        self.first_tcp_ns: int | None = None
        self._limits = limits or Limits()

    def connections(
        self, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Connection]:
        """Every connection, in order of its first packet.

        `progress` is called with the place in the file and the number of
        packets now and then. Raises InputError where the file is no capture.
        """
        capture = self.capture
        datagrams, tracker = Datagrams(capture.skipped), Tracker(self._limits)
        boundary = self._limits.stretch_bytes
        for packet in capture:
            if capture.place >= boundary:
                boundary = (capture.place // self._limits.stretch_bytes + 1) * (
                    self._limits.stretch_bytes
                )
                tracker.boundary(packet.time_ns)
            if progress is not None and capture.packets % PROGRESS_PACKETS == 0:
                progress(capture.place, capture.packets)
            try:
                segment = datagrams.segment(
                    link.datagram(packet.link_type, memoryview(packet.data))
                )
            except link.Skip as skip:
                capture.skipped[skip.reason] += 1
                continue
            if segment is None:
                continue  # a fragment that waits for the rest of its datagram
            self.tcp_packets += 1
            if self.first_tcp_ns is None or packet.time_ns < self.first_tcp_ns:
                self.first_tcp_ns = packet.time_ns
            tracker.take(segment, packet.time_ns)
        datagrams.finish()
        yield from tracker.finish()
