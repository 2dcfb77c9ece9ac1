"""The readable reader of perf.data: one sample after the other, as `perf script` would print it.

It is the reference for the compiled reader in `fastdata`, and gives what only
single samples can: times, CPUs, addresses.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

from faltcon.errors import EmptyInputError
from faltcon.perf.kernelsyms import find_kallsyms
from faltcon.perf.perfdata import DAMAGED_RECORD, PerfData, payload
from faltcon.perf.replay import KSYMBOL, MMAP, MMAP2, SAMPLE, Replay, Resolver
from faltcon.perf.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faltcon.perf.attrs import Event, Layout
    from faltcon.perf.samples import Frame

__all__ = ["CUT_SAMPLES", "LOST", "TORN", "UNKNOWN_EVENT", "PerfDataReader"]

LOST = "samples lost by the kernel or perf"
UNKNOWN_EVENT = "samples of an event that the file does not describe"
CUT_SAMPLES = "samples cut short"
TORN = "callchains with a mark that perf does not know (their samples count without frames)"

_KERNEL_MODE = 1
_FIRST_OF_PERF = 64  # record types from here on are perf's own and have no time

# Markers in a callchain (enum perf_callchain_context).
_CONTEXT_MAX = (1 << 64) - 4095
_CONTEXT_HYPERVISOR = (1 << 64) - 32
_CONTEXT_KERNEL, _CONTEXT_USER = (1 << 64) - 128, (1 << 64) - 512


class PerfDataReader:
    """Iterate over the samples of a perf.data file, in the order of time.

    symbols: kallsyms or System.map of the recorded kernel; where it is None,
    the one beside the file, of the project's recordings of that kernel, or the
    running kernel's if it is the same. After the iteration `skipped`, `samples`
    and `throttled` say what was left out, given, and held back.

    Raises InputError, FormatError, TruncatedInputError, EmptyInputError.
    """

    def __init__(self, file: str | Path, *, symbols: str | Path | None = None) -> None:
        self.file = str(file)
        self.samples = 0
        self.skipped: Counter[str] = Counter()
        self.throttled = 0
        self.unclosed = False
        self._symbols = symbols

    def __iter__(self) -> Iterator[Sample]:
        """Read from the start; one pass a reader."""
        with PerfData.open(self.file) as recording:
            records = self._records(recording)
            records.sort(key=lambda record: record[0])
            yield from self._samples(recording, records)
            self.skipped.update(recording.skipped)
        if not self.samples:
            raise EmptyInputError(self.file, "holds no sample", mend="record again")

    def _records(self, recording: PerfData) -> list[tuple[int, int, int]]:
        """Time, kind and place of each record; a damaged one ends the list."""
        data, at, end = recording.data, recording.start, recording.end
        layout = recording.events[0].layout
        found = []
        while at + 8 <= end:
            kind, _, size = struct.unpack_from("<IHH", data, at)
            if size < 8 or at + size > end:
                break
            time = 0
            if kind == SAMPLE and layout.time >= 0 and size >= 16 + layout.time:
                time = struct.unpack_from("<Q", data, at + 8 + layout.time)[0]
            elif kind < _FIRST_OF_PERF and layout.tail_time and size >= 8 + layout.tail_time:
                time = struct.unpack_from("<Q", data, at + size - layout.tail_time)[0]
            found.append((time, kind, at))
            at += size + payload(kind, bytes(data[at + 8 : at + 16]))
        if at < end:
            self.skipped[DAMAGED_RECORD] += end - at
        return found

    def _samples(
        self, recording: PerfData, records: list[tuple[int, int, int]]
    ) -> Iterator[Sample]:
        data, replay = recording.data, kernel_maps(recording, records)
        frames = _Frames(
            replay,
            Resolver.of(
                replay, find_kallsyms(recording, self._symbols), recording.features.release
            ),
        )
        events = {one_id: event for event in recording.events for one_id in event.ids}
        for _, kind, at in records:
            misc, size = struct.unpack_from("<HH", data, at + 4)
            body = bytes(data[at + 8 : at + size])
            if kind != SAMPLE:
                if kind < _FIRST_OF_PERF:
                    replay.apply(kind, misc, body)
                continue
            event = _event(recording.events, events, body)
            if event is None:
                self.skipped[UNKNOWN_EVENT] += 1
                continue
            try:
                sample = _sample(body, misc, event, replay, frames)
            except struct.error:
                self.skipped[CUT_SAMPLES] += 1
                continue
            self.samples += 1
            yield sample
        self.throttled = replay.throttled
        if frames.torn:
            self.skipped[TORN] += frames.torn
        if replay.lost:
            self.skipped[LOST] += replay.lost


class _Frames:
    """Frames of addresses, each kernel address looked up once."""

    def __init__(self, replay: Replay, resolver: Resolver) -> None:
        self._replay = replay
        self._resolver = resolver
        self._kernel: dict[int, Frame] = {}
        self.torn = 0

    def of(self, pid: int, chain: tuple[int, ...], *, kernel: bool) -> tuple[Frame, ...]:
        found = []
        for address in chain:
            if address >= _CONTEXT_MAX:
                # A mark says whose addresses follow. perf drops the chain at any other one
                # (add_callchain_ip in tools/perf/util/machine.c): it came from a torn stack.
                if address not in {_CONTEXT_HYPERVISOR, _CONTEXT_KERNEL, _CONTEXT_USER}:
                    self.torn += 1
                    return ()
                if address != _CONTEXT_HYPERVISOR:
                    kernel = address == _CONTEXT_KERNEL
                continue
            if kernel:
                frame = self._kernel.get(address)
                if frame is None:
                    frame = self._kernel[address] = self._resolver.kernel_frame(address)
            else:
                frame = self._resolver.user_frame(address, self._replay.maps.get(pid, []))
            found.append(frame)
        return tuple(found)


def kernel_maps(recording: PerfData, records: list[tuple[int, int, int]]) -> Replay:
    """A replay that knows the kernel's maps from the start.

    They do not change during a recording, except that BPF programs come and go.
    """
    replay = Replay()
    for _, kind, at in records:
        if kind in {MMAP, MMAP2, KSYMBOL}:
            misc, size = struct.unpack_from("<HH", recording.data, at + 4)
            replay.apply(kind, misc, bytes(recording.data[at + 8 : at + size]))
    return Replay(kernel=list(dict.fromkeys(replay.kernel)), reference=replay.reference)


def _event(events: list[Event], by_id: dict[int, Event], body: bytes) -> Event | None:
    at = events[0].layout.identifier
    if len(events) == 1 or at < 0:
        return events[0]
    return by_id.get(struct.unpack_from("<Q", body, at)[0]) if len(body) >= at + 8 else None


def _sample(body: bytes, misc: int, event: Event, replay: Replay, frames: _Frames) -> Sample:
    layout = event.layout
    pid, tid = struct.unpack_from("<2i", body, layout.tid) if layout.tid >= 0 else (0, 0)
    stack = frames.of(pid, _chain(body, layout), kernel=misc & 7 == _KERNEL_MODE)
    time = struct.unpack_from("<Q", body, layout.time)[0] if layout.time >= 0 else None
    return Sample(
        comm=replay.comm(tid),
        pid=pid,
        tid=tid,
        cpu=struct.unpack_from("<I", body, layout.cpu)[0] if layout.cpu >= 0 else None,
        # perf script prints microseconds, cut off, not rounded.
        time_s=None if time is None else time // 1000 / 1_000_000,
        event=event.name,
        period=struct.unpack_from("<Q", body, layout.period)[0] if layout.period >= 0 else None,
        frames=stack,
    )


def _chain(body: bytes, layout: Layout) -> tuple[int, ...]:
    at = layout.callchain
    if at < 0:
        return struct.unpack_from("<Q", body, layout.ip) if layout.ip >= 0 else ()
    if layout.read_group:
        at += 8 * layout.read_group * struct.unpack_from("<Q", body, layout.group_at)[0]
    count = struct.unpack_from("<Q", body, at)[0]
    if count > len(body) // 8:
        raise struct.error
    chain: tuple[int, ...] = struct.unpack_from(f"<{count}Q", body, at + 8)
    return chain
