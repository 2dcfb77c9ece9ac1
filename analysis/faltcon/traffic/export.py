"""Tables of several captures in one Parquet file, a row group a capture."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from faltcon.files import atomic_write
from faltcon.traffic.tables import CONNECTIONS, TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faltcon.traffic.mining import Mined

__all__ = ["writer"]

SCHEMAS = {"connections": CONNECTIONS, "transactions": TRANSACTIONS}


@contextlib.contextmanager
def writer(target: Path, which: str) -> Iterator[Callable[[str, Mined], None]]:
    """A function that appends one capture's table; the file appears whole at the end.

    The column `file` in front tells the captures apart.
    """
    schema = SCHEMAS[which].insert(0, pa.field("file", pa.string(), nullable=False))
    with (
        atomic_write(target) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd") as parquet,
    ):

        def write(file: str, mined: Mined) -> None:
            table = getattr(mined.tables, which)
            names = pa.array([file] * len(table), pa.string())
            parquet.write_table(pa.Table.from_arrays([names, *table.columns], schema=schema))

        yield write
