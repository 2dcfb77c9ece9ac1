from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from faltcon.cli import run
from faltcon.errors import FormatError
from faltcon.traffic import httparchive, inputs
from faltcon.traffic.pairs import repetition

ZEEK = """#separator \\x09
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\tresp_pkts
1.0\tA\t10.0.0.1\t1000\t10.0.0.2\t80\ttcp\t0.5\t10\t20\tSF\t5\t4
2.5\tB\t10.0.0.1\t1001\t10.0.0.2\t80\ttcp\t-\t-\t-\tS0\t1\t0
3.0\tC\t10.0.0.1\t1002\t10.0.0.2\t80\ttcp\t1.0\t1\t1\tRSTO\t5\t4
4.0\tD\t10.0.0.1\t1002\t10.0.0.2\t53\tudp\t1.0\t1\t1\tSF\t1\t1
5.0\tE\t10.0.0.9\t1002\t10.0.0.2\t80\ttcp\t1.0\t1\t1\tOTH\t5\t4
#close\tnow
"""
HTTP_LOG = [
    {
        "ts": 1.0,
        "uid": "A",
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 1,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 80,
        "trans_depth": 1,
    },
    {
        "ts": 1.5,
        "uid": "A",
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 1,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 80,
        "trans_depth": 2,
    },
    {
        "ts": 2.0,
        "uid": "B",
        "id.orig_h": "10.0.0.1",
        "id.orig_p": 2,
        "id.resp_h": "10.0.0.2",
        "id.resp_p": 80,
        "trans_depth": 1,
    },
]
NFDUMP = """ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt
2020-01-01 00:00:00.000,2020-01-01 00:00:01.000,1,10.0.0.1,10.0.0.2,1000,80,TCP,...AP.SF,0,0,5,300
2020-01-01 00:00:00.001,2020-01-01 00:00:01.000,1,10.0.0.2,10.0.0.1,80,1000,TCP,...AP.SF,0,0,4,900
2020-01-01 00:00:02.000,2020-01-01 00:00:02.000,0,10.0.0.1,10.0.0.2,1001,80,TCP,......S.,0,0,1,60
2020-01-01 00:00:02.000,2020-01-01 00:00:02.000,0,10.0.0.1,10.0.0.3,1001,53,UDP,........,0,0,1,60
"""


def entry(connection, start, url="https://a.example/x", version="h2", address="192.0.2.1"):
    return {
        "connection": connection,
        "serverIPAddress": address,
        "startedDateTime": start,
        "time": 12.5,
        "request": {"url": url},
        "response": {"httpVersion": version},
    }


HAR = {
    "log": {
        "entries": [
            entry("7", "2024-01-01T00:00:01.000Z"),
            entry("7", "2024-01-01T00:00:00.500Z"),
            entry("8", "2024-01-01T00:00:02.000Z"),
            entry("9", "2024-01-01T00:00:03.000Z", "http://a.example:8080/", "http/1.1"),
            entry("", "2024-01-01T00:00:04.000Z"),
        ]
    }
}


@pytest.fixture
def log(tmp_path):
    def write(content):
        file = tmp_path / "log"
        if not isinstance(content, str):
            content = json.dumps(content)
        file.write_text(content)
        return file

    return write


def repeated(recorded, count):
    return repetition(
        recorded.mined.tables.connections,
        k_t=1,
        window_ns=5 * 10**9,
        kind="sliding",
        count=count,
        start_ns=recorded.mined.first_tcp_ns,
    )


def test_zeek_connections(log):
    found = inputs.read(log(ZEEK))
    assert found.kind == "Zeek conn.log"
    rows = found.mined.tables.connections.to_pylist()
    assert [row["established"] for row in rows] == [True, False, True, False]
    assert rows[0]["syn_ns"] == 10**9
    assert rows[3]["syn_ns"] is None
    assert found.mined.skipped == {"udp": 1}
    assert (repeated(found, "syn").f_pairs, repeated(found, "established").f_keys) == (1, 1)


def test_zeek_connections_as_json(log):
    names = ZEEK.splitlines()[1].split("\t")[1:]
    lines = [
        json.dumps(dict(zip(names, line.split("\t"), strict=True)))
        for line in ZEEK.splitlines()
        if not line.startswith("#")
    ]
    tsv, as_json = inputs.read(log(ZEEK)), inputs.read(log("\n".join(lines)))
    assert tsv.mined.tables.connections.equals(as_json.mined.tables.connections)


def test_zeek_requests(log):
    found = inputs.read(log("\n".join(json.dumps(line) for line in HTTP_LOG)))
    assert found.kind == "Zeek http.log"
    assert found.mined.tables.connections["http1_requests"].to_pylist() == [2, 1]


def test_nfdump(log):
    found = inputs.read(log(NFDUMP))
    rows = found.mined.tables.connections.to_pylist()
    assert [(row["established"], row["client_port"]) for row in rows] == [
        (True, 1000),
        (False, 1001),
    ]
    assert (rows[0]["server_bytes"], rows[0]["synacks"]) == (900, 1)
    assert rows[1]["syn_ns"] - rows[0]["syn_ns"] == 2 * 10**9


