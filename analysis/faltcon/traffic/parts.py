"""A capture in parts that are read side by side, and the merge that makes one result of them.

Each part is read as if nothing came before it (speculation.py). The merge
takes the parts in order: it checks that a part began where the one before
ended and that none of its connections may be older than the part, takes its
connections over, and then feeds the packets that were put off to the ordinary
engine. A part that does not fit is read by the ordinary engine instead. So the
result is that of reading the file from end to end.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from faltcon.errors import HostError, UsageError
from faltcon.traffic import fast_absorb
from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_memory import address_of
from faltcon.traffic.pcap import MAX_RECORD_BYTES
from faltcon.traffic.pcapng import ENHANCED_PACKET, MAX_BLOCK_BYTES, Blocks
from faltcon.traffic.speculation import Speculation, speculate
from faltcon.traffic.window import Batches, Form, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from faltcon.traffic.engine import Engine

    Words = NDArray[np.int64]

__all__ = ["Submit", "on_cluster", "on_threads", "read_in_parts"]

# A place is taken for a packet's when so many in a row are plausible.
CHAIN = 5
SEARCH_BYTES = 1 << 20
FRONT_BYTES = 1 << 16


class _Future(Protocol):
    def result(self) -> Speculation | None: ...


if TYPE_CHECKING:
    Submit = Callable[..., _Future]
else:
    Submit = Any


@contextlib.contextmanager
def on_threads(workers: int) -> Iterator[Submit]:
    """Parts on this machine's processors."""
    with ThreadPoolExecutor(workers) as pool:
        yield pool.submit


class _Mapped:
    """A piece of the file with its address, as the engine takes one."""

    def __init__(self, data: NDArray[Any]) -> None:
        self.data = data
        self.address = address_of(data)


