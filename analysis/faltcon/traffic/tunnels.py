"""Tunnels: the IP datagram inside GRE and inside UDP, told by protocol number and port.

Source: RFC 2784 and 2890 (GRE), RFC 2637 (PPTP), RFC 7348 (VXLAN), RFC 8926
(Geneve), RFC 4380 (Teredo), 3GPP TS 29.281 (GTP-U), RFC 5415 (CAPWAP), RFC
7510 (MPLS in UDP), RFC 8086 (GRE in UDP), draft-massar-v6ops-ayiya, TZSP as
in tcpdump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dpkt

from faltcon.traffic import link
from faltcon.traffic.link import Skip

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["QUIC_VERSIONS", "in_gre", "in_udp", "is_quic"]

PPTP = 0x880B
ERSPAN_2, ERSPAN_3 = 0x88BE, 0x22EB
ARUBA = range(0x8200, 0x8400)
# The shortest header of the tunnels below, with a byte inside.
MIN_BODY_BYTES = 9


class _Udp(dpkt.Packet):  # type: ignore[misc]
    """dpkt's UDP header alone."""

    __hdr__ = dpkt.udp.UDP.__hdr__


def _u16(data: memoryview, place: int) -> int:
    return (data[place] << 8) | data[place + 1]


def in_gre(data: memoryview) -> memoryview:
    """What a GRE packet carries. Raises Skip where that is not IP."""
    flags, kind = _u16(data, 0), _u16(data, 2)
    version = flags & 7
    place = 4
    if flags & 0x8000 or (flags & 0x4000 and version == 0):
        place += 4  # checksum and offset
    if flags & 0x2000:
        place += 4  # key
    if flags & 0x1000:
        place += 4  # sequence number
    if version == 1 and flags & 0x0080:
        place += 4  # acknowledgement number
    return _gre_payload(kind, data[place:], sequenced=bool(flags & 0x1000))


def _gre_payload(kind: int, inner: memoryview, *, sequenced: bool) -> memoryview:
    if kind in {link.IPV4, link.IPV6}:
        return inner
    if kind in ARUBA:  # the 802.11 frame of an access point
        return link.wifi(inner)
    if kind == ERSPAN_2:  # type II has a header only where a sequence number is
        return link.ethernet(inner[8:] if sequenced else inner)
    if kind == ERSPAN_3:
        return link.ethernet(inner[12 + (8 if inner[11] & 1 else 0) :])
    reader = GRE_READERS.get(kind)
    if reader is None:
        raise Skip(f"GRE protocol 0x{kind:04x}")
    return reader(inner)


GRE_READERS: dict[int, Callable[[memoryview], memoryview]] = {
    PPTP: link.ppp,
    link.TRANSPARENT_ETHERNET: link.ethernet,
    **dict.fromkeys(link.MPLS_TYPES, link.mpls),
}


def in_udp(data: memoryview) -> memoryview | None:
    """The IP datagram in a UDP tunnel, told by the tunnel's registered port; None elsewhere."""
    udp = _Udp(bytes(data[:8]))
    if udp.ulen < 8:
        raise Skip("UDP packet without its length")
    body = data[8:]
    for port in sorted((udp.sport, udp.dport)):
        reader = UDP_TUNNELS.get(port)
        if reader is not None and len(body) >= MIN_BODY_BYTES:
            return reader(body)
    return None


# Versions 1 and 2, and the drafts that were deployed (27 to 34).
QUIC_VERSIONS = frozenset((0x00000001, 0x6B3343CF, *range(0xFF00001B, 0xFF000023)))


def is_quic(datagram: memoryview) -> bool:
    """Whether a UDP datagram begins with a long header of QUIC: handshakes, not data after them.

    Source: RFC 8999 (the header that all versions share), RFC 9000, RFC 9369.
    """
    if len(datagram) < 8 + 7 or datagram[8] & 0xC0 != 0xC0:
        return False
    return int.from_bytes(datagram[9:13], "big") in QUIC_VERSIONS


def _in_vxlan(body: memoryview) -> memoryview | None:
    return link.ethernet(body[8:])


def _in_vxlan_gpe(body: memoryview) -> memoryview | None:
    return {1: lambda: body[8:], 2: lambda: body[8:], 3: lambda: link.ethernet(body[8:])}.get(
        body[3], lambda: None
    )()


def _in_geneve(body: memoryview) -> memoryview | None:
    inner = body[8 + 4 * (body[0] & 0x3F) :]
    kind = _u16(body, 2)
    if kind == 0x6558:
        return link.ethernet(inner)
    return inner if kind in {0x0800, 0x86DD} else None


def _in_gtp(body: memoryview) -> memoryview | None:
    flags, kind = body[0], body[1]
    if flags >> 5 != 1 or kind != 255:
        return None
    place = 8
    if flags & 7:
        following = body[11] if flags & 4 else 0
        place = 12
        while following:
            size = 4 * body[place]
            if not size:
                return None
            following = body[place + size - 1]
            place += size
    inner = body[place:]
    return inner if inner[0] >> 4 in {4, 6} else None


def _in_teredo(body: memoryview) -> memoryview | None:
    while len(body) > 1 and body[0] == 0:
        if body[1] == 1:  # authentication: client id, value, nonce, confirmation
            body = body[4 + body[2] + body[3] + 9 :]
        elif body[1] == 0:  # origin: port and address
            body = body[8:]
        else:
            return None
    return body if len(body) >= 40 and body[0] >> 4 == 6 else None


def _in_ayiya(body: memoryview) -> memoryview | None:
    if body[2] & 15 != 1 or body[3] not in {4, 41}:
        return None
    return body[8 + (1 << (body[0] >> 4)) + 4 * (body[1] >> 4) :]


def _in_capwap(body: memoryview) -> memoryview | None:
    if body[0] != 0:  # another version, or DTLS
        return None
    bits = int.from_bytes(body[1:4], "big")
    native, fragment = bits & 0x000100, bits & 0x000080
    inner = body[4 * (bits >> 19) :]
    if fragment:
        raise Skip("CAPWAP fragment")
    if not native:
        return link.ethernet(inner)
    # Access points send the frame control field with its bytes swapped.
    return link.wifi(memoryview(bytes((inner[1], inner[0])) + bytes(inner[2:])))


def _in_tzsp(body: memoryview) -> memoryview | None:
    if _u16(body, 2) != 1:
        return None
    place = 4
    while body[place] != 1:
        place += 1 if body[place] == 0 else 2 + body[place + 1]
    return link.ethernet(body[place + 1 :])


UDP_TUNNELS: dict[int, Callable[[memoryview], memoryview | None]] = {
    2152: _in_gtp,
    3544: _in_teredo,
    4754: in_gre,
    4789: _in_vxlan,
    4790: _in_vxlan_gpe,
    5072: _in_ayiya,
    5247: _in_capwap,
    6081: _in_geneve,
    6635: link.mpls,
    37008: _in_tzsp,
}
