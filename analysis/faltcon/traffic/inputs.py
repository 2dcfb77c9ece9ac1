"""Other records of connections than captures: browser archives, Zeek logs, nfdump's CSV.

The result of a query of HTTP Archive is one more (httparchive.py). Each becomes
a connections table as far as it can tell; `unknown` names what it cannot.
Formats: HAR 1.2; Zeek's conn.log and http.log, tab-separated or JSON; the CSV of
`nfdump -o csv`.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from faltcon.errors import FormatError
from faltcon.files import open_binary, reading
from faltcon.traffic import har, httparchive
from faltcon.traffic.mining import Mined
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS, Tables

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Recorded", "looks_like_a_log", "read"]

NS = 1_000_000_000
MAX_LOG_BYTES = 4 << 30
# Zeek's states in which the originator's SYN was seen, and those with a full handshake.
ZEEK_SYN = frozenset(("S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "SH"))
ZEEK_ESTABLISHED = frozenset(("S1", "SF", "S2", "S3", "RSTO", "RSTR"))


@dataclass(frozen=True)
class Recorded:
    """A log's connections, in the form that captures have, and what it cannot tell."""

    mined: Mined
    kind: str
    unknown: tuple[str, ...]


def looks_like_a_log(file: str | Path) -> bool:
    """Whether a file begins as one of the logs does; captures begin with other bytes."""
    with reading(file), open_binary(file) as stream:
        start = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    begins = (b"{", b"[", b"#separator", b"#fields", b"ts,te,", b"firstSeen,")
    return start.startswith((*begins, httparchive.CSV_START))


def read(file: str | Path) -> Recorded:
    """Read a log. Raises InputError, or FormatError where it is none of the known ones."""
    with reading(file), open_binary(file) as stream:
        content = stream.read(MAX_LOG_BYTES)
    try:
        text = content.decode("utf-8-sig")
        if httparchive.is_result(text.partition("\n")[0]):
            return _http_archive(text)
        if text.lstrip().startswith(("{", "[")):
            return _json(file, text)
        if text.startswith("#"):
            return _zeek(file, _zeek_rows(text))
        return _nfdump(text)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise FormatError(
            file,
            f"is neither a capture nor a log that we know ({reason})",
            mend="name a pcap, pcapng, HAR, Zeek conn.log or http.log, nfdump CSV "
            "or HTTP Archive file",
        ) from error


