from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.perf.numbering import HashCollisionError, Numbers, Runs, Stacks

KEYS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=60)


@given(batches=st.lists(KEYS, max_size=4))
def test_numbers__equal_keys_have_equal_numbers(batches: list[list[int]]) -> None:
    numbers = Numbers(bits=3)  # so small that keys shut each other out
    for batch in batches:
        found = numbers.of(np.array(batch, np.uint64)).tolist()
        known = numbers.distinct()
        assert [known[number] for number in found] == batch
    assert len(numbers) == len({key for batch in batches for key in batch})


STACKS = st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=30)


@given(batches=st.lists(STACKS, max_size=3))
def test_stacks__each_distinct_one_is_kept_once(batches: list[list[list[int]]]) -> None:
    stacks = Stacks()
    for batch in batches:
        frames = np.array([frame for stack in batch for frame in stack], np.int32)
        counts = np.array([len(stack) for stack in batch], np.int64)
        found = stacks.of(frames, counts).tolist()
        kept = list(stacks)
        assert [kept[number] for number in found] == batch
    assert len(stacks) == len({tuple(stack) for batch in batches for stack in batch})


def test_stacks__a_collision_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = Stacks()
    monkeypatch.setattr(stacks, "_factors", np.zeros(256, np.uint64))
    frames = np.array([1, 2, 1, 3], np.int32)
    with pytest.raises(HashCollisionError):
        stacks.of(frames, np.array([2, 2]))


RUNS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=40)


@given(
    words=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 2), min_size=20, max_size=20),
    batches=st.lists(RUNS, max_size=3),
)
def test_runs__equal_ones_have_equal_numbers(
    words: list[int], batches: list[list[tuple[int, int]]]
) -> None:
    runs = Runs()
    number_of: dict[tuple[int, ...], int] = {}
    for batch in batches:
        begins = np.array([begin for begin, _ in batch], np.int64)
        counts = np.array([count for _, count in batch], np.int64)
        found = runs.of(np.array(words, np.uint64), begins, counts).tolist()
        for (begin, count), number in zip(batch, found, strict=True):
            assert number_of.setdefault(tuple(words[begin : begin + count]), number) == number
    assert sorted(number_of.values()) == list(range(len(runs)))


@pytest.mark.parametrize("length", [2, 16, 128])
def test_runs__the_order_of_words_counts(length: int) -> None:
    """Also in the sequence of Thue and Morse, which deceives such hashes where it is long."""
    one = [place.bit_count() & 1 for place in range(length)]
    words = np.array([5 + bit for bit in one] + [6 - bit for bit in one], np.uint64)
    found = Runs().of(words, np.array([0, length]), np.array([length, length]))
    assert found.tolist() in ([0, 1], [1, 0])


def test_runs__a_collision_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()

    def hashes(*_: object) -> list[np.ndarray]:
        return [np.zeros(2, np.uint64), np.array([1, 2], np.uint64)]

    monkeypatch.setattr(runs, "_hashes", hashes)
    with pytest.raises(HashCollisionError):
        runs.of(np.array([1, 2], np.uint64), np.array([0, 1]), np.array([1, 1]))
