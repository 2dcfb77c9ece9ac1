"""A capture in parts gives the same as one read from end to end."""

from __future__ import annotations

import json

import pytest

from faltcon.traffic import compiled, mining
from faltcon.traffic.compiled import Parts
from faltcon.traffic.parts import on_threads
from faltcon.traffic.tcp import Limits

COUNTS = (1, 2, 7, 64)


@pytest.fixture(scope="module")
def pool():
    with on_threads(2) as submit:
        yield submit


def outcome(result):
    return (
        result.packets,
        result.tcp_packets,
        result.first_tcp_ns,
        dict(result.skipped),
        result.truncated,
        result.tables.connections.to_pylist(),
        result.tables.transactions.to_pylist(),
    )


def in_parts(file, count, pool, **options):
    return compiled.mine(file, parts=Parts(count, 3, pool), **options)


def test_public_captures(captures, pool):
    lines = (captures / "ORACLE.jsonl").read_text().splitlines()
    names = [row["file"] for row in map(json.loads, lines) if row["tcp_streams"] > 1]
    for name in names[::3]:
        serial = outcome(compiled.mine(captures / name))
        for count in COUNTS:
            assert outcome(in_parts(captures / name, count, pool)) == serial, (name, count)


def test_limits_hold_in_parts_too(tmp_path, wire, craft, pool):
    frames = []
    for number in range(300):
        one = wire(client_port=1024 + number % 40, client_seq=1000 * number)
        one.time_ns += number * 10**8
        one.open().say(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", up=True)
        frames += (one.close() if number % 3 else one).frames
    file = tmp_path / "x.pcap"
    file.write_bytes(craft.pcap(frames))
    limits = Limits(stretch_bytes=4096, linger_ns=2 * 10**8, max_connections=8)
    serial = compiled.mine(file, limits=limits)
    assert sum(serial.tables.connections["evicted"].to_pylist()) > 0
    assert outcome(mining.mine(file, limits=limits)) == outcome(serial)
    for count in COUNTS:
        assert outcome(in_parts(file, count, pool, limits=limits)) == outcome(serial)
