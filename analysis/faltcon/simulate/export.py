"""A trace as a Parquet table of connections, so that synthetic traces are files like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faltcon.files import atomic_write
from faltcon.simulate.trace import NEVER

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.simulate.trace import Trace

__all__ = ["table_of", "write"]


def table_of(trace: Trace, *, origin: str) -> pa.Table:
    """The columns that `inputs.load` reads; `origin` goes into the schema's metadata."""
    clients = pa.array([key.client_ip for key in trace.keys])
    servers = pa.array([key.server_ip for key in trace.keys])
    ports = np.array([key.server_port for key in trace.keys], np.int32)
    made = trace.ack_ns != NEVER
    table = pa.table(
        {
            "client_ip": clients.take(pa.array(trace.key)),
            "client_port": trace.client_port,
            "server_ip": servers.take(pa.array(trace.key)),
            "server_port": ports[trace.key],
            "syn_ns": trace.syn_ns,
            "synack_ns": trace.sent_ns,
            "ack_ns": pa.array(trace.ack_ns, mask=~made),
            "handshake_end_ns": pa.array(np.where(made, trace.ack_ns, trace.release_ns)),
            "established": made,
        }
    )
    return table.replace_schema_metadata({"origin": origin})


def write(trace: Trace, target: Path, *, origin: str) -> None:
    """Write it whole or not at all."""
    with atomic_write(target) as stream:
        pq.write_table(table_of(trace, origin=origin), stream, compression="zstd")
