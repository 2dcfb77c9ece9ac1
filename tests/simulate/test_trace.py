from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from faltcon.errors import UsageError
from faltcon.model import FKey
from faltcon.simulate.replay import replay
from faltcon.simulate.trace import HALF_OPEN_NS, NEVER, NO_END, Trace, from_connections

BIG = 1_700_000_000_000_000_001  # nanoseconds since 1970, beyond what a float holds


SCHEMA = pa.schema(
    [
        ("client_ip", pa.string()),
        ("client_port", pa.int32()),
        ("server_ip", pa.string()),
        ("server_port", pa.int32()),
        ("syn_ns", pa.int64()),
        ("synack_ns", pa.int64()),
        ("ack_ns", pa.int64()),
        ("handshake_end_ns", pa.int64()),
    ]
)
DEFAULTS = {"client_ip": "10.0.0.1", "server_ip": "10.0.1.1", "client_port": 4000}


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([{**DEFAULTS, "server_port": 80, **row} for row in rows], SCHEMA)


def test_from_connections__places_each_event() -> None:
    trace = from_connections(
        table(
            [
                {"syn_ns": BIG + 5, "synack_ns": BIG + 7, "ack_ns": BIG + 9},
                {"syn_ns": BIG, "client_ip": "10.0.0.2", "synack_ns": BIG + 1},
                {"syn_ns": BIG + 6, "synack_ns": BIG + 8, "handshake_end_ns": BIG + 11},
                {"syn_ns": None, "synack_ns": 3, "ack_ns": 4},
            ]
        ),
        accept_ns=2,
    )
    assert trace.syn_ns.tolist() == [BIG, BIG + 5, BIG + 6]
    assert trace.sent_ns.tolist() == [BIG + 1, BIG + 7, BIG + 8]
    assert trace.ack_ns.tolist() == [NEVER, BIG + 9, NEVER]
    assert trace.release_ns.tolist() == [BIG + HALF_OPEN_NS, BIG + 11, BIG + 11]
    assert [trace.keys[k] for k in trace.key] == [
        FKey("tcp", client, "10.0.1.1", 80) for client in ("10.0.0.2", "10.0.0.1", "10.0.0.1")
    ]


def test_from_connections__a_capture_out_of_order_is_put_in_order() -> None:
    trace = from_connections(table([{"syn_ns": 10, "synack_ns": 8, "ack_ns": 9}]))
    assert (trace.sent_ns[0], trace.ack_ns[0], trace.release_ns[0]) == (10, 10, 10)


def test_from_connections__numbers_the_f_keys() -> None:
    rows = [
        {"syn_ns": 1, "client_ip": "10.0.0.9", "server_port": 443},
        {"syn_ns": 2, "client_ip": "10.0.0.9"},
        {"syn_ns": 3, "client_ip": "::1", "server_ip": "::2"},
        {"syn_ns": 4, "client_ip": "10.0.0.9", "client_port": 9},
    ]
    trace = from_connections(table(rows))
    found = [trace.keys[k] for k in trace.key]
    assert found == [
        FKey("tcp", "10.0.0.9", "10.0.1.1", 443),
        FKey("tcp", "10.0.0.9", "10.0.1.1", 80),
        FKey("tcp", "::1", "::2", 80),
        FKey("tcp", "10.0.0.9", "10.0.1.1", 80),
    ]
    assert len(trace.keys) == 3
    assert trace.client_port.tolist() == [4000, 4000, 4000, 9]


def test_from_connections__nothing_seen_is_an_empty_trace() -> None:
    assert len(from_connections(table([]))) == 0
    assert len(from_connections(table([{"syn_ns": None}]))) == 0


def test_trace__refuses_disorder() -> None:
    one = np.array([1, 2], np.int64)
    zero = np.zeros(2, np.int32)
    keys = [FKey("tcp", "10.0.0.1", "10.0.1.1", 80)]
    with pytest.raises(UsageError, match="in order of time"):
        Trace(one[::-1], one, one, one, zero, zero, keys)
    with pytest.raises(UsageError, match="connection 1: SYN, SENT, ACK, RELEASE"):
        Trace(one, one, np.array([1, 1], np.int64), one, zero, zero, keys)
    with pytest.raises(UsageError, match="connection 0"):
        Trace(one, one + 5, one + 9, one + 6, zero, zero, keys)


def test_from_connections__ends_with_the_last_packet() -> None:
    rows = [{"syn_ns": 5, "synack_ns": 6, "ack_ns": 7}, {"syn_ns": 8, "synack_ns": 9}]
    with_last = table(rows).append_column("last_ns", pa.array([40, 9]))
    assert from_connections(with_last).end_ns == 40
    counters = replay(from_connections(with_last), from_connections(with_last).steer(1)).counters
    # The half-open request is still alive when the capture ends, and so is the candidate.
    assert (counters.nodes, counters.f_pairs_eliminated) == (1, 0)
    assert from_connections(table(rows)).end_ns == NO_END
