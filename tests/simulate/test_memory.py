from __future__ import annotations

import numpy as np
import pytest

from faltcon.model import Policy
from faltcon.simulate import generate, memory, twin


def test_idle_nodes__is_what_the_model_shows() -> None:
    trace = generate.one_each(200_000, rate=2000, seed=6)
    policy = Policy(timer_ns=10 * generate.SECOND)
    result = twin.run(trace, trace.steer(1), policy, sample_ns=generate.SECOND // 7)
    seconds = np.arange(len(result.series)) / 7
    steady = (seconds > 30) & (seconds < 90)
    mean, most = memory.idle_nodes(2000, 10)
    assert result.series[steady, 2].mean() == pytest.approx(mean, rel=0.02)
    assert result.counters.nodes_peak == pytest.approx(most, rel=0.02)


def test_kept_objects__is_what_the_model_keeps_on_average() -> None:
    trace = generate.nat(60_000, gateways=1, rate=2000, rtt_s=0.05, seed=1)
    alive = (trace.release_ns - trace.syn_ns).mean() / generate.SECOND
    kept = memory.kept_objects(2000, alive)
    peak = twin.run(trace, trace.steer(1), Policy(k_t=0)).counters.objects_peak
    # A Poisson number's maximum lies some deviations above its mean.
    assert kept + 2 * kept**0.5 < peak < kept + 8 * kept**0.5


def test_at_rates__adds_up() -> None:
    sizes = memory.Sizes(node_bytes=100, request_sock_bytes=300, synack_bytes=700)
    frame = memory.at_rates({"a": 10.0, "b": 1000.0}, 30, sizes, round_trip_s=0.1)
    assert frame["nodes_most"].tolist() == [600, 60_000]
    assert frame["nodes_mean"].tolist() == [450, 45_000]
    assert frame["nodes_most_bytes"].tolist() == [60_000, 6_000_000]
    assert frame["objects_bytes"].tolist() == [1000, 100_000]
