"""A capture in parts gives the same as one read from end to end."""

from __future__ import annotations

import json
import logging

import dask
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from faltcon.cli import run
from faltcon.traffic import compiled, mining
from faltcon.traffic.compiled import Parts
from faltcon.traffic.parts import on_cluster, on_threads
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


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address=None,
        silence_logs=logging.ERROR,
    ) as one:
        yield one.scheduler_address


@pytest.fixture
def conversations(tmp_path, wire, craft):
    """A capture of connections that overlap, so that every cut goes through some."""
    frames = []
    for number in range(120):
        one = wire(client_port=1024 + number % 30, client_seq=5000 * number)
        one.time_ns += number * 3 * 10**6
        one.open()
        for _ in range(number % 4):
            one.say(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", up=True, size=9 if number % 5 else None)
            one.say(b"HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n" + bytes(700), up=False)
        frames += (one.close() if number % 3 else one).frames
    file = tmp_path / "x.pcap"
    file.write_bytes(craft.pcap(sorted(frames)))
    return file


def test_on_a_cluster(cluster, conversations):
    serial = compiled.mine(conversations)
    assert outcome(mining.mine(conversations)) == outcome(serial)
    with on_cluster(cluster) as submit:
        for count in COUNTS:
            assert outcome(in_parts(conversations, count, submit)) == outcome(serial), count


def test_on_a_cluster__the_command(cluster, conversations, tmp_path):
    assert cluster.startswith("tcp://")
    serial, spread = tmp_path / "serial.parquet", tmp_path / "spread.parquet"
    command = ["traffic", "tables", str(conversations), "-o"]
    assert run([*command, str(serial)]) == 0
    assert run([*command, str(spread), "--scheduler", cluster]) == 0
    order = [("connection", "ascending")]
    assert pq.read_table(spread).sort_by(order).equals(pq.read_table(serial).sort_by(order))


def test_no_cluster__one_error(conversations, tmp_path, capsys):
    command = ["traffic", "tables", str(conversations), "-o", str(tmp_path / "x.parquet")]
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert run([*command, "--scheduler", "tcp://127.0.0.1:1"]) == 3
    said = capsys.readouterr().err
    assert "tcp://127.0.0.1:1" in said
    assert "Traceback" not in said
    assert not (tmp_path / "x.parquet").exists()
