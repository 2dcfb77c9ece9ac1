"""A browser's archive of what it loaded (HAR 1.2) to connections. Plain Python, without tables.

Connections are told apart by the browser's connection id and the server's
address; requests are counted on each.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from faltcon.errors import FormatError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BROWSER", "UNKNOWN", "looks_like_json", "parse", "read"]

BROWSER = "0.0.0.0"  # noqa: S104  stands for the browser; not an address to bind
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
UNKNOWN = (
    "connections that never carried a request",
    "when a connection was opened: the first request's start stands for it",
    "handshakes, packets and the client's address",
)
"""What an archive does not tell."""
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


def looks_like_json(file: str | Path) -> bool:
    """Whether a file begins as JSON does; captures begin with other bytes."""
    with reading(file), open_binary(file) as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))


def read(file: str | Path) -> tuple[list[dict[str, Any]], Counter[str]]:
    """As `parse`, for a file. Raises InputError, or FormatError where it is no archive."""
    with reading(file), open_binary(file) as stream:
        content = stream.read()
    try:
        return parse(json.loads(content.decode("utf-8-sig")))
    except MALFORMED as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        mend = "save the requests again from the browser's network panel"
        raise FormatError(file, f"is no HAR that we can read ({reason})", mend=mend) from error


def parse(document: dict[str, Any]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Connections by first use, and the entries that were left out, by reason.

    Keys of a connection are columns of `faltcon.traffic.tables.CONNECTIONS`.
    Raises one of MALFORMED where the document is not what it should be.
    """
    skipped: Counter[str] = Counter()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in document["log"]["entries"]:
        name, address = str(entry.get("connection", "")), str(entry.get("serverIPAddress", ""))
        if not name or not address:
            # From the browser's cache, blocked, or a browser that does not say.
            skipped["entry without a connection or a server address"] += 1
            continue
        _add(rows, (name, address), entry)
    return sorted(rows.values(), key=lambda row: int(row["first_ns"])), skipped


def _add(
    rows: dict[tuple[str, str], dict[str, Any]], which: tuple[str, str], entry: dict[str, Any]
) -> None:
    url = urlsplit(entry["request"]["url"])
    moment = datetime.fromisoformat(entry["startedDateTime"])
    start = round(moment.timestamp() * 1_000_000) * 1000
    length_ns = round(max(float(entry.get("time") or 0), 0.0) * 1e6)
    row = rows.setdefault(
        which,
        {
            "client_ip": BROWSER,
            "server_ip": which[1].strip("[]"),
            "server_port": url.port or DEFAULT_PORTS.get(url.scheme, 0),
            "client_known": True,
            "first_ns": start,
            "syn_ns": start,
            "last_ns": start,
            "established": True,
            "syns": 1,
        },
    )
    row["first_ns"] = row["syn_ns"] = min(row["first_ns"], start)
    row["last_ns"] = max(row["last_ns"], start + length_ns)
    row["ack_ns"] = row["handshake_end_ns"] = row["syn_ns"]
    version = str(entry.get("response", {}).get("httpVersion", "")).lower()
    field = "http2_streams" if version in {"h2", "http/2", "http/2.0"} else "http1_requests"
    row[field] = row.get(field, 0) + 1
