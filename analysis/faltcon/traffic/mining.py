"""One capture file to its two tables, and what was skipped on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.traffic import link
from faltcon.traffic.ip import Datagrams
from faltcon.traffic.pcap import Capture
from faltcon.traffic.tables import Tables, tables_of
from faltcon.traffic.tcp import Limits, Tracker

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Mined", "mine"]


@dataclass(frozen=True)
class Mined:
    """The tables of one capture with its totals.

    `skipped` counts packets without a TCP segment by reason; `first_tcp_ns` is
    the earliest time of a TCP packet (captures may run back), None without
    any; `truncated` says that the file ends in the middle of a record.
    """

    tables: Tables
    packets: int
    tcp_packets: int
    first_tcp_ns: int | None
    skipped: Counter[str]
    truncated: bool


def mine(
    file: str | Path,
    *,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Mined:
    """Read a capture once, with dpkt's header declarations, and make its tables.

    `limits` bounds the memory of connections (tcp.py). `progress` is called with
    the place in the file and the number
    of packets now and then. Raises InputError where the file is no capture.
    """
    limits = limits or Limits()
    capture = Capture(file)
    datagrams = Datagrams(capture.skipped)
    tracker = Tracker(limits)
    first_tcp_ns: int | None = None
    tcp_packets = 0
    boundary = limits.stretch_bytes
    for packet in capture:
        if capture.place >= boundary:
            boundary = (capture.place // limits.stretch_bytes + 1) * limits.stretch_bytes
            tracker.boundary(packet.time_ns)
        if progress is not None and capture.packets % 4096 == 0:
            progress(capture.place, capture.packets)
        try:
            segment = datagrams.segment(link.datagram(packet.link_type, memoryview(packet.data)))
        except link.Skip as skip:
            capture.skipped[skip.reason] += 1
            continue
        if segment is None:
            continue  # a fragment that waits for the rest of its datagram
        tcp_packets += 1
        if first_tcp_ns is None or packet.time_ns < first_tcp_ns:
            first_tcp_ns = packet.time_ns
        tracker.take(segment, packet.time_ns)
    datagrams.finish()
    return Mined(
        tables_of(tracker.finish()),
        capture.packets,
        tcp_packets,
        first_tcp_ns,
        capture.skipped,
        capture.truncated,
    )
