"""Mining with the compiled engine: mining.py's tables, at millions of packets a second."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from faltcon.traffic import fast_layout as at
from faltcon.traffic.engine import Engine
from faltcon.traffic.fast_layout import R_NS
from faltcon.traffic.mining import Mined
from faltcon.traffic.parts import Submit, read_in_parts
from faltcon.traffic.rows import decoded
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS, Tables
from faltcon.traffic.tcp import Limits
from faltcon.traffic.window import EVERYTHING, Batches, Window, is_plain, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from faltcon.traffic.engine import Sink

    Words = NDArray[np.int64]
    # Told the place in the file and the number of packets.
    Progress = Callable[[int, int], None]

__all__ = ["Parts", "mine", "run"]


@dataclasses.dataclass(frozen=True)
class Parts:
    """How a plain file is read in parts: how many, how many at once, and who reads them."""

    count: int
    in_flight: int
    submit: Submit


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
    parts: Parts | None = None,
    progress: Progress | None = None,
) -> Mined:
    """Read a capture and make its tables; arguments, result and errors are those of mining.mine.

    `parts`: how to read a plain file in parts; the result is the same.
    """
    kept = _Kept()
    mined = run(file, kept, limits=limits, parts=parts, progress=progress)
    return dataclasses.replace(mined, tables=kept.tables())


def run(
    file: str | Path,
    sink: Sink,
    *,
    limits: Limits | None = None,
    transactions: bool = True,
    parts: Parts | None = None,
    progress: Progress | None = None,
) -> Mined:
    """Read a capture and hand its rows to `sink` as connections end; the tables are empty.

    `transactions`: whether HTTP transactions are handed out too.
    """
    limits = limits or Limits()
    skipped: Counter[str] = Counter()
    engine = Engine(sink, skipped, limits, transactions=transactions)
    in_parts = parts is not None and is_plain(file)
    with opened(file) as stream:
        window = Window(stream)
        batches = Batches(
            file,
            window,
            skipped,
            stretch_bytes=limits.stretch_bytes,
            ctl=engine.state.address,
            # One step beyond the header tells what every part must know.
            stop=1 if in_parts else EVERYTHING,
        )
        for count, done in batches:
            if batches.crossed:
                engine.boundary(int(batches.records.data[0, R_NS]))
            engine.take(window, batches.records, done, count, window.base)
            if progress is not None:
                progress(window.place, batches.packets)
    if in_parts and parts is not None:
        read_in_parts(
            engine,
            batches,
            str(file),
            parts=parts.count,
            in_flight=parts.in_flight,
            submit=parts.submit,
            progress=progress,
        )
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
