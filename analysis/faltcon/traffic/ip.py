"""IP: from a datagram to the TCP segment inside it, through fragments and tunnels.

Headers are read with dpkt's declarations of them. The innermost IP header
counts: a segment in a tunnel belongs to the hosts that speak inside.

Source: RFC 791, RFC 8200, RFC 2675 (jumbograms), RFC 3378 (EtherIP).
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dpkt

from faltcon.traffic import link, tunnels
from faltcon.traffic.link import Skip

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Datagrams", "Segment"]

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
IPIP, IPV6_IN_IP, GRE, ETHER_IP, MPLS_IN_IP = 4, 41, 47, 97, 137
AUTH_HEADER, FRAGMENT_HEADER = 51, 44
# Hop-by-hop, routing, destination options, mobility, HIP, shim6: type, length in 8 bytes less 1.
EXTENSIONS = {0, 43, 60, 135, 139, 140}
MAX_DEPTH = 16
MAX_EXTENSIONS = 64

SYN, ACK, FIN, RST = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_FIN, dpkt.tcp.TH_RST


class _IPv4(dpkt.Packet):  # type: ignore[misc]
    """dpkt's IPv4 header alone; its own class also parses what follows."""

    __hdr__ = dpkt.ip.IP.__hdr__


class _IPv6(dpkt.Packet):  # type: ignore[misc]
    __hdr__ = dpkt.ip6.IP6.__hdr__


class _Tcp(dpkt.Packet):  # type: ignore[misc]
    __hdr__ = dpkt.tcp.TCP.__hdr__


@dataclass(slots=True)
class Segment:
    """One TCP segment: its ends, header fields, captured payload and payload length on the wire."""

    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes
    wire_bytes: int


@dataclass(slots=True)
class _Parts:
    """Fragments of one datagram: start -> bytes, and the length once the last one came."""

    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    size: int = 0

    def complete(self) -> bytes | None:
        """The datagram's payload, the first copy winning where fragments overlap."""
        if self.total is None:
            return None
        whole = bytearray()
        for start in sorted(self.pieces):
            if start > len(whole):
                return None
            whole += self.pieces[start][len(whole) - start :]
        return bytes(whole[: self.total]) if len(whole) >= self.total else None


