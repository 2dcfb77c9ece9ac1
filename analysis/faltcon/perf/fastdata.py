"""perf.data to tallies, by compiled loops over the mapped file.

The same answer as `datareader`, which reads sample by sample; here each
distinct address is looked up once, and each distinct stack is put together once.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import EmptyInputError
from faltcon.perf import compiled
from faltcon.perf.datareader import CUT_SAMPLES, LOST, UNKNOWN_EVENT
from faltcon.perf.kernelsyms import find_kallsyms
from faltcon.perf.perfdata import DAMAGED_RECORD, PerfData
from faltcon.perf.replay import FORK, SAMPLE, Mapping, Replay, Resolver
from faltcon.perf.tally import Profile, StackPool, Tally, grouped, plain_frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from faltcon.perf.samples import Frame

__all__ = ["read_perf_data"]

_NO_ROW = -1


@dataclass
class _Samples:
    """Columns of the samples, in the order of the file; rank: place in the order of time."""

    places: NDArray[np.int64]
    ranks: NDArray[np.int64]
    pids: NDArray[np.int64]
    tids: NDArray[np.int64]
    events: NDArray[np.int64]
    weights: NDArray[np.int64]


def read_perf_data(
    file: str | Path,
    *,
    symbols: str | Path | None = None,
    addresses: bool = False,
    threads: bool = False,
) -> Profile:
    """The tallies of a perf.data file.

    symbols: kallsyms or System.map of the recorded kernel (see
    kernelsyms.find_kallsyms). addresses: keep the addresses of unknown
    functions. threads: tally each thread by itself. Raises InputError and its
    kinds.
    """
    with PerfData.open(file) as recording:
        profile = _read(recording, symbols, addresses=addresses, threads=threads)
    if not profile.tallies:
        raise EmptyInputError(profile.file, "holds no sample", mend="record again")
    return profile


def _read(
    recording: PerfData, symbols: str | Path | None, *, addresses: bool, threads: bool
) -> Profile:
    skipped = Counter(recording.skipped)
    data = np.frombuffer(recording.data, np.uint8)
    layout = recording.events[0].layout
    count, end = compiled.count_records(data, recording.start, recording.end)
    if end < recording.end:
        skipped[DAMAGED_RECORD] += recording.end - end
    places = np.empty(count, np.int64)
    times, kinds = np.empty(count, np.uint64), np.empty(count, np.uint8)
    compiled.index_records(
        data, recording.start, layout.time, layout.tail_time, places, times, kinds
    )
    order = np.argsort(times, kind="stable")
    ranks = np.empty(count, np.int64)
    ranks[order] = np.arange(count)
    del times
    samples = _samples(recording, data, places, ranks, kinds, skipped)
    others = order[kinds[order] != SAMPLE]
    replay, comms, versions, maps = _replayed(recording, places, ranks, others, samples)
    if replay.lost:
        skipped[LOST] += replay.lost
    resolver = Resolver.of(replay, find_kallsyms(recording, symbols), recording.features.release)
    numbers, pool, frames = _stacks(
        data, samples.places, versions, recording, resolver, maps, addresses=addresses
    )
    whole = numbers != compiled.CUT
    if not whole.all():
        skipped[CUT_SAMPLES] += int((~whole).sum())
    names, of_sample = comms
    thread = samples.tids if threads else np.zeros_like(samples.tids)
    keys = [numbers.astype(np.int64), of_sample, samples.events, thread]
    rows, counts, weights = grouped([key[whole] for key in keys], samples.weights[whole])
    stacks = [tuple(frames[one] for one in stack) for stack in pool.stacks()]
    with_period = layout.period >= 0
    tallies = [
        Tally(
            names[comm], None, tid, recording.events[event].name, stacks[stack], number, weight,
            with_period,
        )
        for stack, comm, event, tid, number, weight in zip(
            *(row.tolist() for row in rows), counts.tolist(), weights.tolist(), strict=True
        )
    ]  # fmt: skip
    return Profile(recording.file, tallies, skipped, replay.throttled)


def _column(data: NDArray[np.uint8], places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The little-endian numbers of 4 or 8 bytes at these places."""
    found = np.zeros(len(places), np.int64)
    for byte in range(size):
        found |= data[places + byte].astype(np.int64) << (8 * byte)
    return found


def _samples(  # noqa: PLR0917
    recording: PerfData,
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
    ranks: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    skipped: Counter[str],
) -> _Samples:
    layout = recording.events[0].layout
    chosen = kinds == SAMPLE
    places, ranks = places[chosen], ranks[chosen]
    fields = (layout.identifier, layout.tid, layout.time, layout.cpu, layout.period)
    needed = 16 + max(fields)
    whole = _column(data, places + 6, 2) >= needed
    if not whole.all():
        skipped[CUT_SAMPLES] += int((~whole).sum())
        places, ranks = places[whole], ranks[whole]
    events = np.zeros(len(places), np.int64)
    if len(recording.events) > 1 and layout.identifier >= 0:
        ids = _column(data, places + 8 + layout.identifier, 8)
        events[:] = _NO_ROW
        for number, event in enumerate(recording.events):
            events[np.isin(ids, np.array(event.ids, np.int64))] = number
        known = events != _NO_ROW
        if not known.all():
            skipped[UNKNOWN_EVENT] += int((~known).sum())
            places, ranks, events = places[known], ranks[known], events[known]
    none = np.zeros(len(places), np.int64)
    pids = tids = none
    if layout.tid >= 0:
        pids = _column(data, places + 8 + layout.tid, 4).astype(np.int32).astype(np.int64)
        tids = _column(data, places + 12 + layout.tid, 4).astype(np.int32).astype(np.int64)
    weights = none + 1
    if layout.period >= 0:
        weights = np.maximum(_column(data, places + 8 + layout.period, 8), 1)
    return _Samples(places, ranks, pids, tids, events, weights)


