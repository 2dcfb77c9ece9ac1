"""Files to traces: captures, HAR and logs by way of `faltcon.traffic`; tables as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import FormatError
from faltcon.files import reading
from faltcon.simulate.trace import HALF_OPEN_NS, from_connections

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from faltcon.simulate.trace import Trace

__all__ = ["COLUMNS", "Loaded", "load"]

PARQUET_MAGIC = b"PAR1"
COLUMNS = (
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "syn_ns",
    "synack_ns",
    "ack_ns",
    "handshake_end_ns",
)
"""What a connections table must have; the names are those of `faltcon.traffic.tables`."""
OPTIONAL = ("last_ns",)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file's trace, its connections without a SYN (left out), and whether it was cut."""

    trace: Trace
    left_out: int
    truncated: bool


def load(
    file: str,
    *,
    half_open_ns: int = HALF_OPEN_NS,
    accept_ns: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Loaded:
    """Read a capture, a log that `faltcon.traffic.inputs` knows (HAR, Zeek, nfdump) or Parquet.

    `-` reads a capture from stdin.

    Parameters as in `trace.from_connections`; `progress` as in
    `faltcon.traffic.mining.mine`. Raises InputError or FormatError.
    """
    if file != "-" and _is_parquet(file):
        table, truncated = _parquet(file), False
    else:
        from faltcon.traffic import inputs  # noqa: PLC0415  Parquet needs no packet parser
        from faltcon.traffic.mining import mine  # noqa: PLC0415

        if file != "-" and inputs.looks_like_a_log(file):
            mined = inputs.read(file).mined
        else:
            mined = mine(file, progress=progress)
        table, truncated = mined.tables.connections, mined.truncated
    trace = from_connections(table, half_open_ns=half_open_ns, accept_ns=accept_ns)
    return Loaded(trace, table.num_rows - len(trace), truncated)


def _is_parquet(file: str) -> bool:
    with reading(file), Path(file).open("rb") as stream:
        return stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def _parquet(file: str) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415  slow to import
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with reading(file):
            table = pq.read_table(file)
    except pa.ArrowException as error:
        line = str(error).splitlines()[0]
        raise FormatError(file, f"is damaged Parquet ({line})", mend="write it again") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        mend = "faltcon traffic summary --parquet writes such a table"
        raise FormatError(file, f"lacks the columns {', '.join(missing)}", mend=mend)
    return table.select([*COLUMNS, *(name for name in OPTIONAL if name in table.column_names)])