def _cuts(size: int, parts: int, stretch_bytes: int) -> list[int]:
    """Where parts begin, besides the first: even shares, and never across a stretch."""
    even = {size * number // parts for number in range(1, parts)}
    return sorted((even | set(range(stretch_bytes, size, stretch_bytes))) - {0})


def _plausible_record(data: memoryview, place: int, form: Form) -> int:
    """The place after a record that may stand here; -1 where none can."""
    order: Literal["big", "little"] = "big" if form.big else "little"
    if place + 16 > len(data):
        return -1
    fraction = int.from_bytes(data[place + 4 : place + 8], order)
    captured = int.from_bytes(data[place + 8 : place + 12], order)
    wire = int.from_bytes(data[place + 12 : place + 16], order)
    if captured > MAX_RECORD_BYTES or captured > wire or wire > MAX_RECORD_BYTES:
        return -1
    if fraction * form.unit_ns >= 1_000_000_000:
        return -1
    return place + form.header_bytes + captured


def _plausible_block(data: memoryview, place: int, form: Form) -> int:
    """The same for a block of pcapng."""
    big = form.blocks is not None and form.blocks.order == ">"
    order: Literal["big", "little"] = "big" if big else "little"
    if place + 12 > len(data) or int.from_bytes(data[place : place + 4], order) != ENHANCED_PACKET:
        return -1
    size = int.from_bytes(data[place + 4 : place + 8], order)
    end = place + size
    if size < 32 or size > MAX_BLOCK_BYTES or size % 4 or end > len(data):
        return -1
    return end if data[end - 4 : end] == data[place + 4 : place + 8] else -1


def resynchronised(data: memoryview, cut: int, form: Form) -> int | None:
    """The first place from `cut` on where a chain of packets may begin; None where none is."""
    following = _plausible_record if form.header_bytes else _plausible_block
    for place in range(cut, min(cut + SEARCH_BYTES, len(data))):
        end = place
        for _ in range(CHAIN):
            end = following(data, end, form)
            if end < 0 or end == len(data):
                break
        if end >= 0:
            return place
    return None


def read_in_parts(
    engine: Engine,
    batches: Batches,
    file: str,
    *,
    parts: int,
    in_flight: int,
    submit: Submit,
    progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Read what is left of a plain file behind `batches`, whose form is known, in so many parts.

    The number of parts that had to be read again. `stopped` is asked after each part.
    """
    with Path(file).open("rb") as raw:
        pages = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)
    merge = _Merge(engine, batches, file, pages)
    view = memoryview(pages)
    form = batches.form
    assert form is not None  # noqa: S101  the caller read the header
    if form.blocks is not None:
        # Interfaces are told in front of the first packets; the parts must know them.
        merge.again(min(FRONT_BYTES, len(view) // (parts + 1)))
    starts = [merge.place]
    for cut in _cuts(len(view), parts, batches.stretch_bytes):
        place = resynchronised(view, cut, form) if cut > starts[-1] else None
        if place is not None and place > starts[-1]:
            starts.append(place)
    ranges = list(zip(starts, [*starts[1:], len(view)], strict=True))
    waiting: deque[tuple[tuple[int, int], _Future]] = deque()
    transactions = bool(engine.state.ctl[at.KEEP_TRANSACTIONS])
    following = iter(ranges)
    while True:
        for start, stop in following:
            own = _copy(form, file)
            future = submit(speculate, file, start, stop, own, transactions=transactions)
            waiting.append(((start, stop), future))
            if len(waiting) >= in_flight:
                break
        if not waiting:
            break
        (_, stop), future = waiting.popleft()
        merge.part(future.result(), stop)
        if progress is not None:
            progress(merge.place, batches.packets)
        if stopped():
            return merge.redone
    merge.rest()
    return merge.redone


def _copy(form: Form, file: str) -> Form:
    """A form that a part may change."""
    if form.blocks is None:
        return form
    blocks = Blocks(file, Counter())
    blocks.order, blocks.interfaces = form.blocks.order, list(form.blocks.interfaces)
    blocks.packets = 1
    return Form(blocks)


class _Merge:
    """Takes parts in order into the engine."""

    def __init__(self, engine: Engine, batches: Batches, file: str, pages: mmap.mmap) -> None:
        self._engine = engine
        self._batches = batches
        self._file = file
        self._pages = _Mapped(np.frombuffer(pages, dtype=np.uint8))
        self.place = batches.reached
        self.redone = 0
        self._over = False

    def _interfaces(self) -> object:
        form = self._batches.form
        blocks = form.blocks if form else None
        return None if blocks is None else (blocks.order, tuple(blocks.interfaces))

    def part(self, one: Speculation | None, stop: int) -> None:
        """Merge a part that ends before `stop`, or read it again."""
        if self._over or self.place >= stop:
            return
        engine = self._engine
        fits = one is not None and one.start == self.place and one.interfaces == self._interfaces()
        if one is None or not fits or one.truncated:
            self.again(stop)
            return
        if one.packets and self.place >= self._batches.boundary:
            engine.boundary(one.first_ns)
            stretch = self._batches.stretch_bytes
            self._batches.boundary = (self.place // stretch + 1) * stretch
        rows = np.ascontiguousarray(one.rows)
        if fast_absorb.conflict(engine.state.address, address_of(rows), len(rows)):
            self.again(stop)
            return
        self._absorb(one, rows)
        self.place = self._batches.reached = one.end
        self._batches.packets += one.packets
        self._batches.skipped.update(one.skipped)

    def rest(self) -> None:
        """Whatever the parts left at the end of the file."""
        if not self._over and (self.place < len(self._pages.data) or not self._batches.packets):
            self.again(1 << 62)

    def again(self, stop: int) -> None:
        """Read on with the ordinary engine, up to the first packet from `stop` on."""
        batches, engine = self._batches, self._engine
        self.redone += 1
        with Path(self._file).open("rb") as raw:
            raw.seek(self.place)
            window = Window(raw, self.place)
            own = Batches(
                self._file,
                window,
                batches.skipped,
                stretch_bytes=batches.stretch_bytes,
                stop=stop,
                form=batches.form,
                ctl=engine.state.address,
                boundary=batches.boundary,
            )
            for count, done in own:
                if own.crossed:
                    engine.boundary(int(own.records.data[0, at.R_NS]))
                engine.take(window, own.records, done, count, window.base)
        batches.packets += own.packets
        batches.boundary = own.boundary
        batches.truncated |= own.truncated
        self.place = batches.reached = window.place
        # Nothing can be read behind what is no packet.
        self._over = own.truncated

    def _absorb(self, one: Speculation, rows: Words) -> None:
        engine = self._engine
        state = engine.state
        ctl = state.ctl
        engine.hold = True
        base = int(ctl[at.CONNECTIONS])
        state.room_for(len(rows) + 1, len(one.tx), len(one.names))
        places = np.zeros(len(rows), dtype=np.int64)
        fast_absorb.absorb(
            state.address,
            address_of(rows),
            len(rows),
            address_of(one.tx),
            address_of(one.names),
            base,
            address_of(places),
        )
        for field in (at.TCP, at.UDP, at.ICMP, at.ICMPV6, at.QUIC, at.CONNECTIONS):
            ctl[field] += one.ctl[field]
        ctl[at.FIRST_TCP] = min(ctl[at.FIRST_TCP], one.ctl[at.FIRST_TCP])
        # The engine counts what was put off once more.
        ctl[at.TCP] -= len(one.put_off)
        for out in one.hard:
            place = out[at.OUT_PLACE]
            payload = self._pages.data[place : place + out[at.OUT_BYTES]].tobytes()
            out[at.OUT_ROW] = int(places[one.places[out[at.OUT_ROW]]])
            engine.hand_over(out, payload)
        if len(one.put_off):
            records = _Mapped(one.put_off)
            engine.take(self._pages, records, 0, len(one.put_off), 0)
        done = one.done.copy()
        done[:, at.TX_CONNECTION] += base
        self._number(base, len(rows), rows, done)
        engine.hold = False
        engine.transactions_of(done)
        if ctl[at.ENDED_COUNT]:
            engine.hand_out()

    def _number(self, base: int, own: int, rows: Words, done: Words) -> None:
        """Number the part's connections and those put off by the places of their first packets."""
        state = self._engine.state
        new = int(state.ctl[at.CONNECTIONS]) - base
        if new == own:
            return
        held = state.conn[: state.rows]
        late = np.flatnonzero((held[:, at.NUMBER] >= base + own) & (held[:, at.KEY_4] != 0))
        where = np.empty(new, dtype=np.int64)
        where[:own] = rows[:, at.FIRST_PLACE]
        where[held[late, at.NUMBER] - base] = held[late, at.FIRST_PLACE]
        numbers = np.empty(new, dtype=np.int64)
        numbers[np.argsort(where)] = np.arange(base, base + new)
        for array, column in (
            (held, at.NUMBER),
            (state.tx, at.TX_CONNECTION),
            (state.done[: state.ctl[at.DONE_COUNT]], at.TX_CONNECTION),
            (done, at.TX_CONNECTION),
        ):
            moved = np.flatnonzero(array[:, column] >= base)
            array[moved, column] = numbers[array[moved, column] - base]


@contextlib.contextmanager
def on_cluster(address: str) -> Iterator[Submit]:
    """Parts on the workers of a Dask scheduler, which must see the file under the same name.

    Raises UsageError without Dask, HostError where no scheduler answers.
    """
    try:
        from distributed import Client  # noqa: PLC0415  an optional part
    except ImportError as error:
        raise UsageError(
            "--scheduler needs Dask: install faltcon with its extra `cluster`"
        ) from error

    # Dask says nothing of its types.
    connect: Any = Client
    try:
        client = connect(address)
    except (OSError, ValueError) as error:
        raise HostError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler`"
        ) from error
    with client:
        # A file may have changed since a part with the same arguments was read.
        yield functools.partial(client.submit, pure=False)
