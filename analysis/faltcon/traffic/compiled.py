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
    from faltcon.traffic.window import Form

    Words = NDArray[np.int64]
    # Told the place in the file and the number of packets.
    Progress = Callable[[int, int], None]

__all__ = ["Checkpoint", "Parts", "StoppedError", "mine", "run"]


@dataclasses.dataclass(frozen=True)
class Parts:
    """How a plain file is read in parts: how many, how many at once, and who reads them."""

    count: int
    in_flight: int
    submit: Submit


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file that is read up to a place, and what is to be known to read on."""

    place: int
    packets: int
    boundary: int
    form: Form | None
    engine: Engine


class StoppedError(Exception):
    """Reading was stopped; `checkpoint` is where."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__("stopped")
        self.checkpoint = checkpoint


def _checkpoint(engine: Engine, batches: Batches) -> Checkpoint:
    engine.hand_out()
    engine.flush()
    return Checkpoint(batches.reached, batches.packets, batches.boundary, batches.form, engine)


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
    stopped: Callable[[], bool] = lambda: False,
    goes_on: Checkpoint | None = None,
) -> Mined:
    """Read a capture and hand its rows to `sink` as connections end; the tables are empty.

    `transactions`: whether HTTP transactions are handed out too. `stopped` is
    asked now and then; when it says so, StoppedError brings what `goes_on`
    takes to read the rest of the file.
    """
    limits = limits or Limits()
    if goes_on is None:
        goes_on = Checkpoint(0, 0, 0, None, Engine(sink, Counter(), limits, transactions))
    engine = goes_on.engine
    engine.sink = sink
    in_parts = parts is not None and is_plain(file)
    with opened(file) as stream:
        window = Window(stream)
        window.skip_to(goes_on.place)
        batches = Batches(
            file,
            window,
            engine.skipped,
            stretch_bytes=limits.stretch_bytes,
            ctl=engine.state.address,
            form=goes_on.form,
            boundary=goes_on.boundary,
            # One step beyond the header tells what every part must know.
            stop=1 if in_parts else EVERYTHING,
        )
        batches.packets = goes_on.packets
        for count, done in batches:
            if batches.crossed:
                engine.boundary(int(batches.records.data[0, R_NS]))
            engine.take(window, batches.records, done, count, window.base)
            if progress is not None:
                progress(window.place, batches.packets)
            if stopped():
                batches.reached = window.place
                raise StoppedError(_checkpoint(engine, batches))
    if in_parts and parts is not None:
        read_in_parts(
            engine,
            batches,
            str(file),
            parts=parts.count,
            in_flight=parts.in_flight,
            submit=parts.submit,
            progress=progress,
            stopped=stopped,
        )
        if stopped():
            raise StoppedError(_checkpoint(engine, batches))
    engine.finish()
    return _totals(engine, batches)


def _totals(engine: Engine, batches: Batches) -> Mined:
    skipped = engine.skipped
    counters = engine.state.ctl.tolist()
    for reason, number in (
        ("UDP", counters[at.UDP]),
        ("QUIC", counters[at.QUIC]),
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
