"""Arrays of the compiled engine to the columns of tables.py, without a loop over connections."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_head import METHOD_NAMES
from faltcon.traffic.fast_payload import ON_HTTP, PORT_KINDS
from faltcon.traffic.tables import CLOSES, CONNECTIONS, ENDS, TRANSACTIONS
from faltcon.traffic.tls import alpn_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = ["connection_columns", "transaction_columns"]


def _optional(values: Words) -> pa.Array:
    return pa.array(values, mask=values == at.UNSET)


def _chosen(words: Sequence[str], numbers: Words) -> pa.Array:
    """Words by their numbers, as a plain string column."""
    return pa.array(words, pa.string()).take(pa.array(numbers))


def _addresses(high: Words, low: Words, version: Words) -> pa.Array:
    """Printed IP addresses; each different one is printed once."""
    _, places = np.unique(low, return_inverse=True)
    for word in (high, version):
        if len(word) and (word != word[0]).any():
            _, more = np.unique(word, return_inverse=True)
            _, places = np.unique(places * (len(word) + 1) + more, return_inverse=True)
    # One row for each different address.
    _, firsts = np.unique(places, return_index=True)
    mask = (1 << 64) - 1
    texts = []
    rows = np.stack([high[firsts], low[firsts], version[firsts]], axis=1)
    for first, second, kind in rows.tolist():
        value = (first & mask) << 64 | second & mask
        address = ipaddress.IPv4Address(value) if kind == 4 else ipaddress.IPv6Address(value)
        texts.append(str(address))
    return pa.array(texts, pa.string()).take(pa.array(places))


def _names(
    data: Bytes, places: Words, sizes: Words, text: Callable[[bytes], str]
) -> pa.Array | pa.ChunkedArray:
    """The texts that stand at these places of the file; empty where the size is 0."""
    found = np.flatnonzero(sizes)
    texts = [
        text(data[place : place + size].tobytes())
        for place, size in zip(places[found].tolist(), sizes[found].tolist(), strict=True)
    ]
    # Each connection points at its text, those without one at the empty text in front.
    numbers = np.zeros(len(sizes), dtype=np.int64)
    numbers[found] = np.arange(1, len(found) + 1)
    return _chosen(("", *texts), numbers)


def connection_columns(data: Bytes, conn: Words, numbers: Words) -> pa.Table:
    """The connections table of rows of the compiled engine's array."""

    def side(which: Words, name: int) -> Words:
        rows = np.arange(len(conn))
        return conn[rows, at.SIDE + which * at.SIDE_FIELDS + name]

    def both(name: int) -> Words:
        return conn[:, at.SIDE + name] + conn[:, at.SIDE + at.SIDE_FIELDS + name]

    key_4, swapped = conn[:, at.KEY_4], conn[:, at.SWAPPED]
    ports = (key_4 >> 16 & 0xFFFF, key_4 & 0xFFFF)
    port_0 = np.where(swapped == 0, ports[0], ports[1])
    port_1 = np.where(swapped == 0, ports[1], ports[0])
    known = conn[:, at.CLIENT] != at.UNSET
    client = np.where(known, conn[:, at.CLIENT], (port_0 < port_1).astype(np.int64))
    server = 1 - client
    # Which half of the key the client is.
    second = (client ^ swapped) == 1
    version = key_4 >> 32
    high, low = (conn[:, at.KEY_0], conn[:, at.KEY_2]), (conn[:, at.KEY_1], conn[:, at.KEY_3])
    fins = conn[:, at.FINS]
    close = np.where(conn[:, at.RESET_BY] != at.UNSET, 3, (fins & 1) + (fins >> 1))
    closed_by = conn[:, at.CLOSED_BY]
    ended = np.where(closed_by == at.UNSET, 0, 1 + (closed_by != client))
    on_http = (PORT_KINDS[ports[0]] | PORT_KINDS[ports[1]]) & ON_HTTP != 0
    tls = conn[:, at.PROTOCOL] == at.TLS
    zeros = np.zeros(len(conn), dtype=np.int64)
    columns = {
        "connection": numbers,
        "client_ip": _addresses(
            np.where(second, high[1], high[0]), np.where(second, low[1], low[0]), version
        ),
        "client_port": np.where(second, ports[1], ports[0]),
        "server_ip": _addresses(
            np.where(second, high[0], high[1]), np.where(second, low[0], low[1]), version
        ),
        "server_port": np.where(second, ports[0], ports[1]),
        "client_known": known,
        "first_ns": conn[:, at.FIRST_NS],
        "last_ns": conn[:, at.LAST_NS],
        "syn_ns": _optional(conn[:, at.SYN_NS]),
        "synack_ns": _optional(conn[:, at.SYNACK_NS]),
        "ack_ns": _optional(conn[:, at.ACK_NS]),
        "handshake_end_ns": _optional(conn[:, at.HANDSHAKE_NS]),
        "end_ns": _optional(conn[:, at.END_NS]),
        "established": conn[:, at.ACK_NS] != at.UNSET,
        "syns": conn[:, at.SYNS],
        "synacks": conn[:, at.SYNACKS],
        "close": _chosen(CLOSES, close),
        "closed_by": _chosen(ENDS, ended),
        "client_packets": side(client, at.PACKETS),
        "server_packets": side(server, at.PACKETS),
        "client_bytes": side(client, at.UNIQUE),
        "server_bytes": side(server, at.UNIQUE),
        "gap_bytes": zeros,
        "cut_bytes": both(at.CUT),
        "overlap_bytes": both(at.OVERLAP),
        "out_of_order": zeros,
        "limit_reached": zeros.astype(np.bool_),
        "http1_requests": conn[:, at.COMPLETE],
        "http2_streams": zeros,
        "tls": tls & (conn[:, at.TLS_CLIENT] != 0),
        "tls_on_http_port": tls & on_http,
        "tls_server_name": _names(
            data,
            conn[:, at.NAME_PLACE],
            conn[:, at.NAME_BYTES],
            lambda name: name.decode("ascii", "replace"),
        ),
        "tls_alpn": _names(
            data,
            conn[:, at.ALPN_PLACE],
            conn[:, at.ALPN_BYTES],
            lambda names: ",".join(alpn_names(names)),
        ),
    }
    arrays = [
        pa.array(columns[one.name]).cast(one.type, safe=False)
        if len(conn)
        else pa.array([], one.type)
        for one in CONNECTIONS
    ]
    return pa.Table.from_arrays(arrays, schema=CONNECTIONS)


def transaction_columns(tx: Words) -> pa.Table:
    """The transactions table of rows of the compiled engine's array."""
    status = tx[:, at.TX_STATUS]
    columns = {
        "connection": tx[:, at.TX_CONNECTION],
        "protocol": _chosen(("http1",), np.zeros(len(tx), dtype=np.int64)),
        "stream": tx[:, at.TX_STREAM],
        # The last name stands for -1: a response whose request was not seen.
        "method": _chosen((*METHOD_NAMES, ""), tx[:, at.TX_METHOD] % (len(METHOD_NAMES) + 1)),
        "status": pa.array(status, mask=status == 0),
        "request_ns": _optional(tx[:, at.TX_REQUEST]),
        "response_ns": _optional(tx[:, at.TX_RESPONSE]),
        "strict": np.ones(len(tx), dtype=np.bool_),
        "complete": tx[:, at.TX_COMPLETE] != 0,
    }
    arrays = [pa.array(columns[one.name]).cast(one.type, safe=False) for one in TRANSACTIONS]
    return pa.Table.from_arrays(arrays, schema=TRANSACTIONS)
