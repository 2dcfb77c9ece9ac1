"""Long runs: rows streamed to Parquet, stopped anywhere, taken up again."""

from __future__ import annotations

import contextlib
import itertools
import pickle

import pyarrow.parquet as pq
import pytest

from faltcon.errors import FormatError, InterruptedRunError, UsageError
from faltcon.traffic import compiled, window
from faltcon.traffic.anonymize import Anonymizer
from faltcon.traffic.compiled import Parts
from faltcon.traffic.export import state_of
from faltcon.traffic.job import Job
from faltcon.traffic.parts import on_threads
from faltcon.traffic.tcp import Limits

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
LIMITS = Limits(stretch_bytes=8192, linger_ns=10**8)


@pytest.fixture
def capture(tmp_path, wire, craft, monkeypatch):
    """Conversations side by side: plain ones, some with a hole, some in pieces."""
    monkeypatch.setattr(window, "WINDOW_BYTES", 4096)
    made = []
    for number in range(200):
        one = wire(client_port=2000 + number, time_ns=craft.start_ns + number * 10**7)
        one.open().say(GET, up=True, size=7 if number % 9 == 0 else None)
        one.say(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, up=False, size=900
        )
        frames = one.close().frames
        if number % 13 == 0:
            del frames[4]
        made += frames
    file = tmp_path / "x.pcap"
    file.write_bytes(craft.pcap(sorted(made, key=lambda frame: frame[0])))
    return file


def run(job, *, resume=False, stopped=lambda: False):
    return job.run(resume=resume, stopped=stopped, progress=lambda _: None, failed=print)


def rows(file):
    return sorted(pq.read_table(file).to_pylist(), key=lambda row: row["connection"])


def expected(capture):
    result = compiled.mine(capture, limits=LIMITS).tables
    return [{"file": str(capture), **row} for row in result.connections.to_pylist()]


def test_rows_are_those_of_the_table(capture, tmp_path):
    target, other = tmp_path / "c.parquet", tmp_path / "t.parquet"
    outcome = run(Job([str(capture)], target, other, LIMITS))
    assert outcome.done == [str(capture)]
    assert rows(target) == expected(capture)
    assert state_of(target)["complete"] is True
    assert len(pq.read_table(other)) == len(compiled.mine(capture).tables.transactions)


@pytest.mark.parametrize("threads", [1, 2])
def test_stopped_again_and_again_it_still_ends_the_same(capture, tmp_path, threads):
    target, other = tmp_path / "c.parquet", tmp_path / "t.parquet"
    stops = 0
    with on_threads(2) as pool:
        parts = Parts(5, 3, pool) if threads > 1 else None
        while True:
            asked = itertools.count()
            job = Job([str(capture)], target, other, LIMITS, parts=parts)
            with contextlib.suppress(InterruptedRunError):
                run(job, resume=stops > 0, stopped=lambda asked=asked: next(asked) >= 3)
            if state_of(target)["complete"]:
                break
            stops += 1
            # Valid as it is, with whole rows.
            held = rows(target)
            assert [row for row in expected(capture) if row in held] == held
            assert stops < 200
    assert stops > 2
    assert rows(target) == expected(capture)
    assert len(pq.read_table(other)) == len(compiled.mine(capture).tables.transactions)
    assert not target.with_name("c.parquet.resume").exists()


def test_nothing_foreign_is_taken_up(capture, tmp_path):
    target = tmp_path / "c.parquet"
    job = Job([str(capture)], target, None, LIMITS)
    with pytest.raises(UsageError, match="nothing to resume"):
        run(job, resume=True)
    with pytest.raises(InterruptedRunError):
        run(job, stopped=lambda: True)
    with pytest.raises(UsageError, match="belongs to"):
        run(Job(["other"], target, None, LIMITS), resume=True)
    kept = target.with_name("c.parquet.resume")
    for foreign in (b"", b"text", pickle.dumps(print), pickle.dumps(pytest.raises)):
        kept.write_bytes(foreign)
        with pytest.raises(FormatError, match="no state"):
            run(Job([str(capture)], target, None, LIMITS), resume=True)


def test_anonymized_rows_differ_in_their_addresses_alone(capture, tmp_path):
    target = tmp_path / "c.parquet"
    run(Job([str(capture)], target, None, LIMITS, anonymizer=Anonymizer(bytes(32))))
    for row, plain in zip(rows(target), expected(capture), strict=True):
        assert row["client_ip"] != plain["client_ip"]
        assert {**row, "client_ip": "", "server_ip": ""} == {
            **plain,
            "client_ip": "",
            "server_ip": "",
        }
