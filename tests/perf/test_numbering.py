from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.perf.numbering import HashCollisionError, Numbers, Stacks

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
