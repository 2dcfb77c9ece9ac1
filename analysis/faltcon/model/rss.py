"""Which CPU a packet goes to: receive-side scaling, and what else could choose (section 3.3).

RSS as Microsoft specifies it and network cards do it: a Toeplitz hash of
addresses and ports, its low bits an index into an indirection table. Steering
by f-key is what RSS does not do: it would send all connections of an f-pair to
one CPU, with the kernel's RPS way of turning a hash into a CPU.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from faltcon.errors import UsageError

__all__ = [
    "MICROSOFT_KEY",
    "TABLE_SIZE",
    "Flow",
    "Steering",
    "indirection_table",
    "rss_hash",
    "steer",
    "toeplitz",
]

MICROSOFT_KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)
TABLE_SIZE = 128
"""Entries of the indirection table of the paper's network card (82599)."""


class Steering(StrEnum):
    """What is hashed, and how a CPU comes of it."""

    RSS = "rss"
    """Addresses and both ports, indirection table: what cards do for TCP."""
    RSS_ADDRESSES = "rss-addresses"
    """Addresses alone, indirection table: what cards do for IP."""
    F_KEY = "f-key"
    """Addresses and the server's port, scaled to the CPUs as RPS does."""
    ROUND_ROBIN = "round-robin"
    """Each packet to the next CPU: what section 3.3 avoids."""


def toeplitz(data: bytes, key: bytes = MICROSOFT_KEY) -> int:
    """The Toeplitz hash, 32 bits: for each set bit of the data, XOR the key's window there.

    Raises UsageError when the key is too short for the data.
    """
    if len(key) < len(data) + 4:
        raise UsageError(f"a key of {len(key)} bytes hashes at most {len(key) - 4}")
    window = int.from_bytes(key, "big")
    top = len(key) * 8 - 32
    result = 0
    for index, byte in enumerate(data):
        for bit in range(8):
            if byte & (0x80 >> bit):
                result ^= (window >> (top - index * 8 - bit)) & 0xFFFF_FFFF
    return result


def indirection_table(cpus: int, size: int = TABLE_SIZE) -> tuple[int, ...]:
    """The table that drivers start with: CPUs in turn. `size` is a power of two."""
    if size < 1 or size & (size - 1):
        raise UsageError(f"an indirection table has a power of two of entries, not {size}")
    return tuple(index % cpus for index in range(size))


@dataclass(frozen=True, slots=True)
class Flow:
    """Addresses and ports as a packet of the client carries them."""

    client_ip: str
    server_ip: str
    client_port: int
    server_port: int

    def addresses(self) -> bytes:
        """Source, then destination, in network byte order."""
        return (
            ipaddress.ip_address(self.client_ip).packed
            + ipaddress.ip_address(self.server_ip).packed
        )


def rss_hash(flow: Flow, *, ports: bool = True) -> int:
    """Hash of a client's packet as a card computes it."""
    data = flow.addresses()
    if ports:
        data += flow.client_port.to_bytes(2, "big") + flow.server_port.to_bytes(2, "big")
    return toeplitz(data)


def steer(flow: Flow, cpus: int, steering: Steering = Steering.RSS, packet: int = 0) -> int:
    """CPU that handles this packet; `packet` is its number, for round-robin."""
    if steering is Steering.ROUND_ROBIN:
        return packet % cpus
    if steering is Steering.F_KEY:
        data = flow.addresses() + b"\0\0" + flow.server_port.to_bytes(2, "big")
        return (toeplitz(data) * cpus) >> 32
    table = indirection_table(cpus)
    return table[rss_hash(flow, ports=steering is Steering.RSS) % len(table)]
