"""Public captures of other projects' test suites, against what tshark 4.0 counts in them.

The expected counts are in ORACLE.jsonl and ORACLE_FPAIRS.jsonl beside the
captures (tshark with tcp.reassemble_out_of_order). MANIFEST.tsv's column
`agreement` marks those where the capture's own project expects another count;
there either is right. Each remaining miss is explained in MISSES.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import sys

import pyarrow as pa
import pytest

from faltcon.errors import FaltconError
from faltcon.traffic.mining import mine
from faltcon.traffic.pairs import repetition
from faltcon.traffic.pcap import Capture
from faltcon.traffic.summary import summarize
from faltcon.traffic.tables import check

# figure of the oracle -> ours, and the share of captures that must agree
FIGURES = {
    "tcp_streams": ("tcp_connections", 0.99),
    "http1_requests": ("http1_requests", 0.98),
    "http1_streams": ("http1_connections", 0.98),
    "http1_single_request_streams": ("http1_single_request_connections", 0.98),
    "http1_max_requests_a_stream": ("http1_max_requests", 0.98),
    "http2_request_streams": ("http2_streams", 1.0),
    "http2_connections": ("http2_connections", 1.0),
    "tls_connections": ("tls_connections", 0.98),
    "f_keys": ("f_keys", 0.99),
}
MISSES = {
    "ntop+nDPI/fuzz-2006-09-29-28586.pcap": "random bytes were written into a request's headers;"
    " tshark waits for a body whose length they changed",
    "ntop+nDPI/ip_fragmented_garbage.pcap": "the fragments contradict one another; which copy"
    " wins decides whether a second SYN is there",
    "zeek+zeek/tcp-http-with-padding.pcap": "tshark takes the Ethernet padding of an earlier"
    " packet for a byte of the request; Zeek expects one request, as here",
    "zeek+zeek/tunnels/gre-aruba-amsdu.pcap": "one 802.11 frame that carries several packets; it"
    " is skipped and counted as such",
    "ntop+nDPI/http2.pcapng": "HTTP/2 on a port where tshark does not look for it",
}


def accepted(row, figure, agreement):
    """The counts that are right: tshark's, and upstream's where they differ by definition."""
    right = {row[figure]}
    match = re.fullmatch(r"differ(-tcp)?\(up (\d+) / tshark (\d+)\)", agreement)
    if match and (figure == "tcp_streams" if match[1] else figure == "http1_requests"):
        right.add(int(match[2]))
    return right


@functools.cache
def oracle(captures):
    rows = [json.loads(line) for line in (captures / "ORACLE.jsonl").read_text().splitlines()]
    with (captures / "MANIFEST.tsv").open(newline="") as stream:
        agreement = {
            row["file"]: row["agreement"] for row in csv.DictReader(stream, delimiter="\t")
        }
    return rows, agreement


@functools.cache
def mined(file):
    return mine(file)


def test_counts_agree_with_tshark(captures, capsys) -> None:
    rows, agreement = oracle(captures)
    scores = {figure: [0, 0] for figure in FIGURES}
    misses, refused = [], []
    for row in rows:
        try:
            found = summarize(row["file"], mined(captures / row["file"]))
        except FaltconError:
            refused.append(row["file"])
            continue
        for figure, (key, _) in FIGURES.items():
            if not row[figure] and not found[key]:
                continue
            # HTTP figures are about captures that hold that protocol.
            if key.startswith(("http", "tls")) and not row[figure] and row["file"] in MISSES:
                continue
            right = accepted(row, figure, agreement[row["file"]])
            scores[figure][1] += 1
            if found[key] in right:
                scores[figure][0] += 1
            else:
                why = MISSES.get(row["file"], "not explained")
                misses.append(f"{row['file']}: {key} {found[key]}, not {row[figure]}: {why}")
    lines = [
        f"{FIGURES[figure][0]}: {exact} of {number} ({exact / number:.1%})"
        for figure, (exact, number) in scores.items()
    ]
    with capsys.disabled():
        sys.stdout.write(
            "\n  " + "\n  ".join([*lines, *(f"miss: {miss}" for miss in misses)]) + "\n"
        )
    assert all(row["tshark_rc"] or not row["frames"] for row in rows if row["file"] in refused)
    assert not [miss for miss in misses if miss.endswith("not explained")]
    for figure, (_, bar) in FIGURES.items():
        exact, number = scores[figure]
        assert exact / number >= bar, figure


def test_tables_hold_what_they_promise(captures) -> None:
    everything = []
    for row in oracle(captures)[0]:
        try:
            result = mined(captures / row["file"])
        except FaltconError:
            continue
        everything.append(result.tables.connections)
        requests = result.tables.transactions.to_pandas()
        counted = requests[requests["complete"] & (requests["protocol"] == "http1")]
        assert len(counted) == sum(result.tables.connections["http1_requests"].to_pylist())
        # Each packet is a TCP segment or was skipped for a reason; fragments join others.
        if not row["ip_fragments"] and not any("block" in reason for reason in result.skipped):
            assert sum(result.skipped.values()) + result.tcp_packets == result.packets
    check(pa.concat_tables(everything).to_pandas())


def test_f_pairs_agree_exactly(captures) -> None:
    for line in (captures / "ORACLE_FPAIRS.jsonl").read_text().splitlines():
        row = json.loads(line)
        result = mined(captures / row["file"])
        for count in ("established", "syn"):
            for k_t, kinds in row[f"f_pairs_{count}"].items():
                for kind, expected in kinds.items():
                    found = repetition(
                        result.tables.connections,
                        k_t=int(k_t),
                        window_ns=5 * 10**9,
                        kind=kind,
                        count=count,
                        start_ns=result.first_tcp_ns,
                    )
                    assert found.f_pairs == expected, (row["file"], count, k_t, kind)
                    assert found.f_keys == row[f"f_keys_{count}"], row["file"]


def test_a_cut_capture_gives_its_good_part_or_a_typed_error(captures, tmp_path) -> None:
    """Every capture at one cut, another for each; the whole sweep is in the fuzz run."""
    target = tmp_path / "cut"
    for number, row in enumerate(oracle(captures)[0]):
        whole = (captures / row["file"]).read_bytes()
        target.write_bytes(whole[: len(whole) * (1 + number % 15) // 16])
        try:
            result = mine(target)
        except FaltconError:
            continue
        assert result.packets <= max(row["frames"], 8)


@pytest.mark.parametrize("name", ["zeek+zeek/wikipedia.pcap", "arkime+arkime/http2-nghttp2.pcap"])
def test_a_cut_anywhere_never_invents_packets(captures, tmp_path, name) -> None:
    whole = (captures / name).read_bytes()
    full = Capture(captures / name)
    expected = [packet.data for packet in full]
    target = tmp_path / "cut.pcap"
    for size in range(24, len(whole), max(1, len(whole) // 97)):
        target.write_bytes(whole[:size])
        assert [p.data for p in Capture(target)] == expected[: len(list(Capture(target)))]
