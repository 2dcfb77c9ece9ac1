from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from faltcon.errors import UsageError
from faltcon.model import Policy
from faltcon.simulate import generate, twin
from faltcon.simulate.trace import NEVER


@pytest.mark.parametrize("name", generate.GENERATORS)
def test_generators__a_seed_names_a_trace(name: str) -> None:
    make = generate.GENERATORS[name]
    one, same, other = make(300, seed=1), make(300, seed=1), make(300, seed=2)
    assert one.syn_ns.tolist() == same.syn_ns.tolist()
    assert one.key.tolist() == same.key.tolist()
    assert one.syn_ns.tolist() != other.syn_ns.tolist()
    assert len(one) >= 300
    assert set(np.unique(one.key)) == set(range(len(one.keys)))


def test_zipf__has_the_stated_rate_shares_and_round_trip() -> None:
    trace = generate.zipf(
        100_000, clients=50, exponent=1.0, rate=5000, rtt_s=0.02, half_open=0.1, seed=5
    )
    seconds = (trace.syn_ns[-1] - trace.syn_ns[0]) / generate.SECOND
    assert len(trace) / seconds == pytest.approx(5000, rel=0.02)
    counted = Counter(trace.keys[k].client_ip for k in trace.key.tolist())
    # Zipf's law with exponent 1: the first client is seen twice as often as the second.
    assert counted["10.0.0.0"] / counted["10.0.0.1"] == pytest.approx(2, rel=0.1)
    made = trace.ack_ns != NEVER
    assert made.mean() == pytest.approx(0.9, abs=0.01)
    trip = np.median((trace.ack_ns - trace.sent_ns)[made]) / generate.SECOND
    assert trip == pytest.approx(0.02, rel=0.05)


def test_web__opens_lots_of_parallel_connections() -> None:
    trace = generate.web(3000, clients=10**6, median=6, sigma=0.8, parallel=6, seed=2)
    per_visit = np.bincount(trace.key)
    assert np.median(per_visit) == pytest.approx(6, abs=1)
    at_once = Counter(zip(trace.key.tolist(), trace.syn_ns.tolist(), strict=True))
    assert max(at_once.values()) == 6


def test_closed_loop__holds_its_connections_open() -> None:
    trace = generate.closed_loop(20_000, clients=4, concurrent=100, service_s=0.01, rtt_s=0.0002)
    assert len(trace) == 20_000
    assert len(trace.keys) == 4
    rate = len(trace) / (trace.syn_ns[-1] / generate.SECOND)
    # Little's law: 100 open connections, each 10.4 ms long.
    assert rate == pytest.approx(100 / 0.0104, rel=0.05)


def test_ports__no_client_uses_one_twice_in_a_row_of_its_range() -> None:
    trace = generate.nat(30_000, gateways=1)
    assert len(set(trace.client_port[: generate.PORTS].tolist())) == generate.PORTS
    assert trace.client_port.min() == generate.FIRST_PORT


def test_hostile__leave_the_archive_as_they_should() -> None:
    policy = Policy(k_t=3, max_pairs=10_000)

    def end(trace: generate.Trace) -> dict[str, int]:
        return twin.run(trace, trace.steer(1), policy).counters.as_dict()

    flood = end(generate.syn_flood(20_000))
    assert (flood["f_pairs_made"], flood["drops_max_pairs"], flood["objects_peak"]) == (0, 0, 0)
    assert end(generate.one_each(50_000, rate=20_000))["f_pairs_made"] == 0
    assert end(generate.one_each(50_000, rate=20_000))["drops_max_pairs"] > 0
    assert end(generate.pulses(30_000, clients=100, each=3, period_s=5.5))["f_pairs_made"] == 0
    assert end(generate.pulses(30_000, clients=100, each=4, period_s=5.5))["f_pairs_made"] == 100
    behind = end(generate.nat(20_000, gateways=4))
    assert behind["f_pairs_made"] == 4
    assert behind["hits"] / behind["lookups"] > 0.95


def test_generators__refuse_more_clients_than_addresses() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        generate.nat(1, gateways=2**24 + 1)
