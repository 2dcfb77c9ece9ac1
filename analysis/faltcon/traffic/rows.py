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

__all__ = [
    "CODE",
    "ROWS_OF_A_TABLE",
    "Columns",
    "decoded",
    "encoded",
    "encoded_schema",
    "transaction_table",
]

CODE = pa.dictionary(pa.int32(), pa.string())
# So many make a table: enough that what a table costs beside its rows does not matter.
ROWS_OF_A_TABLE = 1 << 16


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


class Columns:
    """The connections that are over, as columns that fill until their table is asked for.

    Memory does not grow: `full` says that the table must be taken before more is added.
    """

    def __init__(self) -> None:
        self._begin()

    def __len__(self) -> int:
        return self._count

    def __reduce__(self) -> tuple[type[Columns], tuple[()]]:
        """Empty: rows are handed out before a state is kept."""
        return Columns, ()

    def _begin(self) -> None:
        self._count = self._different = self._room = 0
        self._names: list[tuple[int, list[tuple[str, str]]]] = []

    def _allocate(self, room: int) -> None:
        self._room = room
        self._times = np.empty((len(fast.TIMES), room), dtype=np.int64)
        self._numbers = np.empty((len(fast.NUMBERS), room), dtype=np.int32)
        self._codes = np.empty((len(fast.CODES), room), dtype=np.uint8)
        self._addresses = np.empty((2 * room, fast.ADDRESS_FIELDS), dtype=np.int64)
        self._slots = np.zeros(1 << (4 * room).bit_length(), dtype=np.int64)

    def add(self, state: State, first: int) -> int:
        """Add the connections that are over, from the `first` on, and free their rows.

        The number of the first that was left out, because there was no more room.
        """
        if not self._room:
            self._allocate(ROWS_OF_A_TABLE)
        begin = self._count
        done, self._count, self._different = fast.fill(
            state.address,
            first,
            begin,
            self._times,
            self._numbers,
            self._codes,
            self._slots,
            self._addresses,
            self._different,
        )
        # The places for names are free too, and keep what they hold until the next packet.
        places = self._numbers[fast.NUMBERS.index("names"), begin : self._count]
        if (places >= 0).any():
            self._names.append((begin, [names_of(state, place) for place in places.tolist()]))
        return int(done)

    @property
    def full(self) -> bool:
        """Whether the table must be taken before anything is added."""
        return 0 < self._count == self._room

    def take(self) -> pa.Table:
        """The table of what was added, texts encoded; then begin anew."""
        count = self._count
        times, codes = self._times[:, :count], self._codes[:, :count]
        columns: dict[str, pa.Array] = {
            one.name: _optional(times[fast.TIMES.index(one.name)])
            if one.nullable
            else _plain(times[fast.TIMES.index(one.name)], pa.int64())
            for one in CONNECTIONS
            if one.name in fast.TIMES
        }
        columns |= {
            name: _plain(self._numbers[number, :count], pa.int32())
            for number, name in enumerate(fast.NUMBERS[:-1])
        }
        columns |= {name: _bits(codes[number]) for number, name in enumerate(fast.CODES[:5])}
        texts = pa.array(_printed(self._addresses[: self._different]), pa.string())
        for name in ("client_ip", "server_ip"):
            columns[name] = pa.DictionaryArray.from_arrays(columns[name], texts, safe=False)
        columns["close"] = _chosen(CLOSES, codes[5])
        columns["closed_by"] = _chosen(ENDS, codes[6])
        zeros = np.zeros(count, dtype=np.int64)
        for one in CONNECTIONS:
            if one.name in {"gap_bytes", "out_of_order", "http2_streams"}:
                columns[one.name] = _plain(zeros, one.type)
        columns["limit_reached"] = _bits(zeros.astype(np.uint8))
        columns["tls_server_name"], columns["tls_alpn"] = self._texts()
        schema = encoded_schema(CONNECTIONS)
        self._begin()
        return pa.Table.from_arrays([columns[one.name] for one in schema], schema=schema)

    def _texts(self) -> tuple[pa.Array, pa.Array]:
        """Names of servers and chosen protocols, empty where none was added."""
        if not self._names:
            empty = _chosen(("",), np.zeros(self._count, dtype=np.int32))
            return empty, empty
        told = [("", "")] * self._count
        for first, names in self._names:
            told[first : first + len(names)] = names
        servers, protocols = zip(*told, strict=True)
        return _texts(servers), _texts(protocols)


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
