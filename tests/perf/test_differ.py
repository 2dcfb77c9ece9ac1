from __future__ import annotations

import random

import pytest

from faltcon.errors import UsageError
from faltcon.perf.differ import compare


def recording(rng: random.Random, share: float, samples: int = 4000) -> dict[str, int]:
    """Frames f0 to f19 of noisy equal shares, and one frame `x` of this share."""
    noisy = share * rng.uniform(0.9, 1.1)
    weights = {f"c;f{n}": rng.uniform(0.9, 1.1) * (1 - noisy) / 20 for n in range(20)}
    return {k: round(samples * w) for k, w in (weights | {"c;x": noisy}).items()}


def test_compare__marks_what_differs_and_normalises() -> None:
    rng = random.Random(1)
    before = [recording(rng, 0.1) for _ in range(5)]
    after = [recording(rng, 0.2, samples=40_000) for _ in range(6)]
    found = compare(before, after)
    first = found.frames[0]
    assert (first.frame, first.marked) == ("x", True)
    assert 0.08 < first.change < 0.12
    assert first.low > 0
    assert sum(found.stacks.values()) == pytest.approx(1)
    assert sum(found.changes.values()) == pytest.approx(0, abs=1e-9)


def test_compare__no_difference_no_mark() -> None:
    false = 0
    for seed in range(60):
        rng = random.Random(seed)
        sets = [[recording(rng, 0.1) for _ in range(5)] for _ in range(2)]
        false += bool(compare(*sets).marked)
    # The chance of any mark in a comparison is meant to be 5 %: of 60, more than 8 is one in 100.
    assert false <= 8


def test_compare__few_recordings_mark_nothing() -> None:
    found = compare([{"a;b": 1}], [{"a;c": 1}, {"a;c": 2}])
    assert not found.marked
    assert all(one.low != one.low for one in found.frames)
    with pytest.raises(UsageError):
        compare([], [{"a": 1}])


def test_compare__polling_threads_are_one() -> None:
    found = compare([{"napi/srv-7;f": 1}], [{"napi/srv-8;f": 1}])
    assert {one.frame: one.change for one in found.frames} == {"napi/srv": 0, "f": 0}
