"""Files and the built-in story to handshakes, as `faltcon.simulate.trace` places them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faltcon.model import FKey, Flow
from faltcon.traffic import har
from faltcon.traffic.onepass import OnePass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faltcon.traffic.tcp import Connection

__all__ = ["SECOND", "Handshake", "Traced", "read", "story"]

SECOND = 1_000_000_000
MS = 1_000_000
HALF_OPEN_NS = 63 * SECOND
"""As in `faltcon.simulate.trace`: a request without ACK lives until its SYNACKs are spent."""
# When each client of the story connects, in ms. Its server listens on one port.
STORY = {
    "10.0.0.1": (0, 900, 1800, 2700, 3600, 4500, 34_000),
    "10.0.0.2": (2000, 2010, 2900, 2910, 3800, 3810),
    "10.0.0.3": (3000, 100_000),
}
STORY_SERVER = ("10.0.9.9", 80)


@dataclass(frozen=True, slots=True)
class Handshake:
    """One connection as the model plays it: times in ns, `ack_ns` None where not established."""

    flow: Flow
    syn_ns: int
    sent_ns: int
    ack_ns: int | None
    release_ns: int

    @property
    def key(self) -> FKey:
        """Its f-key."""
        return FKey("tcp", self.flow.client_ip, self.flow.server_ip, self.flow.server_port)


@dataclass(frozen=True)
class Traced:
    """Handshakes sorted by SYN, the time of the last packet, and what the reader should know.

    about: packets, connections, left_out (without a SYN), established,
    truncated, skipped (records by reason), kind of the file, and unknown (what
    such a file does not tell).
    """

    handshakes: Sequence[Handshake] = ()
    end_ns: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def read(path: str, progress: Callable[[int, int], None] | None = None) -> Traced:
    """Read a capture or a HAR. `progress` as in `OnePass`. Raises InputError or FormatError."""
    if har.looks_like_json(path):
        return _archive(path)
    one = OnePass(path)
    connections = list(one.connections(progress))
    placed = [_handshake(each) for each in connections if each.syn_ns is not None]
    about = {
        "kind": "capture",
        "packets": one.capture.packets,
        "connections": len(connections),
        "left_out": len(connections) - len(placed),
        "truncated": one.capture.truncated,
        "skipped": dict(one.capture.skipped),
        "unknown": [],
    }
    return _traced(placed, max((each.last_ns for each in connections), default=0), about)


def story() -> Traced:
    """A made-up trace of three clients: one that comes often, one in twos, one stranger."""
    placed = []
    for number, (client, moments) in enumerate(STORY.items()):
        for turn, moment in enumerate(moments):
            flow = Flow(client, STORY_SERVER[0], 40_000 + 100 * number + turn, STORY_SERVER[1])
            syn = moment * MS
            placed.append(Handshake(flow, syn, syn + MS, syn + 20 * MS, syn + 21 * MS))
    about = {
        "kind": "story",
        "packets": 0,
        "connections": len(placed),
        "left_out": 0,
        "truncated": False,
        "skipped": {},
        "unknown": [],
    }
    return _traced(placed, max(one.release_ns for one in placed), about)


def _traced(placed: list[Handshake], end_ns: int, about: dict[str, Any]) -> Traced:
    placed.sort(key=lambda one: one.syn_ns)
    established = sum(one.ack_ns is not None for one in placed)
    return Traced(placed, end_ns, {**about, "established": established})


def _archive(path: str) -> Traced:
    rows, skipped = har.read(path)
    placed = []
    for row in rows:
        syn = row["syn_ns"]
        flow = Flow(row["client_ip"], row["server_ip"], 0, row["server_port"])
        placed.append(Handshake(flow, syn, syn, syn, syn))
    about = {
        "kind": "HAR",
        "packets": 0,
        "connections": len(rows),
        "left_out": 0,
        "truncated": False,
        "skipped": dict(skipped),
        "unknown": list(har.UNKNOWN),
    }
    return _traced(placed, max((row["last_ns"] for row in rows), default=0), about)


def _handshake(one: Connection) -> Handshake:
    """A connection with a SYN, placed as `faltcon.simulate.trace.from_connections` places it."""
    client, server = one.ends[one.client], one.ends[1 - one.client]
    flow = Flow(
        str(ipaddress.ip_address(client[0])),
        str(ipaddress.ip_address(server[0])),
        client[1],
        server[1],
    )
    syn = one.syn_ns or 0
    sent = max(syn, one.synack_ns if one.synack_ns is not None else syn)
    ack = None if one.ack_ns is None else max(one.ack_ns, sent)
    over = one.handshake_over_ns if one.handshake_over_ns is not None else syn + HALF_OPEN_NS
    return Handshake(flow, syn, sent, ack, max(sent, over if ack is None else ack))
