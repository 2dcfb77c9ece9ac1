"""One capture file to its two tables, and what was skipped on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.traffic.onepass import OnePass
from faltcon.traffic.tables import Tables, tables_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from faltcon.traffic.tcp import Limits

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
    the place in the file and the number of packets now and then. Raises
    InputError where the file is no capture.
    """
    one = OnePass(file, limits)
    tables = tables_of(one.connections(progress))
    capture = one.capture
    return Mined(
        tables,
        capture.packets,
        one.tcp_packets,
        one.first_tcp_ns,
        capture.skipped,
        capture.truncated,
    )
