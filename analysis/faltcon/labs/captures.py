"""The packet capture of the lab on f-pairs: synthetic, with what is awkward in real ones.

There are SYNs that were sent again, handshakes that nobody ended, ports that are
used twice, acknowledgements that come twice, and sequence numbers that wrap.
"""

from __future__ import annotations

import io
import random
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dpkt

from faltcon.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["expected", "write"]

_SERVERS = (("10.1.0.1", 80), ("10.1.0.1", 8080), ("10.1.0.2", 80))
_CLIENTS = tuple(f"10.2.0.{number}" for number in range(1, 7))
_SYN, _ACK = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK


@dataclass
class _Made:
    """Packets with their times in seconds, and what a right answer counts in them."""

    packets: list[tuple[float, bytes]] = field(default_factory=list)
    tried: int = 0
    keys: dict[str, int] = field(default_factory=dict)


def write(file: str | Path, seed: int) -> None:
    """Write the capture of a seed: the same seed gives the same bytes."""
    stream = io.BytesIO()
    writer = dpkt.pcap.Writer(stream)
    for time, frame in sorted(_make(seed).packets):
        writer.writepkt(frame, ts=time)
    write_bytes(file, stream.getvalue())


def expected(seed: int) -> dict[str, Any]:
    """What right answers find in the capture of a seed, known from its making."""
    made = _make(seed)
    lengths = sorted(made.keys.values())
    return {"connections": made.tried, "lengths": lengths, "keys": dict(sorted(made.keys.items()))}


def _make(seed: int) -> _Made:
    chance = random.Random(seed)  # noqa: S311  data, not secrets
    made = _Made()
    for number in range(chance.randint(70, 110)):
        client = chance.choice(_CLIENTS)
        server, port = chance.choice(_SERVERS)
        # Ports come back after a while, with another sequence number.
        source = 40000 + number % 50
        start = 0.5 * number + chance.random() / 4
        isn, answer = chance.randrange(2**32), chance.choice([2**32 - 1, chance.randrange(2**32)])
        made.tried += 1
        for again in range(chance.choice([1, 1, 1, 2])):
            made.packets.append(
                (start + again / 100, _frame((client, source), (server, port), isn, 0, _SYN))
            )
        if chance.random() < 0.15:
            continue  # nobody answers
        made.packets.append(
            (start + 0.05, _frame((server, port), (client, source), answer, isn + 1, _SYN | _ACK))
        )
        if chance.random() < 0.15:
            continue  # the client has gone
        for again in range(chance.choice([1, 1, 2])):
            ack = _frame((client, source), (server, port), isn + 1, answer + 1, _ACK)
            made.packets.append((start + 0.06 + again / 100, ack))
        key = f"{client}|{server}|{port}"
        made.keys[key] = made.keys.get(key, 0) + 1
    return made


def _frame(
    source: tuple[str, int], target: tuple[str, int], seq: int, ack: int, flags: int
) -> bytes:
    tcp = dpkt.tcp.TCP(
        sport=source[1], dport=target[1], seq=seq % 2**32, ack=ack % 2**32, flags=flags
    )
    ip = dpkt.ip.IP(
        src=socket.inet_aton(source[0]), dst=socket.inet_aton(target[0]), p=dpkt.ip.IP_PROTO_TCP
    )
    ip.data = tcp
    ip.len = len(ip)
    return bytes(dpkt.ethernet.Ethernet(data=ip))
