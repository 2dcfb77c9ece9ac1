"""A trace: connections as arrays, in the order of their SYNs.

Times are integers in nanoseconds, since any moment. Each connection has four
events, SYN <= SENT <= ACK, RELEASE: see `faltcon.model.server`. Where a capture
cannot see an event (the device that gives the SYNACK back, the accept that
drops the request's last reference), the assumption is a parameter here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import UsageError
from faltcon.model import FKey, Flow, Steering

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Indices = NDArray[np.int32]

__all__ = ["HALF_OPEN_NS", "NEVER", "Cpus", "Trace", "from_connections"]

NEVER = -1
NO_END = 2**62
HALF_OPEN_NS = 63 * 1_000_000_000
"""A request without ACK lives until its fifth SYNACK times out: 1+2+4+8+16+32 s."""
TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Cpus:
    """CPU of each connection's SYN, ACK and RELEASE. Each of shape (n,)."""

    count: int
    syn: Indices
    ack: Indices
    release: Indices


@dataclass(frozen=True, slots=True)
class Trace:
    """n connections, sorted by their SYN's time.

    syn_ns, sent_ns, ack_ns (NEVER where not established), release_ns: shape (n,).
    key: index of the f-key, shape (n,). keys: the f-keys themselves.
    client_port: shape (n,). end_ns: nothing later than this happens in a run,
    as nobody knows what did.
    """

    syn_ns: Times
    sent_ns: Times
    ack_ns: Times
    release_ns: Times
    key: Indices
    client_port: Indices
    keys: Sequence[FKey]
    end_ns: int = NO_END

    def __post_init__(self) -> None:
        if not self.syn_ns.size:
            return
        if (np.diff(self.syn_ns) < 0).any():
            raise UsageError("the SYNs of a trace must be in order of time")
        made = self.ack_ns != NEVER
        ordered = (self.syn_ns <= self.sent_ns) & (self.sent_ns <= self.release_ns)
        ordered &= ~made | ((self.sent_ns <= self.ack_ns) & (self.ack_ns <= self.release_ns))
        if not ordered.all():
            at = int(np.argmin(ordered))
            raise UsageError(f"connection {at}: SYN, SENT, ACK, RELEASE are not in order of time")

    def __len__(self) -> int:
        return self.syn_ns.size

    def flow(self, index: int) -> Flow:
        """Addresses and ports of one connection."""
        key = self.keys[self.key[index]]
        return Flow(key.client_ip, key.server_ip, int(self.client_port[index]), key.server_port)

    def head(self, count: int) -> Trace:
        """The first connections."""
        names = ("syn_ns", "sent_ns", "ack_ns", "release_ns", "key", "client_port")
        return replace(self, **{name: getattr(self, name)[:count] for name in names})

    def steer(self, cpus: int, steering: Steering = Steering.RSS) -> Cpus:
        """Which CPU handles which packet (section 3.3). Raises UsageError for no CPU."""
        from faltcon.simulate.steer import connection_cpus  # noqa: PLC0415  compiles

        if cpus < 1:
            raise UsageError(f"{cpus} CPUs serve nobody; name 1 or more")
        if steering is Steering.ROUND_ROBIN:
            # Two packets of the client and the accept, each one CPU further.
            first = np.arange(len(self), dtype=np.int64) * 3 % cpus
            turns = [((first + turn) % cpus).astype(np.int32) for turn in range(3)]
            return Cpus(cpus, turns[0], turns[1], turns[2])
        cpu = connection_cpus(self, cpus, steering)
        return Cpus(cpus, cpu, cpu, cpu)


def from_connections(
    table: pa.Table, *, half_open_ns: int = HALF_OPEN_NS, accept_ns: int = 0
) -> Trace:
    """A trace from a connections table; rows without a SYN cannot be placed and are left out.

    table: columns of `faltcon.traffic.tables.CONNECTIONS`, of which client_ip,
    server_ip, client_port, server_port, syn_ns, synack_ns, ack_ns and
    handshake_end_ns are used. The SYNACK is taken to be given back when the
    capture shows it; an established request to be released `accept_ns` after
    its ACK, another one when it is reset, or `half_open_ns` after its SYN. The
    trace ends with the table's last packet (column last_ns, if there is one).
    """
    seen = table.filter(table["syn_ns"].is_valid())
    order = np.argsort(seen["syn_ns"].to_numpy(), kind="stable")
    seen = seen.take(order)
    syn = seen["syn_ns"].to_numpy()
    sent = np.maximum(_times(seen["synack_ns"], syn), syn)
    ack = _times(seen["ack_ns"], np.full_like(syn, NEVER))
    made = seen["ack_ns"].is_valid().to_numpy()
    ack = np.where(made, np.maximum(ack, sent), NEVER)
    reset = _times(seen["handshake_end_ns"], syn + half_open_ns)
    release = np.maximum(np.where(made, ack + accept_ns, reset), sent)
    key, keys = _keys(seen)
    port = seen["client_port"].to_numpy().astype(np.int32)
    end_ns = NO_END
    if "last_ns" in table.column_names and table.num_rows:
        end_ns = int(table["last_ns"].to_numpy().max())
    return Trace(syn, sent, ack, release, key, port, keys, end_ns)


def _times(column: pa.ChunkedArray, otherwise: Times) -> Times:
    # Filled before numpy sees it: a float could not hold nanoseconds since 1970.
    present = column.is_valid().to_numpy()
    return np.where(present, column.fill_null(0).to_numpy(), otherwise)


def _keys(table: pa.Table) -> tuple[Indices, list[FKey]]:
    """Index of each row's f-key, and the f-keys."""
    code = np.zeros(table.num_rows, np.int64)
    for name in ("client_ip", "server_ip", "server_port"):
        column = table[name].combine_chunks().dictionary_encode()
        code = code * (len(column.dictionary) + 1) + column.indices.to_numpy()
        # Dense again before the next column multiplies it.
        code = np.unique(code, return_inverse=True)[1]
    _, first, index = np.unique(code, return_index=True, return_inverse=True)
    rows = table.select(["client_ip", "server_ip", "server_port"]).take(first).to_pylist()
    keys = [FKey(TCP, row["client_ip"], row["server_ip"], row["server_port"]) for row in rows]
    return index.astype(np.int32), keys
