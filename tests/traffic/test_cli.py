"""The command line, as others script against it."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest

from faltcon.cli import run
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS

SUMMARY = {
    "file",
    "tcp_connections",
    "established_connections",
    "http1_requests",
    "http1_connections",
    "http1_single_request_connections",
    "http1_max_requests",
    "http2_connections",
    "http2_streams",
    "tls_connections",
    "f_keys",
    "packets",
    "skipped",
    "truncated",
    "error",
}
REPEATS = {"file", "f_keys", "f_pairs", "max_concurrent_handshakes", "error"}


@pytest.fixture
def files(tmp_path, wire, craft):
    """A good capture, the same one cut in its last packet, no capture, and no file."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    frames = wire().open().say(get, up=True).frames
    frames += wire(client_port=40001, time_ns=frames[-1][0]).open().say(get * 2, up=True).frames
    whole = craft.pcap(frames)
    (tmp_path / "good.pcap").write_bytes(whole)
    (tmp_path / "cut.pcap").write_bytes(whole[:-1])
    (tmp_path / "text.pcap").write_text("no capture")
    return [str(tmp_path / name) for name in ("good.pcap", "cut.pcap", "text.pcap", "none.pcap")]


def answers(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_summary__one_object_a_file_in_order(files, capsys) -> None:
    assert run(["traffic", "summary", "--json", *files]) == 1
    found = answers(capsys)
    assert [one["file"] for one in found] == files
    assert all(one.keys() >= SUMMARY for one in found)
    good, cut, text, none = found
    assert (good["tcp_connections"], good["established_connections"], good["f_keys"]) == (2, 2, 1)
    assert (good["http1_requests"], good["http1_connections"]) == (3, 2)
    assert (good["http1_single_request_connections"], good["http1_max_requests"]) == (1, 2)
    assert (good["packets"], good["truncated"], good["error"]) == (8, False, None)
    assert (cut["packets"], cut["truncated"], cut["error"]) == (7, True, None)
    assert cut["http1_requests"] == 1
    assert "not a pcap" in text["error"]
    assert "no such file" in none["error"]
    assert "\n" not in text["error"]


def test_summary__exit_0_when_all_were_read(files, capsys) -> None:
    assert run(["traffic", "summary", "--json", *files[:2]]) == 0
    assert len(answers(capsys)) == 2


def test_repeats__one_object_a_file_in_order(files, capsys) -> None:
    options = ["--k-t", "1", "--window", "500ms", "--window-kind", "tumbling", "--count", "syn"]
    assert run(["traffic", "repeats", "--json", *options, *files]) == 1
    found = answers(capsys)
    assert [one["file"] for one in found] == files
    assert all(one.keys() >= REPEATS for one in found)
    assert (found[0]["f_keys"], found[0]["f_pairs"]) == (1, 1)
    assert found[0]["max_concurrent_handshakes"] == 1
    assert found[3]["f_pairs"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary"],
        ["repeats"],
        ["repeats", "x", "--k-t", "-1"],
        ["repeats", "x", "--window", "five"],
        ["repeats", "x", "--window-kind", "round"],
        ["repeats", "x", "--count", "all"],
        ["summary", "x", "--frobnicate"],
    ],
)
def test_usage_errors_exit_2(arguments, capsys) -> None:
    assert run(["traffic", *arguments]) == 2
    assert capsys.readouterr().err


def test_summary__for_people(files, capsys) -> None:
    assert run(["traffic", "summary", *files]) == 1
    out, err = capsys.readouterr()
    assert re.search(r"HTTP/1 requests\s+│\s+3", out)
    assert "truncated" in out
    assert len(err.strip().splitlines()) == 2
    assert "Traceback" not in err


def test_repeats__for_people(files, capsys) -> None:
    assert run(["traffic", "repeats", files[0]]) == 0
    assert "f-pairs" in capsys.readouterr().out


def test_summary__parquet(files, tmp_path, capsys) -> None:
    connections, transactions = tmp_path / "c.parquet", tmp_path / "t.parquet"
    options = ["--parquet", str(connections), "--transactions", str(transactions)]
    assert run(["traffic", "summary", "--json", *files[:2], *options]) == 0
    assert len(answers(capsys)) == 2
    rows = pq.read_table(connections)
    assert rows.schema.names == ["file", *CONNECTIONS.names]
    assert [row["file"] for row in rows.to_pylist()] == [files[0]] * 2 + [files[1]] * 2
    requests = pq.read_table(transactions)
    assert requests.schema.names == ["file", *TRANSACTIONS.names]
    assert len(requests) == 4
