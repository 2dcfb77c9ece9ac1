"""The totals of one capture, as `faltcon traffic summary` and `repeats` give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from faltcon.traffic.pairs import key_codes, repetition

if TYPE_CHECKING:
    from faltcon.traffic.mining import Mined
    from faltcon.traffic.pairs import Count, WindowKind

__all__ = ["REPEATS_KEYS", "SUMMARY_KEYS", "failed", "repeats", "summarize"]

SUMMARY_KEYS = (
    "tcp_connections",
    "established_connections",
    "http1_requests",
    "http1_connections",
    "http1_single_request_connections",
    "http1_max_requests",
    "http2_connections",
    "http2_streams",
    "tls_connections",
    "tls_on_http_ports",
    "f_keys",
    "packets",
    "tcp_packets",
    "incomplete_requests",
    "connections_with_gaps",
)
REPEATS_KEYS = ("f_keys", "f_pairs", "max_concurrent_handshakes")


def summarize(file: str, mined: Mined) -> dict[str, Any]:
    """The totals of a mined capture. Counts; `skipped` counts packets by reason.

    `f_keys` are those of connections whose SYN or SYN-ACK was seen, because
    only then it is known who the server is. `incomplete_requests` are HTTP/1
    requests whose head or body was not captured whole, or that came after a
    hole; they are in no other count.
    """
    connections, transactions = mined.tables.connections, mined.tables.transactions
    requests = connections["http1_requests"].to_numpy()
    streams = connections["http2_streams"].to_numpy()
    tls = connections["tls"].to_numpy()
    misplaced = connections["tls_on_http_port"].to_numpy()
    known = connections.filter(connections["client_known"])
    asked = pc.and_(
        pc.equal(transactions["protocol"], "http1"), pc.is_valid(transactions["request_ns"])
    )
    counts = (
        len(connections),
        int(connections["established"].to_numpy().sum()),
        int(requests.sum()),
        int((requests > 0).sum()),
        int((requests == 1).sum()),
        int(requests.max(initial=0)),
        int((streams > 0).sum()),
        int(streams.sum()),
        int((tls & ~misplaced).sum()),
        int((tls & misplaced).sum()),
        len(np.unique(key_codes(known))),
        mined.packets,
        mined.tcp_packets,
        int(pc.sum(asked).as_py() or 0) - int(requests.sum()),
        int((connections["gap_bytes"].to_numpy() > 0).sum()),
    )
    return {
        "file": file,
        **dict(zip(SUMMARY_KEYS, counts, strict=True)),
        "skipped": dict(mined.skipped.most_common()),
        "truncated": mined.truncated,
        "error": None,
    }


def repeats(
    file: str, mined: Mined, *, k_t: int, window_ns: int, kind: WindowKind, count: Count
) -> dict[str, Any]:
    """f-keys, f-pairs and concurrent handshakes of a mined capture."""
    found = repetition(
        mined.tables.connections,
        k_t=k_t,
        window_ns=window_ns,
        kind=kind,
        count=count,
        start_ns=mined.first_tcp_ns,
    )
    return {
        "file": file,
        "f_keys": found.f_keys,
        "f_pairs": found.f_pairs,
        "max_concurrent_handshakes": found.max_concurrent_handshakes,
        "k_t": k_t,
        "window_s": window_ns / 1e9,
        "window_kind": kind,
        "count": count,
        "truncated": mined.truncated,
        "error": None,
    }


def failed(file: str, keys: tuple[str, ...], error: str) -> dict[str, Any]:
    """The answer for a file that could not be read: every count null, the error one line."""
    answer: dict[str, Any] = {"file": file, **dict.fromkeys(keys)}
    if keys is SUMMARY_KEYS:
        answer["skipped"] = {}
    answer["truncated"] = False
    answer["error"] = " ".join(error.split())
    return answer
