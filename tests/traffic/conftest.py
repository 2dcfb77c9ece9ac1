"""Hand-made packets and captures, so that each test shows the bytes that matter to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

from faltcon.traffic.mining import mine

# A busy machine is slow, not wrong: no deadline for a single example.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

CAPTURES = Path(__file__).parents[3] / "shared" / "captures"
CLIENT, SERVER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START_NS = 1_700_000_000_000_000_000


def tcp_bytes(sport, dport, seq, ack, flags, payload=b""):  # noqa: PLR0917  the header's order
    head = struct.pack(
        ">HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, 5 << 4, flags, 8192, 0, 0
    )
    return head + payload


def ipv4_bytes(source, destination, payload, protocol=6, *, ident=0, offset=0, more=False):
    fragment = offset // 8 | (0x2000 if more else 0)
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        ident,
        fragment,
        64,
        protocol,
        0,
        source,
        destination,
    )
    return head + payload


def ipv6_bytes(source, destination, payload, following=6):
    head = struct.pack(">IHBB16s16s", 6 << 28, len(payload), following, 64, source, destination)
    return head + payload


def udp_bytes(sport, dport, payload):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def ethernet_bytes(payload, ethertype=0x0800):
    return bytes(12) + struct.pack(">H", ethertype) + payload


def pcap_bytes(frames, link_type=1, *, magic=0xA1B2C3D4, order="<", extra=b"", cut_to=None):
    """A classic capture of (time_ns, frame) pairs."""
    unit = 1 if magic == 0xA1B23C4D else 1000
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link_type)]
    for time_ns, frame in frames:
        kept = frame if cut_to is None else frame[:cut_to]
        seconds, rest = divmod(time_ns, 10**9)
        out += [
            struct.pack(order + "IIII", seconds, rest // unit, len(kept), len(frame)),
            extra,
            kept,
        ]
    return b"".join(out)


@dataclass
class Wire:
    """A conversation of two hosts: its frames with their times, made a segment at a time."""

    client: bytes = CLIENT
    server: bytes = SERVER
    client_port: int = 40000
    server_port: int = 80
    client_seq: int = 1000
    server_seq: int = 5000
    time_ns: int = START_NS
    frames: list = field(default_factory=list)

    def send(self, *, up, flags=ACK, payload=b"", seq=None, ack=None):
        ends = (self.client, self.server, self.client_port, self.server_port)
        source, destination, sport, dport = ends if up else (ends[1], ends[0], ends[3], ends[2])
        own, peer = (self.client_seq, self.server_seq) if up else (self.server_seq, self.client_seq)
        seq = own if seq is None else seq
        ack = (peer if flags & ACK else 0) if ack is None else ack
        segment = tcp_bytes(sport, dport, seq, ack, flags, payload)
        self.frames.append((self.time_ns, ethernet_bytes(ipv4_bytes(source, destination, segment))))
        self.time_ns += 1_000_000
        return self

    def advance(self, *, up, count) -> None:
        if up:
            self.client_seq += count
        else:
            self.server_seq += count

    def open(self):
        self.send(up=True, flags=SYN)
        self.advance(up=True, count=1)
        self.send(up=False, flags=SYN | ACK)
        self.advance(up=False, count=1)
        return self.send(up=True)

    def say(self, payload, *, up, size=None):
        """Send bytes in segments of `size` bytes."""
        size = size or max(len(payload), 1)
        for start in range(0, len(payload), size):
            piece = payload[start : start + size]
            self.send(up=up, flags=ACK | PSH, payload=piece)
            self.advance(up=up, count=len(piece))
        return self

    def close(self, *, up=True):
        for side in (up, not up):
            self.send(up=side, flags=FIN | ACK)
            self.advance(up=side, count=1)
        return self.send(up=up)


@pytest.fixture
def wire():
    return Wire


@pytest.fixture
def mined(tmp_path):
    """Mine frames, or the bytes of a capture."""

    def run(what, **options):
        target = tmp_path / "test.pcap"
        target.write_bytes(what if isinstance(what, bytes) else pcap_bytes(what))
        return mine(target, **options)

    return run


@pytest.fixture
def craft():
    """The functions that make bytes."""
    return SimpleNamespace(
        tcp=tcp_bytes,
        ipv4=ipv4_bytes,
        ipv6=ipv6_bytes,
        udp=udp_bytes,
        ethernet=ethernet_bytes,
        pcap=pcap_bytes,
        start_ns=START_NS,
        client=CLIENT,
        server=SERVER,
    )


@pytest.fixture(scope="session")
def captures():
    """The folder of third-party captures; a test that needs it is skipped where it is absent."""
    if not (CAPTURES / "ORACLE.jsonl").exists():
        pytest.skip(f"third-party data: the captures are not at {CAPTURES}")
    return CAPTURES
