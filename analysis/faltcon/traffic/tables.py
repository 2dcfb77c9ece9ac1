"""The two tables that every reader of traffic makes: connections and transactions.

Times are nanoseconds since the epoch (`_ns`), sizes are TCP payload bytes
(`_bytes`). Null means that it was not seen. The Arrow schemas are the
contract; `check` proves a frame against it and against what must hold between
its columns.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pandera.pandas as pandera_types

    from faltcon.traffic.http1 import Transaction
    from faltcon.traffic.tcp import Connection

__all__ = [
    "CLOSES",
    "CONNECTIONS",
    "TRANSACTIONS",
    "Tables",
    "check",
    "connection_row",
    "tables_of",
    "transaction_row",
]

CLOSES = ("open", "half", "fin", "rst")
ENDS = ("", "client", "server")

CONNECTIONS = pa.schema(
    [
        pa.field("connection", pa.int64(), nullable=False),
        pa.field("client_ip", pa.string(), nullable=False),
        pa.field("client_port", pa.int32(), nullable=False),
        pa.field("server_ip", pa.string(), nullable=False),
        pa.field("server_port", pa.int32(), nullable=False),
        # False where neither SYN nor SYN-ACK was captured: then the ends are a guess.
        pa.field("client_known", pa.bool_(), nullable=False),
        pa.field("first_ns", pa.int64(), nullable=False),
        pa.field("last_ns", pa.int64(), nullable=False),
        pa.field("syn_ns", pa.int64()),
        pa.field("synack_ns", pa.int64()),
        pa.field("ack_ns", pa.int64()),
        # When the handshake was over: acknowledged or reset.
        pa.field("handshake_end_ns", pa.int64()),
        pa.field("end_ns", pa.int64()),
        pa.field("established", pa.bool_(), nullable=False),
        pa.field("syns", pa.int32(), nullable=False),
        pa.field("synacks", pa.int32(), nullable=False),
        pa.field("close", pa.string(), nullable=False),
        pa.field("closed_by", pa.string(), nullable=False),
        pa.field("client_packets", pa.int64(), nullable=False),
        pa.field("server_packets", pa.int64(), nullable=False),
        pa.field("client_bytes", pa.int64(), nullable=False),
        pa.field("server_bytes", pa.int64(), nullable=False),
        pa.field("gap_bytes", pa.int64(), nullable=False),
        pa.field("cut_bytes", pa.int64(), nullable=False),
        pa.field("overlap_bytes", pa.int64(), nullable=False),
        pa.field("out_of_order", pa.int64(), nullable=False),
        # More bytes waited for a missing segment than the limit allows: a hole was assumed.
        pa.field("limit_reached", pa.bool_(), nullable=False),
        pa.field("http1_requests", pa.int32(), nullable=False),
        pa.field("http2_streams", pa.int32(), nullable=False),
        # Whether the client's hello was seen, and whether that was on a port of HTTP.
        pa.field("tls", pa.bool_(), nullable=False),
        pa.field("tls_on_http_port", pa.bool_(), nullable=False),
        pa.field("tls_server_name", pa.string(), nullable=False),
        pa.field("tls_alpn", pa.string(), nullable=False),
        # Let go of before it was over, because too many were held: what came later is missing.
        pa.field("evicted", pa.bool_(), nullable=False),
    ]
)

TRANSACTIONS = pa.schema(
    [
        pa.field("connection", pa.int64(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        # HTTP/1: the request's number in the connection, -1 where only a response was seen.
        # HTTP/2: the stream identifier.
        pa.field("stream", pa.int64(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("status", pa.int32()),
        pa.field("request_ns", pa.int64()),
        pa.field("response_ns", pa.int64()),
        # Whether h11 accepts the heads; always true for HTTP/2.
        pa.field("strict", pa.bool_(), nullable=False),
        # Whether it counts: head and declared body captured, with no hole before.
        pa.field("complete", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Tables:
    """The connections and the transactions of one or more captures, as Arrow tables."""

    connections: pa.Table
    transactions: pa.Table


def connection_row(connection: Connection) -> dict[str, Any]:
    """The row of a finished connection."""
    client, server = connection.client, 1 - connection.client
    application, directions = connection.application, connection.directions
    ends = connection.ends
    hellos = application.tls
    closed_by = connection.closed_by
    return {
        "connection": connection.number,
        "client_ip": str(ipaddress.ip_address(ends[client][0])),
        "client_port": ends[client][1],
        "server_ip": str(ipaddress.ip_address(ends[server][0])),
        "server_port": ends[server][1],
        "client_known": connection.client_known,
        "first_ns": connection.first_ns,
        "last_ns": connection.last_ns,
        "syn_ns": connection.syn_ns,
        "synack_ns": connection.synack_ns,
        "ack_ns": connection.ack_ns,
        "handshake_end_ns": connection.handshake_over_ns,
        "end_ns": connection.end_ns,
        "established": connection.established,
        "syns": connection.syns,
        "synacks": connection.synacks,
        "close": connection.close,
        "closed_by": "" if closed_by is None else ENDS[1 + (closed_by != client)],
        "client_packets": connection.packets[client],
        "server_packets": connection.packets[server],
        "client_bytes": directions[client].unique_bytes,
        "server_bytes": directions[server].unique_bytes,
        "gap_bytes": sum(direction.gap_bytes for direction in directions),
        "cut_bytes": sum(direction.cut_bytes for direction in directions),
        "overlap_bytes": sum(direction.overlap_bytes for direction in directions),
        "out_of_order": sum(direction.out_of_order for direction in directions),
        "limit_reached": any(direction.limit_reached for direction in directions),
        "http1_requests": application.requests,
        "http2_streams": application.streams,
        "tls": application.tls_hello,
        "tls_on_http_port": application.tls_on_http_port,
        "tls_server_name": hellos.server_name if hellos else "",
        "tls_alpn": hellos.alpn if hellos else "",
        "evicted": connection.evicted,
    }


def transaction_row(connection: int, one: Transaction) -> dict[str, Any]:
    """The row of a transaction of the connection of this number."""
    return {
        "connection": connection,
        "protocol": one.protocol,
        "stream": one.stream,
        "method": one.method,
        "status": one.status or None,
        "request_ns": one.request_ns,
        "response_ns": one.response_ns,
        "strict": one.strict,
        "complete": one.complete,
    }


def tables_of(connections: Iterable[Connection]) -> Tables:
    """Both tables of finished connections."""
    rows: list[dict[str, Any]] = []
    transactions: list[dict[str, Any]] = []
    for connection in connections:
        rows.append(connection_row(connection))
        transactions += [
            transaction_row(connection.number, one) for one in connection.application.transactions
        ]
    return Tables(
        pa.Table.from_pylist(rows, schema=CONNECTIONS),
        pa.Table.from_pylist(transactions, schema=TRANSACTIONS),
    )


def check(connections: pd.DataFrame) -> pd.DataFrame:
    """The frame, checked: column kinds, value ranges, and what must hold within a row.

    Raises pandera's SchemaError, which names the column and the first rows that fail.
    """
    return _pandera_schema().validate(connections)


@functools.cache
def _pandera_schema() -> pandera_types.DataFrameSchema:
    import pandera.pandas as pandera  # noqa: PLC0415  a second that only a check should cost

    counts = ("client_packets", "server_packets", "client_bytes", "server_bytes", "gap_bytes")
    columns = {
        name: pandera.Column(checks=pandera.Check.ge(0)) for name in (*counts, "http1_requests")
    }
    columns |= {
        name: pandera.Column(checks=pandera.Check.in_range(0, 65535))
        for name in ("client_port", "server_port")
    }
    columns["close"] = pandera.Column(checks=pandera.Check.isin(CLOSES))
    columns["closed_by"] = pandera.Column(checks=pandera.Check.isin(ENDS))
    return pandera.DataFrameSchema(
        columns,
        checks=[
            pandera.Check(
                lambda frame: frame["first_ns"] <= frame["last_ns"], name="time runs forward"
            ),
            pandera.Check(
                lambda frame: ~frame["established"] | frame["client_known"],
                name="an established connection has a known client",
            ),
        ],
    )
