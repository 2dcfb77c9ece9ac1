"""Thread names and memory maps at any sample, from a recording's side-band records.

`replay` says what a record does; this module keeps what was true when, and
answers for whole columns of samples.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.numbering import Numbers
from faltcon.perf.replay import COMM, EXIT, FORK, MMAP, MMAP2, Mapping, Replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.perf.perfdata import PerfData

__all__ = ["Sideband"]

_FIRST_OF_PERF = 64  # record types from here on are perf's own and have no time
_KERNEL_MODE = 1
_LAST = (1 << 64) - 1


class _History:
    """Values of owners (threads or processes), and since when each held.

    A moment is a time and, for equal times, the place in the file.
    """

    def __init__(self) -> None:
        self._changes: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self._owners = Numbers()
        self._columns: NDArray[np.int64] = np.empty((0, 2), np.int64)  # value (-2: many), place
        self._since: NDArray[np.uint64] = np.empty(0, np.uint64)

    def change(self, owner: int, time: int, place: int, value: int) -> None:
        """From this moment on the owner has this value. Call in the order of moments."""
        self._changes[owner].append((time, place, value))

    def at(
        self, owners: NDArray[np.int64], times: NDArray[np.uint64], places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Each owner's value at each moment; -1 before its first change."""
        known = len(self._owners)
        numbers = self._owners.of(owners.astype(np.uint64))
        if len(self._owners) > known:
            self._extend(known)
        found: NDArray[np.int64] = self._columns[numbers, 0]
        since, place = self._since[numbers], self._columns[numbers, 1]
        early = (times < since) | ((times == since) & (places < place))
        found[early & (found != -2)] = -1
        many = np.flatnonzero(found == -2)
        for owner in set(owners[many].tolist()):
            rows = many[owners[many] == owner]
            found[rows] = _values(self._changes[owner], times[rows], places[rows])
        return found

    def _extend(self, known: int) -> None:
        columns, since = [], []
        for owner in self._owners.distinct()[known:]:
            changes = self._changes.get(owner - ((owner >> 63) << 64), [])
            if len(changes) == 1:
                time, place, value = changes[0]
                columns.append((value, place))
                since.append(time)
            else:
                columns.append((-2 if changes else -1, 0))
                since.append(0)
        self._columns = np.concatenate([self._columns, np.array(columns, np.int64)])
        self._since = np.concatenate([self._since, np.array(since, np.uint64)])


def _values(
    changes: list[tuple[int, int, int]], times: NDArray[np.uint64], places: NDArray[np.int64]
) -> NDArray[np.int64]:
    values = np.array([-1] + [value for _, _, value in changes], np.int64)
    moments = np.array([time for time, _, _ in changes], np.uint64)
    rows = np.searchsorted(moments, times, "left")
    tied = np.flatnonzero(np.searchsorted(moments, times, "right") != rows)
    for row in tied.tolist():
        moment = int(times[row]), int(places[row])
        rows[row] = sum(change[:2] < moment for change in changes)
    return values[rows]


class Sideband:
    """What the records that are no samples say.

    recording: open, and staying so; places: of its records other than samples,
    in the order of the file. names: thread names, by number.
    """

    def __init__(self, recording: PerfData, places: NDArray[np.int64]) -> None:
        self._data = recording.data
        self._tail = recording.events[0].layout.tail_time
        self._numbers: dict[str, int] = {}
        self._comms = _History()
        self._maps: _History | None = None
        self._versions: list[list[Mapping]] = [[]]
        self._records = sorted(self._timed(places), key=lambda record: record[:2])
        self._replay = Replay()
        seen: dict[int, str] = {}
        for time, at, kind, misc, body in self._records:
            if kind in {MMAP, MMAP2} and misc & 7 != _KERNEL_MODE and body[:4] != b"\xff" * 4:
                continue
            self._replay.apply(kind, misc, body)
            if kind not in {COMM, FORK} or len(body) < 8:
                continue
            tid = struct.unpack_from("<i", body, 8 if kind == FORK and len(body) >= 12 else 4)[0]
            comm = self._replay.comms.get(tid)
            if comm is not None and seen.get(tid) != comm:
                seen[tid] = comm
                self._comms.change(tid, time, at, self._number(comm))

    @property
    def names(self) -> list[str]:
        """Thread names, in the order of their numbers."""
        return list(self._numbers)

    def kernel(self) -> Replay:
        """The kernel's maps, which hold for the whole recording, with what was lost."""
        own = self._replay
        return Replay(
            kernel=list(dict.fromkeys(own.kernel)),
            reference=own.reference,
            lost=own.lost,
            throttled=own.throttled,
        )

    def comms_at(
        self,
        tids: NDArray[np.int64],
        times: NDArray[np.uint64] | None,
        places: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The number of each thread's name at each moment; times None: the place decides."""
        found = self._comms.at(tids, *_moments(times, places))
        unnamed = found < 0
        if unnamed.any():
            for tid in sorted(set(tids[unnamed].tolist())):
                found[unnamed & (tids == tid)] = self._number(Replay().comm(tid))
        return found

    def maps_at(
        self,
        processes: NDArray[np.int64],
        times: NDArray[np.uint64] | None,
        places: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], list[list[Mapping]]]:
        """The number of each process's memory maps at each moment, and the maps by number."""
        if self._maps is None:
            self._maps = self._map_history()
        found = self._maps.at(processes, *_moments(times, places))
        return np.maximum(found, 0), self._versions

    def _map_history(self) -> _History:
        """Read the records of memory maps, which only frames of user programs need."""
        history, replay = _History(), Replay()
        seen: dict[int, list[Mapping]] = {}
        for time, at, kind, misc, body in self._records:
            if kind not in {MMAP, MMAP2, FORK}:
                continue
            replay.apply(kind, misc, body)
            if len(body) < 16:
                continue
            pid = struct.unpack_from("<i", body)[0]
            own = replay.maps.get(pid)
            if own is not None and seen.get(pid) is not own:
                seen[pid] = own
                history.change(pid, time, at, len(self._versions))
                self._versions.append(own)
        return history

    def _timed(self, places: NDArray[np.int64]) -> list[tuple[int, int, int, int, bytes]]:
        found = []
        for at in places.tolist():
            kind, misc, size = struct.unpack_from("<IHH", self._data, at)
            if kind >= _FIRST_OF_PERF or kind == EXIT:
                continue
            time = 0
            if self._tail and size >= 8 + self._tail:
                time = struct.unpack_from("<Q", self._data, at + size - self._tail)[0]
            found.append((time, at, kind, misc, bytes(self._data[at + 8 : at + size])))
        return found

    def _number(self, comm: str) -> int:
        return self._numbers.setdefault(comm, len(self._numbers))


def _moments(
    times: NDArray[np.uint64] | None, places: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    return np.zeros(len(places), np.uint64) if times is None else times, places
