"""One part of a capture, read as if nothing came before it.

Connections that begin with a SYN inside the part are tracked to its end; the
packets of all others, and those of connections that need the reference, are
noted for the merge. Whatever does not fit into that (a fragment, a tunnel, a
block that changes the interfaces) makes the part `None`: it is read again in
its turn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import FaltconError
from faltcon.traffic import fast_layout as at
from faltcon.traffic import link
from faltcon.traffic.fast_track import track
from faltcon.traffic.ip import Datagrams
from faltcon.traffic.state import MOST_MESSAGES, State
from faltcon.traffic.window import EVERYTHING, Batches, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.traffic.window import Form, Records

    Words = NDArray[np.int64]

__all__ = ["Speculation", "speculate"]


@dataclass
class Speculation:
    """What a part holds: rows in order of their numbers, and what the merge has to do."""

    start: int
    end: int
    interfaces: object
    first_ns: int
    packets: int
    truncated: bool
    skipped: Counter[str]
    ctl: Words
    rows: Words
    # Which row of `out` means which of `rows`.
    places: dict[int, int]
    tx: Words
    names: Words
    done: Words
    put_off: Words
    hard: list[list[int]]


class _MisfitError(Exception):
    """The part holds what only a reader of the whole file can tell."""


def speculate(
    file: str, start: int, stop: int, form: Form, *, transactions: bool
) -> Speculation | None:
    """Read the packets that begin from `start` up to `stop`."""
    try:
        return _Part(file, start, stop, form, transactions=transactions).run()
    except (_MisfitError, FaltconError):
        return None


class _Part:
    def __init__(self, file: str, start: int, stop: int, form: Form, *, transactions: bool) -> None:
        self._file, self._start, self._stop, self._form = file, start, stop, form
        self._state = State(transactions=transactions, speculative=True)
        self._skipped: Counter[str] = Counter()
        if form.blocks is not None:
            form.blocks.skipped = self._skipped
        self._datagrams = Datagrams(Counter())
        self._out: list[Words] = []
        self._done: list[Words] = []

    def run(self) -> Speculation:
        """Read it."""
        first_ns: int | None = None
        before = self._interfaces()
        with Path(self._file).open("rb") as raw:
            raw.seek(self._start)
            window = Window(raw, self._start)
            batches = Batches(
                self._file,
                window,
                self._skipped,
                stretch_bytes=EVERYTHING,
                stop=self._stop,
                form=self._form,
            )
            for count, _ in batches:
                if first_ns is None:
                    first_ns = int(batches.records.data[0, at.R_NS])
                self._track(window, batches.records, count)
                if self._interfaces() != before:
                    raise _MisfitError
        impossible = any("impossible" in reason or "longer" in reason for reason in self._skipped)
        if impossible or self._interfaces() != before:
            raise _MisfitError
        return self._result(batches, first_ns or 0)

    def _interfaces(self) -> object:
        blocks = self._form.blocks
        return None if blocks is None else (blocks.order, tuple(blocks.interfaces))

    def _track(self, window: Window, records: Records, count: int) -> None:
        state, done = self._state, 0
        ctl = state.ctl
        while done < count:
            done = track(state.address, window.address, records.address, done, count, window.base)
            if ctl[at.OUT_COUNT]:
                self._out.append(state.out[: ctl[at.OUT_COUNT]].copy())
                ctl[at.OUT_COUNT] = 0
            if ctl[at.DONE_COUNT] > MOST_MESSAGES:
                self._done.append(state.done[: ctl[at.DONE_COUNT]].copy())
                ctl[at.DONE_COUNT] = 0
            if ctl[at.STOP] == at.STOP_FULL:
                state.grow()
            elif ctl[at.STOP] == at.STOP_SLOW:
                place, size, _, link_type = records.data[done].tolist()
                self._slow(link_type, memoryview(window.data[place : place + size].tobytes()))
                done += 1

    def _slow(self, link_type: int, frame: memoryview) -> None:
        """A packet for the reference: it must be none that a connection needs."""
        try:
            self._datagrams.segment(link.datagram(link_type, frame))
        except link.Skip as skip:
            self._skipped[skip.reason] += 1
            return
        raise _MisfitError

    def _result(self, batches: Batches, first_ns: int) -> Speculation:
        state = self._state
        self._done.append(state.done[: state.ctl[at.DONE_COUNT]].copy())
        used = state.conn[: state.rows]
        own = np.flatnonzero(used[:, at.FLAGS] & at.F_DEFERRED == 0)
        own = own[np.argsort(used[own, at.NUMBER])]
        nothing = np.zeros((0, at.OUT_FIELDS), dtype=np.int64)
        noted = np.concatenate([nothing, *self._out])
        late = noted[:, at.OUT_KIND] == at.PUT_OFF
        return Speculation(
            start=self._start,
            end=batches.window.place,
            interfaces=self._interfaces(),
            first_ns=first_ns,
            packets=batches.packets,
            truncated=batches.truncated,
            skipped=self._skipped,
            ctl=state.ctl.copy(),
            rows=used[own].copy(),
            places={int(number): place for place, number in enumerate(own.tolist())},
            tx=np.array(state.tx),
            names=np.array(state.names),
            done=np.concatenate(self._done),
            put_off=np.ascontiguousarray(
                noted[late][:, [at.OUT_PLACE, at.OUT_BYTES, at.OUT_NS, at.OUT_LINK]]
            ),
            hard=noted[~late].tolist(),
        )
