"""Rows of captures to one Parquet file, as they come: row groups in order of connections' ends.

Made to be written fast: texts go in as dictionaries, numbers plainly. Times, which
hardly become smaller, are not compressed; the rest is, with LZ4.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faltcon.files import atomic_write
from faltcon.traffic.rows import CODE, ROWS_OF_A_TABLE, encoded, encoded_schema
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from faltcon.traffic.anonymize import Anonymizer

__all__ = ["STATE_KEY", "Writer", "state_of", "writer"]

SCHEMAS = {"connections": CONNECTIONS, "transactions": TRANSACTIONS}
# The key of the file's metadata under which it says how far it goes.
STATE_KEY = "faltcon"


class Writer:
    """Writes one table's rows; `file` names the capture that they come from.

    What is written says in its metadata whether it is `complete`. With an
    `anonymizer` addresses are replaced, and names of servers left out.
    """

    def __init__(self, stream: BinaryIO, which: str, anonymizer: Anonymizer | None = None) -> None:
        self._anonymizer = anonymizer
        schema = SCHEMAS[which].insert(0, pa.field("file", pa.string(), nullable=False))
        self._schema = encoded_schema(schema)
        codes = [one.name for one in self._schema if one.type == CODE]
        self._parquet = pq.ParquetWriter(
            stream,
            self._schema,
            compression={
                name: "none" if name.endswith("_ns") else "lz4" for name in self._schema.names
            },
            use_dictionary=codes,
            write_statistics=False,
            store_schema=False,
            write_batch_size=ROWS_OF_A_TABLE,
        )
        self.rows = 0

    def write(self, file: str, table: pa.Table) -> None:
        """Append rows; texts may be dictionaries or not."""
        if any(one.type == pa.string() for one in table.schema):
            table = encoded(table)
        if self._anonymizer is not None:
            table = _anonymous(table, self._anonymizer)
        numbers: NDArray[np.int32] = np.zeros(len(table), dtype=np.int32)
        names = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array([file], pa.string()))
        columns = [names, *table.columns]
        self._parquet.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self.rows += len(table)

    def append(self, table: pa.Table) -> None:
        """Append rows that another writer of the same table wrote."""
        self._parquet.write_table(encoded(table))
        self.rows += len(table)

    def close(self, *, complete: bool, **state: object) -> None:
        """Write what a reader of Parquet needs, and how far the rows go."""
        said = json.dumps({"complete": complete, **state})
        self._parquet.add_key_value_metadata({STATE_KEY: said})
        self._parquet.close()


def _anonymous(table: pa.Table, anonymizer: Anonymizer) -> pa.Table:
    for place, name in enumerate(table.schema.names):
        if name not in {"client_ip", "server_ip", "tls_server_name"}:
            continue
        chunks = []
        for chunk in table[name].chunks:
            known = chunk.dictionary.to_pylist()
            told = ["" if name == "tls_server_name" else anonymizer.address(one) for one in known]
            texts = pa.array(told, pa.string())
            chunks.append(pa.DictionaryArray.from_arrays(chunk.indices, texts))
        column = pa.chunked_array(chunks, CODE)
        # Several names that are left out are one text now.
        if name == "tls_server_name":
            column = column.cast(pa.string()).dictionary_encode().cast(CODE)
        table = table.set_column(place, table.schema.field(name), column)
    return table


def state_of(file: Path) -> dict[str, object]:
    """What a file written here says of how far it goes."""
    metadata = pq.read_metadata(file).metadata or {}
    said = json.loads(metadata.get(STATE_KEY.encode(), b"{}"))
    return said if isinstance(said, dict) else {}


@contextlib.contextmanager
def writer(target: Path, which: str) -> Iterator[Writer]:
    """A writer whose file appears whole at the end; after an interruption with what came before."""
    with atomic_write(target) as stream:
        one = Writer(stream, which)
        yield one
        one.close(complete=True)