def _replayed(
    recording: PerfData,
    places: NDArray[np.int64],
    ranks: NDArray[np.int64],
    others: NDArray[np.intp],
    samples: _Samples,
) -> tuple[Replay, tuple[list[str], NDArray[np.int64]], NDArray[np.int32], list[list[Mapping]]]:
    """Thread names and memory maps at each sample: side-band records in the order of time."""
    replay = Replay()
    names: dict[str, int] = {}
    named: list[tuple[int, int, int]] = []  # thread, rank, name
    mapped: list[tuple[int, int, int]] = []  # process, rank, version
    versions: list[list[Mapping]] = [[]]
    seen_comms: dict[int, str] = {}
    seen_maps: dict[int, list[Mapping]] = {}
    data = recording.data
    for index in others.tolist():
        at = int(places[index])
        kind, misc, size = struct.unpack_from("<IHH", data, at)
        if kind >= 64:
            continue
        body = bytes(data[at + 8 : at + size])
        replay.apply(kind, misc, body)
        if len(body) < 16:
            continue
        pid, tid = struct.unpack_from("<2i", body)
        if kind == FORK:
            tid = struct.unpack_from("<i", body, 8)[0]
        comm = replay.comms.get(tid)
        if comm is not None and seen_comms.get(tid) != comm:
            seen_comms[tid] = comm
            named.append((tid, int(ranks[index]), names.setdefault(comm, len(names))))
        own = replay.maps.get(pid)
        if own is not None and seen_maps.get(pid) is not own:
            seen_maps[pid] = own
            mapped.append((pid, int(ranks[index]), len(versions)))
            versions.append(own)
    comm_of = _latest(named, samples.tids, samples.ranks)
    for tid in np.unique(samples.tids[comm_of < 0]).tolist():
        number = names.setdefault(Replay().comm(tid), len(names))
        comm_of[(comm_of < 0) & (samples.tids == tid)] = number
    # 0 stands for the kernel in the table of addresses, so a process without maps has 1.
    version_of = np.maximum(_latest(mapped, samples.pids, samples.ranks), 0) + 1
    kernel = Replay(
        kernel=list(dict.fromkeys(replay.kernel)),
        reference=replay.reference,
        lost=replay.lost,
        throttled=replay.throttled,
    )
    return kernel, (list(names), comm_of), version_of.astype(np.int32), versions


def _latest(
    changes: list[tuple[int, int, int]], owners: NDArray[np.int64], ranks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each (owner, rank) the value of the owner's last change before that rank; -1 if none.

    changes: (owner, rank, value), in the order of rank.
    """
    if not changes:
        return np.full(len(owners), -1, np.int64)
    table = np.array(changes, np.int64)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    # Owners are 32-bit numbers, ranks stay under 2**31: together they sort as one number.
    keys = (table[:, 0] << 31) + table[:, 1]
    place = np.searchsorted(keys, (owners << 31) + ranks) - 1
    found = np.where(table[place, 0] == owners, table[place, 2], -1)
    return np.where(place < 0, -1, found)


def _stacks(  # noqa: PLR0917
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
    versions: NDArray[np.int32],
    recording: PerfData,
    resolver: Resolver,
    maps: list[list[Mapping]],
    *,
    addresses: bool,
) -> tuple[NDArray[np.int32], StackPool, list[Frame]]:
    """The stack number of each sample, the stacks, and the frames that they are made of."""
    layout = recording.events[0].layout
    fields = np.array([layout.callchain, layout.group_at, layout.read_group, layout.ip], np.int64)
    keys, of_map = np.zeros(1 << 16, np.uint64), np.full(1 << 16, -1, np.int32)
    done = used = 0
    while True:
        done, used = compiled.collect_addresses(
            data, places, versions, fields, keys, of_map, done, used
        )
        if done == len(places):
            break
        filled = of_map >= 0
        old = keys[filled], of_map[filled]
        keys, of_map = np.zeros(4 * len(keys), np.uint64), np.full(4 * len(keys), -1, np.int32)
        compiled.enter_addresses(*old, keys, of_map)
    frame_of_slot, frames = _frames(keys, of_map, resolver, maps, addresses=addresses)
    pool = StackPool()
    numbers = np.empty(len(places), np.int32)
    done = 0
    while True:
        done, pool.known = compiled.intern_chains(
            data, places, versions, fields, keys, of_map, frame_of_slot,
            pool.table, pool.pool, pool.begins, numbers, done, pool.known,
        )  # fmt: skip
        if done == len(places):
            return numbers, pool, frames
        pool.grow()


def _frames(
    keys: NDArray[np.uint64],
    of_map: NDArray[np.int32],
    resolver: Resolver,
    maps: list[list[Mapping]],
    *,
    addresses: bool,
) -> tuple[NDArray[np.int32], list[Frame]]:
    """The frame number of each filled slot of the table of addresses, and the frames."""
    of_slot = np.full(len(keys), -1, np.int32)
    numbers: dict[Frame, int] = {}
    slots = np.flatnonzero(of_map >= 0)
    for slot, address, version in zip(
        slots.tolist(), keys[slots].tolist(), of_map[slots].tolist(), strict=True
    ):
        if version == 0:
            frame = resolver.kernel_frame(address)
        else:
            frame = resolver.user_frame(address, maps[version - 1])
        plain = plain_frame(frame, addresses=addresses)
        of_slot[slot] = numbers.setdefault(plain, len(numbers))
    return of_slot, list(numbers)
