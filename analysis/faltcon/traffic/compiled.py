"""Mining with the compiled engine: the tables that mining.py makes, at millions of packets a second."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from faltcon.traffic import fast_layout as at
from faltcon.traffic.engine import Engine
from faltcon.traffic.mining import Mined
from faltcon.traffic.rows import decoded
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS, Tables
from faltcon.traffic.tcp import Limits
from faltcon.traffic.window import Batches, Window, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from faltcon.traffic.engine import Sink

    Words = NDArray[np.int64]

__all__ = ["mine", "run"]


class _Kept:
    """A sink that keeps everything, for a table in memory."""

    def __init__(self) -> None:
        self._connections: list[pa.Table] = []
        self._transactions: list[pa.Table] = []
        self._ordinals: list[Words] = []

    def connections(self, table: pa.Table) -> None:
        self._connections.append(decoded(table, CONNECTIONS))

    def transactions(self, table: pa.Table, ordinals: Words) -> None:
        self._transactions.append(decoded(table, TRANSACTIONS))
        self._ordinals.append(ordinals)

    def tables(self) -> Tables:
        """Both tables, in order of the connections' first packets."""
        connections = pa.concat_tables([CONNECTIONS.empty_table(), *self._connections])
        transactions = pa.concat_tables([TRANSACTIONS.empty_table(), *self._transactions])
        numbers = connections["connection"].to_numpy()
        if (numbers[1:] < numbers[:-1]).any():
            connections = connections.take(np.argsort(numbers))
        if self._ordinals:
            owners = transactions["connection"].to_numpy()
            order = np.lexsort((np.concatenate(self._ordinals), owners))
            transactions = transactions.take(order)
        return Tables(connections, transactions)


def mine(
    file: str | Path,
    *,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Mined:
    """Read a capture and make its tables; arguments, result and errors are those of mining.mine."""
    kept = _Kept()
    mined = run(file, kept, limits=limits, progress=progress)
    return Mined(
        kept.tables(),
        mined.packets,
        mined.tcp_packets,
        mined.first_tcp_ns,
        mined.skipped,
        mined.truncated,
    )


def run(
    file: str | Path,
    sink: Sink,
    *,
    limits: Limits | None = None,
    transactions: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Mined:
    """Read a capture and hand its rows to `sink` as connections end; the tables are empty.

    `transactions`: whether HTTP transactions are handed out too.
    """
    limits = limits or Limits()
    skipped: Counter[str] = Counter()
    engine = Engine(sink, skipped, limits, transactions=transactions)
    with opened(file) as stream:
        window = Window(stream)
        batches = Batches(file, window, skipped, stretch_bytes=limits.stretch_bytes)
        for count in batches:
            if batches.crossed:
                engine.boundary(int(batches.records[0, 2]))
            engine.take(window.data, batches.records, count, window.base)
            if progress is not None:
                progress(batches.packets)
        engine.finish()
    counters = engine.state.ctl.tolist()
    for reason, number in (
        ("UDP", counters[at.UDP]),
        ("ICMP", counters[at.ICMP]),
        ("ICMPv6", counters[at.ICMPV6]),
    ):
        if number:
            skipped[reason] += number
    return Mined(
        Tables(CONNECTIONS.empty_table(), TRANSACTIONS.empty_table()),
        batches.packets,
        counters[at.TCP],
        counters[at.FIRST_TCP] if counters[at.TCP] else None,
        skipped,
        batches.truncated,
    )
