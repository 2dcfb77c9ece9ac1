"""Rows of the compiled engine to Arrow tables, without a loop over connections.

Texts are dictionary-encoded, so that Parquet takes them as they are; `decoded`
gives the schemas of tables.py.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from faltcon.traffic import fast_columns as fast
from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_head import METHOD_NAMES
from faltcon.traffic.tables import CLOSES, CONNECTIONS, ENDS, TRANSACTIONS
from faltcon.traffic.tls import alpn_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from faltcon.traffic.state import State

    Words = NDArray[np.int64]

__all__ = ["connection_table", "decoded", "encoded", "encoded_schema", "transaction_table"]

CODE = pa.dictionary(pa.int32(), pa.string())


def encoded_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with its texts as dictionaries."""
    return pa.schema(
        [one.with_type(CODE) if one.type == pa.string() else one for one in schema],
    )


def encoded(table: pa.Table) -> pa.Table:
    """The table with its texts as dictionaries."""
    columns = [
        pa.chunked_array([chunk.dictionary_encode() for chunk in column.chunks], CODE)
        if column.type == pa.string()
        else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=encoded_schema(table.schema))


def decoded(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with plain texts."""
    return table.cast(schema)


def _plain(values: NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _optional(values: Words) -> pa.Array:
    known = np.packbits(values != at.UNSET, bitorder="little")
    buffers = [pa.py_buffer(known), pa.py_buffer(values)]
    return pa.Array.from_buffers(pa.int64(), len(values), buffers)


def _bits(values: NDArray[np.uint8]) -> pa.Array:
    packed = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])


def _chosen(words: Sequence[str], numbers: NDArray[np.generic]) -> pa.Array:
    """Words by their numbers."""
    codes = _plain(np.ascontiguousarray(numbers, dtype=np.int32), pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array(words, pa.string()), safe=False)


def _printed(addresses: Words) -> list[str]:
    mask = (1 << 64) - 1
    return [
        str(
            ipaddress.IPv4Address(low)
            if version == 4
            else ipaddress.IPv6Address((high & mask) << 64 | low & mask)
        )
        for high, low, version in addresses.tolist()
    ]


def _texts(texts: Sequence[str]) -> pa.Array:
    return pa.array(texts, pa.string()).dictionary_encode().cast(CODE)


def names_of(state: State, number: int) -> tuple[str, str]:
    """Server name and ALPN of a connection, by the number of its place for names."""
    if number < 0:
        return "", ""
    held = state.names[number]
    name = held[at.NAME_PLACE : at.ALPN_PLACE].tobytes()[: held[at.NAME_BYTES]]
    chosen = held[at.ALPN_PLACE :].tobytes()[: held[at.ALPN_BYTES]]
    return name.decode("ascii", "replace"), ",".join(alpn_names(chosen))


def connection_table(state: State, rows: Words) -> pa.Table:
    """The connections of these rows, texts encoded."""
    count = len(rows)
    times = np.empty((len(fast.TIMES), count), dtype=np.int64)
    numbers = np.empty((len(fast.NUMBERS), count), dtype=np.int32)
    codes = np.empty((len(fast.CODES), count), dtype=np.uint8)
    addresses = np.empty((2 * count, fast.ADDRESS_FIELDS), dtype=np.int64)
    slots = np.zeros(1 << max(4 * count, 2).bit_length(), dtype=np.int64)
    different = fast.fill(state.address, rows, times, numbers, codes, slots, addresses)
    columns: dict[str, pa.Array] = {
        one.name: _optional(times[fast.TIMES.index(one.name)])
        if one.nullable
        else _plain(times[fast.TIMES.index(one.name)], pa.int64())
        for one in CONNECTIONS
        if one.name in fast.TIMES
    }
    columns |= {name: _plain(numbers[at], pa.int32()) for at, name in enumerate(fast.NUMBERS)}
    columns |= {name: _bits(codes[at]) for at, name in enumerate(fast.CODES[:5])}
    texts = pa.array(_printed(addresses[:different]), pa.string())
    for name in ("client_ip", "server_ip"):
        columns[name] = pa.DictionaryArray.from_arrays(columns[name], texts, safe=False)
    columns["close"] = _chosen(CLOSES, codes[5])
    columns["closed_by"] = _chosen(ENDS, codes[6])
    zeros = np.zeros(count, dtype=np.int64)
    for one in CONNECTIONS:
        if one.name in {"gap_bytes", "out_of_order", "http2_streams"}:
            columns[one.name] = _plain(zeros, one.type)
    columns["limit_reached"] = _bits(zeros.astype(np.uint8))
    places = state.conn[rows, at.NAMES]
    if (places >= 0).any():
        names = [names_of(state, place) for place in places.tolist()]
        columns["tls_server_name"] = _texts([name for name, _ in names])
        columns["tls_alpn"] = _texts([alpn for _, alpn in names])
    else:
        columns["tls_server_name"] = columns["tls_alpn"] = _chosen(("",), zeros)
    schema = encoded_schema(CONNECTIONS)
    return pa.Table.from_arrays([columns[one.name] for one in schema], schema=schema)


def transaction_table(tx: Words) -> pa.Table:
    """The transactions of these rows, texts encoded."""
    status = tx[:, at.TX_STATUS]
    columns = {
        "connection": tx[:, at.TX_CONNECTION],
        "protocol": _chosen(("http1",), np.zeros(len(tx), dtype=np.int64)),
        "stream": tx[:, at.TX_STREAM],
        # The last name stands for -1: a response whose request was not seen.
        "method": _chosen((*METHOD_NAMES, ""), tx[:, at.TX_METHOD] % (len(METHOD_NAMES) + 1)),
        "status": pa.array(status.astype(np.int32), mask=status == 0),
        "request_ns": _optional(np.ascontiguousarray(tx[:, at.TX_REQUEST])),
        "response_ns": _optional(np.ascontiguousarray(tx[:, at.TX_RESPONSE])),
        "strict": np.ones(len(tx), dtype=np.bool_),
        "complete": tx[:, at.TX_COMPLETE] != 0,
    }
    schema = encoded_schema(TRANSACTIONS)
    return pa.Table.from_arrays([pa.array(columns[one.name]) for one in schema], schema=schema)
