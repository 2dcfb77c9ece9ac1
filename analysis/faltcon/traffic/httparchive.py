"""Connections of pages that HTTP Archive visited, from the result of `httparchive.sql`.

The crawl keeps for each request the number of the socket that carried it
(`_socket` of WebPageTest's record, in the column `payload` of
httparchive.crawl.requests, https://har.fyi/reference/tables/requests/). The
query makes one row a connection; its result is read as CSV or as JSON lines.
Each visit of a page is a client of its own: different machines visit different
pages, so nothing repeats across pages.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

__all__ = ["CSV_START", "UNKNOWN", "connections", "is_result", "records"]

# How the query's result begins as CSV, and the columns that tell it as JSON lines.
CSV_START = b"page,socket,"
COLUMNS = frozenset(
    ("page", "socket", "server_ip", "host", "server_port", "protocol", "started", "requests")
)
UNKNOWN = (
    "repetition across pages and visits: each visit of a page counts as a client of its own",
    "the server's address where the crawl kept none: the host's name stands for it",
    "when a connection was opened: the first request's start stands for it",
    "connections that never carried a request, and requests outside the query's sample",
    "handshakes, packets and bytes",
)


def is_result(first_line: str) -> bool:
    """Whether this is the first line of the result, as CSV or as JSON lines."""
    if first_line.startswith(CSV_START.decode()):
        return True
    return '"page"' in first_line and '"socket"' in first_line


def records(text: str) -> Iterator[dict[str, Any]]:
    """The result's rows. Raises ValueError where a column is missing."""
    rows: Iterable[dict[str, Any]]
    if text.startswith(CSV_START.decode()):
        rows = csv.DictReader(io.StringIO(text))
    else:
        # A null is left out of the lines that BigQuery writes.
        nothing = dict.fromkeys(COLUMNS)
        rows = ({**nothing, **json.loads(line)} for line in text.splitlines() if line.strip())
    for row in rows:
        missing = COLUMNS - row.keys()
        if missing:
            raise ValueError(f"no column {min(missing)}")
        yield row


def connections(rows: Iterable[dict[str, Any]], skipped: Counter[str]) -> list[dict[str, Any]]:
    """Rows of a connections table, as far as the result tells; what it cannot is counted."""
    found = []
    for row in rows:
        protocol = str(row["protocol"] or "").lower()
        server = str(row["server_ip"] or row["host"] or "").strip("[]")
        if protocol.startswith(("h3", "http/3", "quic")):
            skipped["QUIC connection"] += 1
            continue
        if not server or not row["started"]:
            skipped["connection without a server or a time"] += 1
            continue
        moment = datetime.fromisoformat(str(row["started"]))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        start = round(moment.timestamp() * 1_000_000) * 1000
        two = protocol in {"h2", "http/2", "http/2.0"}
        found.append(
            {
                "client_ip": str(row["page"]),
                "server_ip": server,
                "server_port": int(row["server_port"]),
                "client_known": True,
                "first_ns": start,
                "last_ns": start,
                "syn_ns": start,
                "ack_ns": start,
                "handshake_end_ns": start,
                "established": True,
                "syns": 1,
                "http2_streams" if two else "http1_requests": int(row["requests"]),
            }
        )
    return found
