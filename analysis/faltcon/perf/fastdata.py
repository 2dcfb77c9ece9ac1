"""perf.data to tallies, by whole columns over the mapped file.

The same answer as `datareader`, which reads sample by sample; here the samples
are worked off in batches, each distinct address is looked up once, and each
distinct stack is put together once. No compiler is needed, so that a command
is done before one could be loaded.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import EmptyInputError
from faltcon.perf.datareader import CUT_SAMPLES, LOST, TORN, UNKNOWN_EVENT
from faltcon.perf.framing import Chains, Framing
from faltcon.perf.kernelsyms import find_kallsyms
from faltcon.perf.numbering import HashCollisionError, Numbers
from faltcon.perf.perfdata import DAMAGED_RECORD, PerfData
from faltcon.perf.replay import SAMPLE, Resolver
from faltcon.perf.sideband import Sideband
from faltcon.perf.stacking import Stacking
from faltcon.perf.tally import Profile, Tally
from faltcon.perf.walk import Words, records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from faltcon.perf.replay import Mapping

__all__ = ["read_perf_data"]

BATCH = 1 << 14  # samples; so many columns stay in the processor's cache
_LOW = np.uint64((1 << 32) - 1)
_HALF = np.uint64(32)


def read_perf_data(
    file: str | Path,
    *,
    symbols: str | Path | None = None,
    addresses: bool = False,
    threads: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Profile:
    """The tallies of a perf.data file.

    symbols: kallsyms or System.map of the recorded kernel (see
    kernelsyms.find_kallsyms). addresses: keep the addresses of unknown
    functions. threads: tally each thread by itself. progress: told how much is
    done, 0 to 1. Raises InputError and its kinds.
    """
    with PerfData.open(file) as recording:
        profile = _read(recording, symbols, addresses=addresses, threads=threads, progress=progress)
    if not profile.tallies:
        raise EmptyInputError(profile.file, "holds no sample", mend="record again")
    return profile


def _read(
    recording: PerfData,
    symbols: str | Path | None,
    *,
    addresses: bool,
    threads: bool,
    progress: Callable[[float], None] | None,
) -> Profile:
    skipped = Counter(recording.skipped)
    places, end = records(recording.data, recording.start, recording.end)
    if end < recording.end:
        skipped[DAMAGED_RECORD] += recording.end - end
    words = Words(recording.data, places)
    # The low half of a record's first word is its kind.
    sampled = (words.at(places) & _LOW) == SAMPLE
    sideband = Sideband(recording, places[~sampled])
    places = places[sampled]
    kernel = sideband.kernel()
    if kernel.lost:
        skipped[LOST] += kernel.lost
    resolver = Resolver.of(kernel, find_kallsyms(recording, symbols), recording.features.release)
    framing = Framing(resolver, addresses=addresses)
    for seed in itertools.count():
        stacking = Stacking(framing, seed)
        tallying = _Tallying(recording, words, sideband, stacking, threads=threads)
        try:
            for first in range(0, len(places), BATCH):
                tallying.add(places[first : first + BATCH])
                if progress is not None:
                    progress(min(1.0, (first + BATCH) / len(places)))
        except HashCollisionError:
            continue
        break
    skipped.update(tallying.skipped)
    if stacking.torn:
        skipped[TORN] += stacking.torn
    return Profile(recording.file, tallying.tallies(), skipped, kernel.throttled)


class _Tallying:
    """Samples in batches, summed by stack, thread name and event."""

    def __init__(
        self,
        recording: PerfData,
        words: Words,
        sideband: Sideband,
        stacking: Stacking,
        *,
        threads: bool,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        self._events = recording.events
        self._layout = recording.events[0].layout
        self._words = words
        self._sideband = sideband
        self._chains = Chains(self._layout)
        self._stacking = stacking
        self._threads = threads
        self._who = Numbers()
        self._pairs = Numbers()
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._weights: NDArray[np.int64] = np.zeros(0, np.int64)

    def add(self, places: NDArray[np.int64]) -> None:
        """Take up the samples at these places."""
        layout, words = self._layout, self._words
        heads = words.at(places)
        sizes = (heads >> np.uint64(48)).astype(np.int64)
        fields = (layout.identifier, layout.tid, layout.time, layout.cpu, layout.period)
        whole = sizes >= 16 + max(fields)
        if not whole.all():
            self.skipped[CUT_SAMPLES] += int((~whole).sum())
            places, heads, sizes = places[whole], heads[whole], sizes[whole]
        events = np.zeros(len(places), np.int64)
        if len(self._events) > 1 and layout.identifier >= 0:
            events = self._event_numbers(places)
            known = events >= 0
            if not known.all():
                self.skipped[UNKNOWN_EVENT] += int((~known).sum())
                places, heads, sizes = places[known], heads[known], sizes[known]
                events = events[known]
        chains = self._chains.of(words, places, heads, sizes)
        if not chains.whole.all():
            self.skipped[CUT_SAMPLES] += int((~chains.whole).sum())
            places, events = places[chains.whole], events[chains.whole]
        if not len(places):
            return
        processes = tids = np.zeros(len(places), np.int64)
        if layout.tid >= 0:
            both = words.at(places + 8 + layout.tid)
            processes, tids = _signed(both), _signed(both >> _HALF)
        times = words.at(places + 8 + layout.time) if layout.time >= 0 else None
        weights = np.ones(len(places), np.int64)
        if layout.period >= 0:
            weights = np.maximum(words.at(places + 8 + layout.period).astype(np.int64), 1)

        def maps(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[list[Mapping]]]:
            moments = None if times is None else times[rows]
            return self._sideband.maps_at(processes[rows], moments, places[rows])

        stacks = self._stacking.of(chains, maps)
        comms = self._sideband.comms_at(tids, times, places)
        who = (comms * len(self._events) + events).astype(np.uint64)
        if self._threads:
            who |= tids.astype(np.uint64) << _HALF
        self._sum(stacks, self._who.of(who), weights)

    def _event_numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        ids = self._words.at(places + 8 + self._layout.identifier)
        found = np.full(len(places), -1, np.int64)
        for number, event in enumerate(self._events):
            found[np.isin(ids, np.array(event.ids, np.uint64))] = number
        return found

    def _sum(
        self, stacks: NDArray[np.int32], who: NDArray[np.int32], weights: NDArray[np.int64]
    ) -> None:
        keys = (stacks.astype(np.uint64) << _HALF) | who.astype(np.uint64)
        rows = self._pairs.of(keys)
        size = len(self._pairs)
        # As floats, sums of halves are exact where sums of whole weights might not be.
        sums = np.bincount(rows, weights & 0xFFFFFFFF, size).astype(np.int64)
        sums += np.bincount(rows, weights >> 32, size).astype(np.int64) << 32
        self._counts = np.bincount(rows, minlength=size) + _grown(self._counts, size)
        self._weights = sums + _grown(self._weights, size)

    def tallies(self) -> list[Tally]:
        """What was summed so far."""
        stacks, names = self._stacking.stacks, self._sideband.names
        with_period = self._layout.period >= 0
        whos = []
        for key in self._who.distinct():
            name, event = divmod(key & 0xFFFFFFFF, len(self._events))
            tid = key >> 32
            tid -= (tid >> 31) << 32
            whos.append((names[name], tid, self._events[event].name))
        found = []
        for key, count, weight in zip(
            self._pairs.distinct(), self._counts.tolist(), self._weights.tolist(), strict=True
        ):
            comm, tid, event_name = whos[key & 0xFFFFFFFF]
            frames_of = stacks[key >> 32]
            found.append(Tally(comm, None, tid, event_name, frames_of, count, weight, with_period))
        return found


def _grown(sums: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.pad(sums, (0, size - len(sums)))


def _signed(halves: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The low halves as signed 32-bit numbers."""
    return halves.astype(np.uint32).view(np.int32).astype(np.int64)
