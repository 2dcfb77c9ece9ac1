"""Dense numbers for keys and for stacks, by whole columns at a time.

Equal keys and equal stacks get equal numbers, whichever batch they come in.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["HashCollisionError", "Numbers", "Runs", "Stacks", "flat_places"]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_FREE = -1


class HashCollisionError(Exception):
    """Two different stacks have one hash: number them all again with another seed."""


class Numbers:
    """Numbers from 0 on for distinct 64-bit keys.

    A table with one place a hash stands before a dictionary: nearly every key
    is found by one look into it, for a whole column at once.
    """

    def __init__(self, bits: int = 14) -> None:
        self._known: dict[int, int] = {}
        self._enlarge(bits)

    def __len__(self) -> int:
        """How many distinct keys there are."""
        return len(self._known)

    def distinct(self) -> list[int]:
        """The keys, in the order of their numbers."""
        return list(self._known)

    def of(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The number of each key, shape (n,)."""
        slots = self._slots(keys)
        missed = np.flatnonzero(self._keys[slots] != keys)
        if not len(missed):
            found: NDArray[np.int32] = self._numbers[slots]
            return found
        numbers = self._numbers[slots]
        slots, keys = slots[missed], keys[missed]
        free = numbers[missed] == _FREE
        if free.any():
            # Of several keys for a free place the last stays, with its number among them.
            places = slots[free]
            among = np.arange(len(places), dtype=np.int32)
            self._keys[places], self._numbers[places] = keys[free], among
            new = places[self._numbers[places] == among]
            self._numbers[new] = self._enter(self._keys[new])
        numbers[missed] = self._numbers[slots]
        shut_out = self._keys[slots] != keys
        if shut_out.any():
            numbers[missed[shut_out]] = self._enter(keys[shut_out])
        if 8 * len(self._known) > len(self._keys):
            self._enlarge(64 - self._shift + 3)
        return numbers

    def _slots(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        mixed = keys * _MIX
        mixed >>= np.uint64(self._shift)
        return mixed.view(np.int64)

    def _enter(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        known = self._known
        found = [known.setdefault(key, len(known)) for key in keys.tolist()]
        return np.array(found, np.int32)

    def _enlarge(self, bits: int) -> None:
        self._shift = 64 - bits
        # What stands in a free place is a key of another one, so that no key is found there.
        self._keys = np.zeros(1 << bits, np.uint64)
        self._keys[0] = 1
        self._numbers = np.full(1 << bits, _FREE, np.int32)
        keys = np.fromiter(self._known, np.uint64, len(self._known))
        slots = self._slots(keys)
        self._keys[slots] = keys
        # The same assignment order: of two keys for a place the later one stays in both columns.
        self._numbers[slots] = np.arange(len(keys), dtype=np.int32)


def flat_places(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """begins[0], begins[0] + 1, … for counts[0] places, then the same for each other run."""
    shifts = begins - np.cumsum(counts) + counts
    return np.repeat(shifts, counts) + np.arange(int(counts.sum()))


class Runs:
    """Numbers from 0 on for distinct runs of words, which are not kept.

    Runs are told apart by two hashes of 64 bits. One numbers them; raises
    HashCollisionError where the other says that two runs were taken for one.
    seed: of the hashes.
    """

    def __init__(self, seed: int = 0) -> None:
        # 5 more than a multiple of 8: such a number's powers repeat themselves last.
        self._bases = [int(one) & ~7 | 5 for one in _odd_numbers(2, seed)]
        self._powers: list[NDArray[np.uint64]] = [np.ones(1, np.uint64)] * 2
        self._shifts = list(self._powers)
        self._room: NDArray[np.uint64] = np.empty((2, 1), np.uint64)
        self._numbers = Numbers()
        self._checks: NDArray[np.uint64] = np.empty(0, np.uint64)

    def __len__(self) -> int:
        """How many distinct runs there are."""
        return len(self._numbers)

    def of(
        self, words: NDArray[np.uint64], begins: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """The number of each run, shape (n,): so many words from each of these places on."""
        hashes, checks = self._hashes(words, begins, counts)
        known = len(self)
        numbers = self._numbers.of(hashes)
        if len(self) > known:
            rows = np.flatnonzero(numbers >= known)
            new = np.empty(len(self) - known, np.uint64)
            new[numbers[rows] - known] = checks[rows]
            self._checks = np.append(self._checks, new)
        if (self._checks[numbers] != checks).any():
            raise HashCollisionError
        return numbers

    def _hashes(
        self, words: NDArray[np.uint64], begins: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> list[NDArray[np.uint64]]:
        """Of each run, sum(mixed word * base ** place in the run) for both bases.

        Powers go with the place among all words, so that no run is copied; a
        run's own inverse power takes the difference away.
        """
        if len(words) >= len(self._powers[0]):
            self._enlarge(2 * len(words))
        # Room that is kept costs less than room that is taken anew each time.
        mixed, weighed = (room[: len(words) + 1] for room in self._room)
        mixed[-1] = 0
        np.right_shift(words, np.uint64(29), out=mixed[:-1])
        mixed[:-1] ^= words
        edges = np.column_stack([begins, begins + counts]).ravel()
        found = []
        for powers, shifts in zip(self._powers, self._shifts, strict=True):
            np.multiply(mixed, powers[: len(mixed)], out=weighed)
            sums = np.add.reduceat(weighed, edges)[::2] if len(edges) else mixed[:0]
            sums[counts == 0] = 0
            found.append(sums * shifts[begins] + counts.astype(np.uint64) * _MIX)
        return found

    def _enlarge(self, size: int) -> None:
        self._room = np.empty((2, size), np.uint64)
        for number, base in enumerate(self._bases):
            inverse = pow(base, -1, 1 << 64)
            for table, factor in ((self._powers, base), (self._shifts, inverse)):
                steps = np.full(size, factor, np.uint64)
                steps[0] = 1
                table[number] = np.multiply.accumulate(steps)


class Stacks:
    """Numbers from 0 on for distinct runs of frame numbers, each run kept once.

    seed: of the hash. Equality is checked frame by frame; raises
    HashCollisionError where the hash did not tell two stacks apart.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._factors = _odd_numbers(256, seed)
        self._hashes = Numbers()
        self._pool: NDArray[np.int32] = np.empty(0, np.int32)
        self._begins: NDArray[np.int64] = np.zeros(1, np.int64)

    def __len__(self) -> int:
        """How many distinct stacks there are."""
        return len(self._hashes)

    def of(self, frames: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.int32]:
        """The number of each stack, shape (n,).

        frames: the stacks' frame numbers, one stack behind the other; counts:
        how many are each stack's, shape (n,).
        """
        begins = np.cumsum(counts) - counts
        depths = np.arange(len(frames)) - np.repeat(begins, counts)
        known = len(self)
        numbers = self._hashes.of(self._hash(frames, begins, counts, depths))
        rows = np.flatnonzero(numbers >= known)
        if len(rows):
            # One stack stands for all that have its hash; whether rightly is seen below.
            first = np.empty(len(self) - known, np.int64)
            first[numbers[rows] - known] = rows
            own = frames[flat_places(begins[first], counts[first])]
            ends = len(self._pool) + np.cumsum(counts[first])
            self._pool = np.concatenate([self._pool, own])
            self._begins = np.concatenate([self._begins, ends])
        lengths = self._begins[1:] - self._begins[:-1]
        if (lengths[numbers] != counts).any():
            raise HashCollisionError
        depths += np.repeat(self._begins[numbers], counts)
        if (self._pool[depths] != frames).any():
            raise HashCollisionError
        return numbers

    def __iter__(self) -> Iterator[list[int]]:
        """The frame numbers of each stack, in the order of the stacks' numbers."""
        pool, begins = self._pool.tolist(), self._begins.tolist()
        for begin, end in itertools.pairwise(begins):
            yield pool[begin:end]

    def _hash(
        self,
        frames: NDArray[np.int32],
        begins: NDArray[np.int64],
        counts: NDArray[np.int64],
        depths: NDArray[np.int64],
    ) -> NDArray[np.uint64]:
        deepest = int(counts.max(initial=0))
        if deepest > len(self._factors):
            self._factors = _odd_numbers(2 * deepest, self._seed)
        found = counts.astype(np.uint64) * _MIX
        filled = np.flatnonzero(counts)
        if len(filled):
            mixed = self._factors[depths]
            mixed *= frames.astype(np.uint64)
            found[filled] += np.add.reduceat(mixed, begins[filled])
        return found


def _odd_numbers(count: int, seed: int) -> NDArray[np.uint64]:
    """Odd numbers that look like chance: the generator splitmix64, from the seed on.

    More of them begin with the same ones. (numpy.random takes longer to import.)
    """
    found = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * _MIX
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31)) | np.uint64(1)
