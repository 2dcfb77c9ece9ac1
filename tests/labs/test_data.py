"""The data of the labs: the same for a seed, other for another, and what their making says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from faltcon.cli import run
from faltcon.labs import captures, stacks

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SEEDS = st.integers(0, 2**32)


def test_capture__a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        captures.write(tmp_path / name, seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


@given(SEEDS)
def test_capture__established_are_some_of_those_tried(seed: int) -> None:
    found = captures.expected(seed)
    assert 0 < sum(found["lengths"]) < found["connections"]
    assert sorted(found["keys"].values()) == found["lengths"]


def test_capture__the_traffic_engine_counts_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        captures.write(tmp_path / "lab.pcap", seed)
        assert run(["traffic", "summary", str(tmp_path / "lab.pcap"), "--json"]) == 0
        counted = json.loads(capsys.readouterr().out)
        right = captures.expected(seed)
        assert counted["tcp_connections"] == right["connections"]
        assert counted["established_connections"] == sum(right["lengths"])


@given(SEEDS)
def test_stacks__the_slow_function_is_neither_the_widest_nor_the_one_that_grew_most_in_samples(
    seed: int,
) -> None:
    before, after, sums, slow = stacks._make(seed)
    assert sum(sums.values()) == sum(before.values())

    def own(profile: dict[tuple[str, ...], int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for stack, count in profile.items():
            found[stack[-1]] = found.get(stack[-1], 0) + count
        return found

    old, new = own(before), own(after)
    share = {n: new[n] / sum(new.values()) - old[n] / sum(old.values()) for n in new}
    assert max(share, key=share.__getitem__) == slow
    assert max(new, key=new.__getitem__) != slow
    assert max(new, key=lambda name: new[name] - old[name]) != slow
