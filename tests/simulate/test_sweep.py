from __future__ import annotations

import pytest

from faltcon.errors import UsageError
from faltcon.model import Policy, Steering
from faltcon.simulate import generate, sweep


@pytest.fixture(scope="module")
def trace() -> generate.Trace:
    return generate.zipf(20_000, clients=300, rate=2000, seed=8)


def test_one_at_a_time__varies_what_it_says(trace: generate.Trace) -> None:
    steps = []
    axes = {"k_t": (0, 3, 1000), "cores": (1, 8), "timer_s": (1, 30), "max_objects": (0, 64)}
    frame = sweep.one_at_a_time(
        trace, Policy(), 4, axes=axes, progress=lambda: steps.append(1)
    ).set_index(["varied", "value"])
    assert len(steps) == len(frame) == 9
    assert frame.loc[("cores", 8.0), "cores"] == 8
    assert frame.loc[("k_t", 3.0), "cores"] == 4
    # Fewer pairs cross a higher threshold; none crosses one above the number of connections.
    by_k_t = frame.loc["k_t", "hit_share"]
    assert by_k_t.is_monotonic_decreasing
    assert by_k_t.loc[1000.0] == 0 < by_k_t.loc[0.0] < 1
    assert frame.loc[("max_objects", 0.0), "hit_share"] == 0
    # RSS spreads a client over the cores, so that it has to cross k_t on each of them.
    assert frame.loc[("cores", 1.0), "hit_share"] > frame.loc[("cores", 8.0), "hit_share"]
    assert (
        frame.loc[("timer_s", 1.0), "f_pairs_eliminated"]
        > frame.loc[("timer_s", 30.0), "f_pairs_eliminated"]
    )


def test_row__window_and_steering(trace: generate.Trace) -> None:
    short = sweep.row(trace, Policy(window_ns=1), 8, Steering.RSS)
    assert short["hit_share"] == 0
    by_key = sweep.row(trace, Policy(), 8, Steering.F_KEY)
    by_rss = sweep.row(trace, Policy(), 8, Steering.RSS)
    turns = sweep.row(trace, Policy(k_t=0), 8, Steering.ROUND_ROBIN)
    assert by_key["hit_share"] > by_rss["hit_share"]
    assert (by_rss["went_home"], by_key["went_home"]) == (0, 0)
    assert turns["went_home"] > 0


def test_compare__in_the_same_memory(trace: generate.Trace) -> None:
    frame = sweep.compare(trace, Policy(), 4).set_index("policy")
    best = frame.loc["clairvoyant, same memory"]
    assert frame.loc["FALTCON", "state_share"] <= best["state_share"]
    assert frame.loc["LRU, same memory", "state_share"] <= best["state_share"]
    assert best["state_share"] <= frame.loc["clairvoyant, any memory", "state_share"]
    assert frame.loc["slab cache", "state_share"] == 0
    assert frame.loc["slab cache", "memory_share"] > 0.9
    assert best["objects_peak"] <= frame.loc["FALTCON", "objects_peak"]


def test_one_at_a_time__knows_its_parameters(trace: generate.Trace) -> None:
    with pytest.raises(UsageError, match="no parameter luck"):
        sweep.one_at_a_time(trace, Policy(), 1, axes={"luck": (1,)})
