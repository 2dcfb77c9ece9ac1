from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltcon.errors import UsageError
from faltcon.model import FKey, Steering, steer
from faltcon.simulate.trace import Trace

addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
ports = st.integers(0, 65535)
connections = st.lists(st.tuples(addresses, ports, ports), min_size=1, max_size=20)


def trace_of(drawn: list[tuple[tuple[object, object], int, int]]) -> Trace:
    zero = np.zeros(len(drawn), np.int64)
    keys = [FKey("tcp", str(client), str(server), port) for (client, server), port, _ in drawn]
    client_ports = np.array([port for _, _, port in drawn], np.int32)
    return Trace(zero, zero, zero, zero, np.arange(len(drawn), dtype=np.int32), client_ports, keys)


@settings(deadline=None)
@given(
    connections,
    st.integers(1, 64),
    st.sampled_from([Steering.RSS, Steering.RSS_ADDRESSES, Steering.F_KEY]),
)
def test_steer__equals_the_models(
    drawn: list[tuple[tuple[object, object], int, int]], cpus: int, steering: Steering
) -> None:
    trace = trace_of(drawn)
    found = trace.steer(cpus, steering)
    assert found.syn.tolist() == [
        steer(trace.flow(index), cpus, steering) for index in range(len(trace))
    ]
    assert found.syn is found.ack is found.release


def test_steer__round_robin_takes_each_packet_one_cpu_further() -> None:
    trace = trace_of([(("10.0.0.1", "10.0.0.2"), 80, port) for port in range(4)])
    found = trace.steer(5, Steering.ROUND_ROBIN)
    assert found.syn.tolist() == [0, 3, 1, 4]
    assert found.ack.tolist() == [1, 4, 2, 0]
    assert found.release.tolist() == [2, 0, 3, 1]


def test_steer__needs_a_cpu() -> None:
    with pytest.raises(UsageError, match="serve nobody"):
        trace_of([(("10.0.0.1", "10.0.0.2"), 80, 1)]).steer(0)