def _json(file: str | Path, text: str) -> Recorded:
    first = text.lstrip().partition("\n")[0]
    if '"ts"' in first and "id.orig_h" in first:
        return _zeek(file, (json.loads(line) for line in text.splitlines() if line.strip()))
    return _har(json.loads(text))


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """A connections table of rows that fill only some columns."""
    empty: dict[str, Any] = {
        one.name: None if one.nullable else {pa.string(): "", pa.bool_(): False}.get(one.type, 0)
        for one in CONNECTIONS
    }
    empty["close"] = "open"
    rows.sort(key=lambda row: int(row["first_ns"]))
    full = [{**empty, **row, "connection": number} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(full, schema=CONNECTIONS)


def _recorded(
    kind: str, rows: list[dict[str, Any]], skipped: Counter[str], *unknown: str
) -> Recorded:
    first = min((int(row["first_ns"]) for row in rows), default=None)
    tables = Tables(_table(rows), TRANSACTIONS.empty_table())
    packets = sum(row.get("client_packets", 0) + row.get("server_packets", 0) for row in rows)
    mined = Mined(tables, packets, packets, first, skipped, truncated=False)
    return Recorded(mined, kind, unknown)


def _http_archive(text: str) -> Recorded:
    skipped: Counter[str] = Counter()
    rows = httparchive.connections(httparchive.records(text), skipped)
    return _recorded("HTTP Archive", rows, skipped, *httparchive.UNKNOWN)


def _har(document: dict[str, Any]) -> Recorded:
    rows, skipped = har.parse(document)
    return _recorded("HAR", rows, skipped, *har.UNKNOWN)


def _zeek_rows(text: str) -> Iterable[dict[str, str]]:
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            yield dict(zip(names, line.split("\t"), strict=True))


def _number(value: Any) -> int:
    return int(value) if value not in {None, "-", "(empty)", ""} else 0


def _zeek(file: str | Path, lines: Iterable[dict[str, Any]]) -> Recorded:
    skipped: Counter[str] = Counter()
    connections: list[dict[str, Any]] = []
    requests: dict[str, dict[str, Any]] = {}
    for line in lines:
        start = round(float(line["ts"]) * 1_000_000) * 1000
        ends = {
            "client_ip": str(line["id.orig_h"]),
            "client_port": _number(line["id.orig_p"]),
            "server_ip": str(line["id.resp_h"]),
            "server_port": _number(line["id.resp_p"]),
            "client_known": True,
            "first_ns": start,
        }
        if "trans_depth" in line:
            row = requests.setdefault(
                str(line["uid"]),
                {**ends, "syn_ns": start, "established": True, "syns": 1, "http1_requests": 0},
            )
            row["http1_requests"] += 1
            row["first_ns"] = row["syn_ns"] = min(row["first_ns"], start)
            row["last_ns"] = max(row.get("last_ns", start), start)
            row["ack_ns"] = row["handshake_end_ns"] = row["syn_ns"]
            continue
        if line["proto"] != "tcp":
            skipped[str(line["proto"])] += 1
            continue
        state, length = str(line["conn_state"]), line.get("duration")
        length_ns = round(float(length) * NS) if length not in {None, "-"} else 0
        established = state in ZEEK_ESTABLISHED
        connections.append(
            {
                **ends,
                "last_ns": start + length_ns,
                "syn_ns": start if state in ZEEK_SYN else None,
                "syns": int(state in ZEEK_SYN),
                "client_known": state != "OTH",
                "established": established,
                "ack_ns": start if established else None,
                "handshake_end_ns": start if established else None,
                "client_packets": _number(line.get("orig_pkts")),
                "server_packets": _number(line.get("resp_pkts")),
                "client_bytes": _number(line.get("orig_bytes")),
                "server_bytes": _number(line.get("resp_bytes")),
            }
        )
    if requests:
        return _recorded(
            "Zeek http.log",
            list(requests.values()),
            skipped,
            "connections without an HTTP request",
            "when a connection was opened: its first request stands for it",
            "handshakes, HTTP/2 and packets",
        )
    if not connections and not skipped:
        raise ValueError(f"{file} holds no record")
    return _recorded(
        "Zeek conn.log", connections, skipped, "how long a handshake took", "HTTP transactions"
    )


def _nfdump(text: str) -> Recorded:
    """Two flows in opposite directions are one connection; the earlier one is the client's."""
    frame = pd.read_csv(io.StringIO(text), skipinitialspace=True, dtype=str, on_bad_lines="skip")
    frame = frame.rename(columns={"firstSeen": "ts", "lastSeen": "te", "proto": "pr"})
    frame = frame[["ts", "te", "sa", "da", "sp", "dp", "pr", "flg", "ipkt", "ibyt"]].dropna()
    skipped: Counter[str] = Counter(frame["pr"][frame["pr"] != "TCP"].tolist())
    flows = frame[frame["pr"] == "TCP"].sort_values("ts", kind="stable")
    times = {
        name: pd.to_datetime(flows[name], format="ISO8601").astype("datetime64[ns]").astype("int64")
        for name in ("ts", "te")
    }
    waiting: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    values = flows.assign(ts=times["ts"], te=times["te"])
    for flow in values.to_dict("records"):
        back = waiting.pop((flow["da"], flow["dp"], flow["sa"], flow["sp"]), None)
        syn, ack = "S" in flow["flg"], "A" in flow["flg"]
        if back is not None:
            back["server_packets"], back["server_bytes"] = int(flow["ipkt"]), int(flow["ibyt"])
            back["last_ns"] = max(back["last_ns"], int(flow["te"]))
            back["synacks"] = int(syn)
            back["established"] = bool(back["syns"] and back.pop("acked") and syn and ack)
            back["ack_ns"] = back["syn_ns"] if back["established"] else None
            back["handshake_end_ns"] = back["ack_ns"]
            continue
        row = {
            "client_ip": flow["sa"],
            "client_port": int(flow["sp"]),
            "server_ip": flow["da"],
            "server_port": int(flow["dp"]),
            "client_known": syn,
            "first_ns": int(flow["ts"]),
            "last_ns": int(flow["te"]),
            "syn_ns": int(flow["ts"]) if syn else None,
            "syns": int(syn),
            "acked": ack,
            "client_packets": int(flow["ipkt"]),
            "client_bytes": int(flow["ibyt"]),
        }
        rows.append(row)
        waiting[flow["sa"], flow["sp"], flow["da"], flow["dp"]] = row
    rows = [{name: value for name, value in row.items() if name != "acked"} for row in rows]
    return _recorded(
        "nfdump CSV",
        rows,
        skipped,
        "which of several connections of the same ports a flow belongs to",
        "whether a handshake completed: both ends sent SYN and ACK",
        "HTTP transactions",
    )