def test_har(log):
    found = inputs.read(log(HAR))
    rows = found.mined.tables.connections.to_pylist()
    assert [(row["http2_streams"], row["http1_requests"]) for row in rows] == [
        (2, 0),
        (1, 0),
        (0, 1),
    ]
    assert [row["server_port"] for row in rows] == [443, 443, 8080]
    assert rows[1]["syn_ns"] - rows[0]["syn_ns"] == 1_500_000_000
    assert found.mined.skipped == {"entry without a connection or a server address": 1}
    assert found.unknown


def test_zeek_requests_as_tsv(log):
    names = list(HTTP_LOG[0])
    lines = ["#separator \\x09", "\t".join(["#fields", *names])]
    lines += ["\t".join(str(one[name]) for name in names) for one in HTTP_LOG]
    tsv = inputs.read(log("\n".join(lines)))
    as_json = inputs.read(log("\n".join(json.dumps(line) for line in HTTP_LOG)))
    assert tsv.kind == as_json.kind == "Zeek http.log"
    assert tsv.mined.tables.connections.equals(as_json.mined.tables.connections)


ARCHIVED = [
    # page, socket, address, host, port, protocol, start in seconds, requests
    ("https://a.example/", "11", "192.0.2.1", "a.example", "443", "http/2", 1, "7"),
    ("https://a.example/", "12", "192.0.2.1", "a.example", "443", "http/1.1", 3, "1"),
    ("https://a.example/", "13", "", "cdn.example", "80", "http/1.1", 3, "2"),
    ("https://a.example/", "14", "192.0.2.9", "q.example", "443", "h3", 3, "2"),
    ("https://b.example/", "11", "192.0.2.1", "a.example", "443", "h2", 4, "5"),
    ("https://b.example/", "12", "", "", "443", "h2", 4, "5"),
]
ARCHIVE_COLUMNS = [
    "page",
    "socket",
    "server_ip",
    "host",
    "server_port",
    "protocol",
    "started",
    "requests",
]


def archived():
    for row in ARCHIVED:
        one = dict(zip(ARCHIVE_COLUMNS, row, strict=True))
        yield {**one, "started": f"2025-07-01T00:00:0{one['started']}.250Z"}


def test_http_archive(log):
    lines = [",".join(ARCHIVE_COLUMNS), *(",".join(one.values()) for one in archived())]
    as_csv = inputs.read(log("\n".join(lines)))
    # BigQuery leaves nulls out of JSON lines.
    kept = [{name: value for name, value in one.items() if value} for one in archived()]
    as_json = inputs.read(log("\n".join(json.dumps(one) for one in kept)))
    assert as_csv.mined.tables.connections.equals(as_json.mined.tables.connections)
    assert as_csv.kind == as_json.kind == "HTTP Archive"
    rows = as_csv.mined.tables.connections.to_pylist()
    assert [(row["server_ip"], row["http1_requests"], row["http2_streams"]) for row in rows] == [
        ("192.0.2.1", 0, 7),
        ("192.0.2.1", 1, 0),
        ("cdn.example", 2, 0),
        ("192.0.2.1", 0, 5),
    ]
    assert rows[1]["syn_ns"] - rows[0]["syn_ns"] == 2 * 10**9
    assert as_csv.mined.skipped == {
        "QUIC connection": 1,
        "connection without a server or a time": 1,
    }
    # The two pages are different clients: only a's server repeats.
    found = repeated(as_csv, "established")
    assert (found.f_keys, found.f_pairs) == (3, 1)


def test_http_archive__the_query_gives_what_is_read():
    query = (Path(httparchive.__file__).parent / "httparchive.sql").read_text()
    last = query[query.rindex("SELECT") :].partition("FROM")[0]
    named = [re.split(r"\s+AS\s+", line.strip().rstrip(","))[-1] for line in last.splitlines()]
    assert [name for name in named if name in httparchive.COLUMNS] == ARCHIVE_COLUMNS


def test_nfdump_of_version_1_7(log):
    head, _, rows = NFDUMP.partition("\n")
    newer = head.replace("ts,te", "firstSeen,lastSeen").replace(",pr,", ",proto,")
    old, new = inputs.read(log(NFDUMP)), inputs.read(log(newer + "\n" + rows))
    assert new.mined.tables.connections.equals(old.mined.tables.connections)


@pytest.mark.parametrize(
    "content",
    ["page,socket,x\na,1,2\n", "{}", "[1]", "{", "#fields\tts\n1\n", "ts,te,sa\n1,2,3\n", "#x\n"],
)
def test_what_is_no_log(log, content):
    with pytest.raises(FormatError, match="neither a capture nor a log"):
        inputs.read(log(content))


def test_repeats_takes_them_and_says_what_they_cannot_tell(log, capsys):
    assert run(["traffic", "repeats", "--json", str(log(HAR))]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["f_keys"], answer["f_pairs"], answer["error"]) == (2, 1, None)
    assert answer["input"] == "HAR"
    assert answer["unknown"]
    assert run(["traffic", "repeats", "--json", str(log(ZEEK)), str(log(ZEEK))]) == 0
    assert [json.loads(one)["f_keys"] for one in capsys.readouterr().out.splitlines()] == [1, 1]
    assert run(["traffic", "repeats", str(log(NFDUMP))]) == 0
    assert "cannot tell" in capsys.readouterr().out