class Datagrams:
    """Finds the TCP segment in IP datagrams; keeps the fragments that wait for the rest.

    `max_fragment_bytes` bounds the memory of waiting fragments: beyond it the
    oldest datagram is given up and counted in `skipped`.
    """

    def __init__(self, skipped: Counter[str], max_fragment_bytes: int = 16 * 1024 * 1024) -> None:
        self.skipped = skipped
        self.max_fragment_bytes = max_fragment_bytes
        self._waiting: OrderedDict[tuple[bytes, bytes, int, int], _Parts] = OrderedDict()
        self._held_bytes = 0

    def segment(self, datagram: memoryview) -> Segment | None:
        """The TCP segment in a datagram, or None where a fragment still waits.

        Raises Skip with the reason where there is none.
        """
        try:
            return self._datagram(datagram, 0)
        except (dpkt.UnpackError, struct.error, IndexError) as error:
            raise Skip("packet too short") from error

    def finish(self) -> None:
        """Count the datagrams of which fragments are missing."""
        if self._waiting:
            self.skipped["IP datagram with missing fragments"] += len(self._waiting)
        self._waiting.clear()
        self._held_bytes = 0

    def _datagram(self, data: memoryview, depth: int) -> Segment | None:
        if depth > MAX_DEPTH:
            raise Skip("too many nested tunnels")
        version = data[0] >> 4
        if version == 4:
            return self._ipv4(data, depth)
        if version == 6:
            return self._ipv6(data, depth)
        raise Skip(f"IP version {version}")

    def _ipv4(self, data: memoryview, depth: int) -> Segment | None:
        ip = _IPv4(bytes(data[:20]))
        header_bytes = (data[0] & 15) * 4
        total = ip.len or len(data)  # 0: the network card split the segment (TSO)
        if header_bytes < 20 or total < header_bytes:
            raise Skip("IP header with impossible length")
        payload, wire = data[header_bytes:total], total - header_bytes
        offset = (_u16(data, 6) & 0x1FFF) * 8
        more = bool(_u16(data, 6) & 0x2000)
        if (offset or more) and len(payload) == wire:
            key = (ip.src, ip.dst, ip.id, ip.p)
            whole = self._defragment(key, offset, more, payload)
            if whole is None:
                return None
            payload, wire = memoryview(whole), len(whole)
        elif offset:
            raise Skip("IP fragment that was cut")
        return self._upper(ip.p, (ip.src, ip.dst), payload, wire, depth)

    def _ipv6(self, data: memoryview, depth: int) -> Segment | None:
        ip = _IPv6(bytes(data[:40]))
        wire, kind = ip.plen, ip.nxt
        if not wire and len(data) > 40:
            wire = _jumbo_bytes(kind, data[40:])
        payload = data[40 : 40 + wire]
        for _ in range(MAX_EXTENSIONS):
            if kind in EXTENSIONS:
                size = 8 * (payload[1] + 1)
            elif kind == AUTH_HEADER:
                size = 4 * (payload[1] + 2)
            elif kind == FRAGMENT_HEADER:
                place, number = struct.unpack_from(">HI", payload, 2)
                kind, payload, wire = payload[0], payload[8:], wire - 8
                if place & 0xFFF8 or place & 1:
                    if len(payload) < wire:
                        raise Skip("IP fragment that was cut")
                    key = (ip.src, ip.dst, number, -1)
                    whole = self._defragment(key, place & 0xFFF8, bool(place & 1), payload)
                    if whole is None:
                        return None
                    payload, wire = memoryview(whole), len(whole)
                continue
            else:
                break
            kind, payload, wire = payload[0], payload[size:], wire - size
        return self._upper(kind, (ip.src, ip.dst), payload, wire, depth)

    def _defragment(
        self, key: tuple[bytes, bytes, int, int], offset: int, more: bool, payload: memoryview
    ) -> bytes | None:
        parts = self._waiting.setdefault(key, _Parts())
        if offset not in parts.pieces:
            parts.pieces[offset] = bytes(payload)
            parts.size += len(payload)
            self._held_bytes += len(payload)
        if not more and parts.total is None:
            parts.total = offset + len(payload)
        whole = parts.complete()
        if whole is not None:
            self._held_bytes -= self._waiting.pop(key).size
        while self._held_bytes > self.max_fragment_bytes:
            _, oldest = self._waiting.popitem(last=False)
            self._held_bytes -= oldest.size
            self.skipped["IP datagram with missing fragments"] += 1
        return whole

    def _upper(
        self, kind: int, ends: tuple[bytes, bytes], data: memoryview, wire: int, depth: int
    ) -> Segment | None:
        source, destination = ends
        if kind == TCP:
            return _tcp(source, destination, data, wire)
        if kind == AUTH_HEADER:
            size = 4 * (data[1] + 2)
            return self._upper(data[0], (source, destination), data[size:], wire - size, depth + 1)
        inner = TUNNELS.get(kind, _no_tunnel)(data)
        if inner is None:
            if kind == UDP and tunnels.is_quic(data):
                raise Skip("QUIC")
            raise Skip(NAMES.get(kind, f"IP protocol {kind}"))
        return self._datagram(inner, depth + 1)


def _no_tunnel(data: memoryview) -> memoryview | None:
    del data
    return None


TUNNELS: dict[int, Callable[[memoryview], memoryview | None]] = {
    UDP: tunnels.in_udp,
    IPIP: lambda data: data,
    IPV6_IN_IP: lambda data: data,
    GRE: tunnels.in_gre,
    ETHER_IP: lambda data: link.ethernet(data[2:]),
    MPLS_IN_IP: link.mpls,
}
NAMES = {UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}


def _jumbo_bytes(kind: int, data: memoryview) -> int:
    """Payload length in the hop-by-hop option of RFC 2675, where the header's length is 0."""
    place = 2
    while kind == 0 and place + 6 <= 8 * (data[1] + 1):
        if data[place] == 0xC2:
            return int(struct.unpack_from(">I", data, place + 2)[0])
        place += 1 if data[place] == 0 else 2 + data[place + 1]
    raise Skip("IPv6 packet without its length (segments joined by the card)")


def _u16(data: memoryview, place: int) -> int:
    return (data[place] << 8) | data[place + 1]


def _tcp(source: bytes, destination: bytes, data: memoryview, wire: int) -> Segment:
    tcp = _Tcp(bytes(data[:20]))
    header_bytes = (data[12] >> 4) * 4
    if header_bytes < 20:
        # The connection is there, but what follows the header cannot be found.
        header_bytes = wire = len(data)
    return Segment(
        source,
        destination,
        tcp.sport,
        tcp.dport,
        tcp.seq,
        tcp.ack,
        data[13] & 0x3F,
        tcp.win,
        bytes(data[header_bytes:]),
        max(wire - header_bytes, 0),
    )
