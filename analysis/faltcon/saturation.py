"""What a link that is just full says about a connection's cost (section 4.3, Figure 4b).

The server fills the link at one response size and not at a smaller one. So it
completes, at sizes between, as many connections a second as the link carries, and
the clock says how many cycles that leaves for each. First-order arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Edge", "edge", "to_save", "wire_bytes"]

# Our assumptions about one connection on the wire, server to client, in bytes: Ethernet, IPv4,
# TCP with time stamps, Ethernet's gap and checksum; the SYNACK's further options; a usual nginx
# response header; the payload of a full packet.
FRAME = 14 + 20 + 32 + 24
SYNACK_OPTIONS = 8
HTTP_HEADER = 240
SEGMENT = 1448
# FIN and the last ACK, beside the segments of the answer.
EMPTY_PACKETS = 2


@dataclass(frozen=True)
class Edge:
    """The link just full at a size: connections a second, cycles for each."""

    size_bytes: int
    connections_per_s: float
    cycles: float


def wire_bytes(size_bytes: int) -> int:
    """Bytes on the wire, server to client, of a connection with an answer of this size."""
    payload = size_bytes + HTTP_HEADER
    packets = math.ceil(payload / SEGMENT) + EMPTY_PACKETS
    return FRAME + SYNACK_OPTIONS + payload + FRAME * packets


def edge(size_bytes: int, *, bits_per_s: float, cycles_per_s: float) -> Edge:
    """The link just full with answers of this size; cycles of all cores together."""
    rate = bits_per_s / 8 / wire_bytes(size_bytes)
    return Edge(size_bytes, rate, cycles_per_s / rate)


def to_save(cycles: float, gain: float) -> float:
    """Cycles to save of a connection's for so many more connections (a share, 0.08 for 8 %)."""
    return cycles * (1 - 1 / (1 + gain))
