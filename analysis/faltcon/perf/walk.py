"""Where the records of a perf.data file lie, and their words as columns."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.perfdata import payload

if TYPE_CHECKING:
    import mmap

    from numpy.typing import NDArray

__all__ = ["Words", "records"]

_SAMPLE = 9
_LONGER = (np.uint64(66), np.uint64(71))  # kinds with more bytes than their size (payload)
_WALKERS = 2048
_MOST_BETWEEN = 4  # words in a window for each word of its runs
_SEARCHED = 128  # words in which a walker looks for the record to begin with


def records(data: mmap.mmap | bytes, start: int, end: int) -> tuple[NDArray[np.int64], int]:
    """Place of each whole record, shape (n,), and where the last of them ends.

    A record says only how far it is to the next one, so the way is one of many
    small steps. Several walkers go at once, each from a guess where a record
    begins; a guess counts only where the walker before it arrives there.
    """
    guesses = _guesses(data, start, end)
    tracks, arrivals = _walk(data, guesses, end)
    found: list[NDArray[np.int64]] = []
    at, walker = start, 0
    while True:
        while walker < len(guesses) and guesses[walker] < at:
            walker += 1
        if walker < len(guesses) and guesses[walker] == at:
            track = tracks[:, walker]
            found.append(track[track >= 0])
            at = int(arrivals[walker])
            walker += 1
            continue
        # Between the walkers: at a record that is more than its size, or behind a wrong guess.
        following = _next(data, at, end)
        if following is None:
            return np.concatenate([np.empty(0, np.int64), *found]), min(at, end)
        found.append(np.array([at], np.int64))
        at = following


def _next(data: mmap.mmap | bytes, at: int, end: int) -> int | None:
    """Where the record after this one begins; None where this one is not whole."""
    if at + 8 > end:
        return None
    size: int = struct.unpack_from("<H", data, at + 6)[0]
    return None if size < 8 or at + size > end else at + size + _payload(data, at)


def _words(data: mmap.mmap | bytes, start: int, end: int) -> NDArray[np.uint64]:
    return np.frombuffer(data, "<u8", count=max(end - start, 0) // 8, offset=start)


def _guesses(data: mmap.mmap | bytes, start: int, end: int) -> NDArray[np.int64]:
    """Where walkers set out: the start, and in each stretch the first that looks like a sample."""
    words = _words(data, start, end)
    stretch = len(words) // _WALKERS
    if stretch < 2 * _SEARCHED:
        return np.array([start], np.int64)
    begins = np.arange(1, _WALKERS) * stretch
    seen = words[begins[:, np.newaxis] + np.arange(_SEARCHED)]
    # Kind 9, a known mode, a size of whole words. Whether it is one will be seen.
    likely = (seen & np.uint64(0x0007_FFF8_FFFF_FFFF)) == np.uint64(_SAMPLE)
    likely &= (seen >> np.uint64(48)) >= np.uint64(16)
    some = likely.any(axis=1)
    first = begins[some] + likely[some].argmax(axis=1)
    return np.append(start, start + 8 * first)


def _walk(
    data: mmap.mmap | bytes, guesses: NDArray[np.int64], end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places that each walker came by, -1 where it stood still, and where it arrived."""
    start = int(guesses[0])
    words = _words(data, start, end)
    at = (guesses - start) >> 3
    stop = np.append(at[1:], len(words))
    tracks = []
    while True:
        going = np.flatnonzero(at < stop)
        if not len(going):
            break
        heads = words[at[going]]
        steps = (heads >> np.uint64(51)).astype(np.int64)
        # What is odd about a record is left to the careful way.
        plain = (heads & np.uint64(0x0007_0000_0000_0000)) == 0
        kinds = heads & np.uint64(0xFFFF_FFFF)
        plain &= (kinds != _LONGER[0]) & (kinds != _LONGER[1])
        plain &= (steps > 0) & (at[going] + steps <= len(words))
        stop[going[~plain]] = 0
        going = going[plain]
        track = np.full(len(at), -1, np.int64)
        track[going] = at[going]
        tracks.append(track)
        at[going] += steps[plain]
    places = np.array(tracks, np.int64).reshape(-1, len(at))
    return np.where(places >= 0, start + 8 * places, -1), start + 8 * at


def _payload(data: mmap.mmap | bytes, at: int) -> int:
    kind, size = struct.unpack_from("<I2xH", data, at)
    return payload(kind, bytes(data[at + 8 : at + min(size, 16)]))


class Words:
    """The 64-bit words of a file, by place in bytes; any places, best where aligned alike."""

    def __init__(self, data: mmap.mmap | bytes, places: NDArray[np.int64]) -> None:
        self._shift = int(places[0]) & 7 if len(places) else 0
        if ((places & 7) == self._shift).all():
            count = max(len(data) - self._shift, 0) // 8
            self._words = np.frombuffer(data, "<u8", count=count, offset=self._shift)
            self._log = 3
        else:
            # One word begins at each byte.
            count = max(len(data) - 7, 0)
            self._words = np.ndarray((count,), "<u8", data, strides=(1,))
            self._shift = self._log = 0

    def at(self, places: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The words at these places (all aligned as those named at the start)."""
        found: NDArray[np.uint64] = self._words[(places - self._shift) >> self._log]
        return found

    def runs(self, begins: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Runs of so many words from these places on, one run behind the other."""
        step = 8 >> self._log
        begins = (begins - self._shift) >> self._log
        shifts = begins - step * (np.cumsum(counts) - counts)
        places = np.repeat(shifts, counts) + step * np.arange(int(counts.sum()))
        found: NDArray[np.uint64] = self._words[places]
        return found

    def window(
        self, begins: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """An array in which all these runs lie, and where in it each begins.

        Runs that lie close together, as nearly always, are not copied.
        """
        if self._log == 3 and len(begins):
            first = (begins - self._shift) >> 3
            low, high = int(first.min()), int((first + counts).max())
            if high - low <= _MOST_BETWEEN * int(counts.sum()) + _WALKERS:
                return self._words[low:high], first - low
        return self.runs(begins, counts), np.cumsum(counts) - counts
