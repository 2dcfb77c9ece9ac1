"""Synthetic traces: every distribution stated, every draw seeded. Never a stand-in for a capture.

All generators return connections to one server port, 80 at 10.200.0.1, from
clients in 10.0.0.0/8, each connection from the client's next port. A handshake
takes a round trip that is lognormal with median `rtt_s` and sigma 0.7; the SYNACK
comes home 2 us after its SYN; the request is accepted 1 us after its ACK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import UsageError
from faltcon.model import FKey
from faltcon.simulate.trace import HALF_OPEN_NS, NEVER, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Clients = NDArray[np.int64]

__all__ = [
    "GENERATORS",
    "SECOND",
    "closed_loop",
    "nat",
    "one_each",
    "pulses",
    "syn_flood",
    "web",
    "zipf",
]

SECOND = 1_000_000_000
SYNACK_HOME_NS = 2_000
ACCEPT_NS = 1_000
RTT_SIGMA = 0.7
FIRST_PORT = 32768
PORTS = 28232
"""Linux's default range of local ports, 32768 to 60999."""
MOST_CLIENTS = 2**24


def zipf(
    connections: int,
    *,
    clients: int = 1000,
    exponent: float = 1.1,
    rate: float = 10_000.0,
    rtt_s: float = 0.02,
    half_open: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Independent connections: Poisson arrivals, clients by Zipf's law.

    Client number r (from 1) opens a connection with probability proportional
    to r ** -exponent; `rate` connections a second in all; a share `half_open`
    of them is never established.
    """
    draw = np.random.default_rng(seed)
    weights = np.arange(1, clients + 1, dtype=np.float64) ** -exponent
    who = np.searchsorted(np.cumsum(weights / weights.sum()), draw.random(connections))
    who = np.minimum(who, clients - 1)
    syn = np.cumsum(draw.exponential(SECOND / rate, connections)).astype(np.int64)
    made = draw.random(connections) >= half_open
    return _trace(draw, syn, who, clients, rtt_s=rtt_s, made=made)


def web(
    visits: int,
    *,
    clients: int = 5000,
    median: float = 6.0,
    sigma: float = 0.8,
    parallel: int = 6,
    rate: float = 200.0,
    rtt_s: float = 0.04,
    seed: int = 0,
) -> Trace:
    """Visits of pages: `rate` visits a second (Poisson), each by a client chosen evenly.

    A visit opens a lognormal number of connections (median, sigma; at least 1)
    to the server, `parallel` at once, a new lot after each exponential pause of
    mean four round trips: a browser without keep-alive.
    """
    draw = np.random.default_rng(seed)
    start = np.cumsum(draw.exponential(SECOND / rate, visits))
    count = np.maximum(draw.lognormal(np.log(median), sigma, visits).astype(np.int64), 1)
    visit = np.repeat(np.arange(visits), count)
    place = np.arange(visit.size) - np.repeat(np.cumsum(count) - count, count)
    lots = -(-count // parallel)
    pauses = draw.exponential(4 * rtt_s * SECOND, int(lots.sum()))
    first = np.cumsum(lots) - lots
    passed = np.cumsum(pauses)
    offset = passed - np.repeat(passed[first], lots)
    lot = first[visit] + place // parallel
    syn = (start[visit] + offset[lot]).astype(np.int64)
    who = draw.integers(0, clients, visits)[visit]
    return _trace(draw, syn, who, clients, rtt_s=rtt_s)


def closed_loop(
    connections: int,
    *,
    clients: int = 4,
    concurrent: int = 100,
    service_s: float = 0.01,
    rtt_s: float = 0.0002,
    seed: int = 0,
) -> Trace:
    """The load of section 4.1: `clients` machines hold `concurrent` connections open together.

    Each of the concurrent slots opens its next connection when the one before
    ends, after a round trip and an exponential service time of mean `service_s`.
    """
    draw = np.random.default_rng(seed)
    # More rounds than a slot needs, so that no slot is idle while others finish.
    needed = connections / concurrent
    rounds = int(needed + 8 * np.sqrt(needed) + 10)
    lives = draw.exponential(service_s * SECOND, (concurrent, rounds))
    lives += 2 * rtt_s * SECOND
    begins = np.cumsum(lives, axis=1) - lives[:, :1]
    syn = begins.ravel()
    who = np.repeat(np.arange(concurrent) % clients, rounds)
    first = np.argsort(syn, kind="stable")[:connections]
    return _trace(draw, syn[first].astype(np.int64), who[first], clients, rtt_s=rtt_s)


def syn_flood(
    connections: int, *, rate: float = 100_000.0, clients: int = MOST_CLIENTS, seed: int = 0
) -> Trace:
    """Hostile: SYNs from evenly chosen addresses, none ever established."""
    draw = np.random.default_rng(seed)
    syn = np.cumsum(draw.exponential(SECOND / rate, connections)).astype(np.int64)
    who = draw.integers(0, clients, connections)
    return _trace(draw, syn, who, clients, rtt_s=0.02, made=np.zeros(connections, bool))


def one_each(connections: int, *, rate: float = 10_000.0, seed: int = 0) -> Trace:
    """Hostile: each client connects once and never comes back."""
    draw = np.random.default_rng(seed)
    syn = np.cumsum(draw.exponential(SECOND / rate, connections)).astype(np.int64)
    return _trace(draw, syn, np.arange(connections), connections, rtt_s=0.02)


def pulses(
    connections: int,
    *,
    clients: int = 1000,
    each: int = 3,
    period_s: float = 5.0,
    rtt_s: float = 0.02,
    seed: int = 0,
) -> Trace:
    """Hostile: every client makes `each` connections at once, every `period_s` seconds.

    With `each` = k_t and a period of one window, a client stays just under the
    threshold for ever.
    """
    draw = np.random.default_rng(seed)
    lot = np.arange(connections) // each
    phase = draw.random(clients) * period_s * SECOND
    who = lot % clients
    syn = (phase[who] + lot // clients * period_s * SECOND).astype(np.int64)
    return _trace(draw, syn, who, clients, rtt_s=rtt_s)


def nat(
    connections: int,
    *,
    users: int = 5000,
    gateways: int = 4,
    rate: float = 2000.0,
    rtt_s: float = 0.04,
    seed: int = 0,
) -> Trace:
    """Many users behind few addresses: users open connections as a Poisson process.

    The server sees `gateways` clients, each a few thousand users: f-pairs by
    their number alone, with as many objects as requests ever overlap.
    """
    draw = np.random.default_rng(seed)
    syn = np.cumsum(draw.exponential(SECOND / rate, connections)).astype(np.int64)
    who = draw.integers(0, users, connections) % gateways
    return _trace(draw, syn, who, gateways, rtt_s=rtt_s)


GENERATORS: dict[str, Callable[..., Trace]] = {
    "zipf": zipf,
    "web": web,
    "closed-loop": closed_loop,
    "syn-flood": syn_flood,
    "one-each": one_each,
    "pulses": pulses,
    "nat": nat,
}
"""By name; the first argument of each is how much to make."""


def _trace(
    draw: np.random.Generator,
    syn: Times,
    who: Clients,
    clients: int,
    *,
    rtt_s: float,
    made: NDArray[np.bool_] | None = None,
) -> Trace:
    if clients > MOST_CLIENTS:
        raise UsageError(f"{clients} clients do not fit into 10.0.0.0/8; at most {MOST_CLIENTS}")
    order = np.argsort(syn, kind="stable")
    syn, who = syn[order], who[order]
    made = np.ones(syn.size, bool) if made is None else made[order]
    sent = syn + SYNACK_HOME_NS
    trip = draw.lognormal(np.log(rtt_s * SECOND), RTT_SIGMA, syn.size).astype(np.int64)
    ack = np.where(made, sent + trip, NEVER)
    release = np.where(made, ack + ACCEPT_NS, syn + HALF_OPEN_NS)
    names, key = np.unique(who, return_inverse=True)
    keys = [FKey("tcp", _address(int(name)), "10.200.0.1", 80) for name in names]
    port = FIRST_PORT + _occurrence(key) % PORTS
    return Trace(syn, sent, ack, release, key.astype(np.int32), port.astype(np.int32), keys)


def _address(client: int) -> str:
    return f"10.{client >> 16 & 255}.{client >> 8 & 255}.{client & 255}"


def _occurrence(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each value has been there before."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if key.size else key
    sizes = np.diff(np.r_[starts, key.size])
    result = np.empty(key.size, np.int64)
    result[order] = np.arange(key.size) - np.repeat(starts, sizes)
    return result
