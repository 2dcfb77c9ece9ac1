"""Link layers: from a captured frame to the IP datagram that it carries.

Source: the link-type list of tcpdump.org (LINKTYPE_ values), IEEE 802.1Q,
RFC 1662 (PPP), RFC 2516 (PPPoE), RFC 3032 (MPLS), IEEE 802.11.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Skip", "datagram", "ethernet", "mpls", "ppp", "wifi"]

IPV4, IPV6 = 0x0800, 0x86DD
VLAN_TYPES = {0x8100, 0x88A8, 0x9100, 0x9200, 0x9300}
BACKBONE_BRIDGE = 0x88E7
PPPOE_SESSION = 0x8864
MPLS_TYPES = {0x8847, 0x8848}
TRANSPARENT_ETHERNET = 0x6558
PPP_IPV4, PPP_IPV6, PPP_MPLS = 0x21, 0x57, 0x281
# Address families of IPv6 differ between the BSDs, macOS and Linux.
FAMILY_IPV4 = {2}
FAMILY_IPV6 = {10, 24, 28, 30}
MAX_TAGS = 16


class Skip(Exception):  # noqa: N818  it ends the walk of one frame, it is no failure
    """This frame holds no IP datagram that we can reach; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def datagram(link_type: int, frame: memoryview) -> memoryview:
    """The IP datagram in a frame. Raises Skip with a reason that can be counted."""
    reader = READERS.get(link_type)
    if reader is None:
        raise Skip(f"link type {link_type}")
    try:
        return reader(frame)
    except (struct.error, IndexError) as error:
        raise Skip("frame too short") from error


def _u16(data: memoryview, place: int) -> int:
    return int(struct.unpack_from(">H", data, place)[0])


def ethernet(frame: memoryview) -> memoryview:
    """Ethernet II or 802.3, with any 802.1Q and QinQ tags."""
    return _by_ethertype(_u16(frame, 12), frame[14:])


def _by_ethertype(kind: int, data: memoryview) -> memoryview:
    for _ in range(MAX_TAGS):
        if kind in {IPV4, IPV6}:
            return data
        if kind in VLAN_TYPES:
            kind, data = _u16(data, 2), data[4:]
        elif kind == BACKBONE_BRIDGE:  # IEEE 802.1ah: a tag, then a whole Ethernet frame
            return ethernet(data[4:])
        elif kind == PPPOE_SESSION:
            return ppp(data[6:])
        elif kind in MPLS_TYPES:
            return mpls(data)
        elif kind == TRANSPARENT_ETHERNET:
            return ethernet(data)
        elif kind <= 1500:
            # A length, not a type: 802.3 with a logical link control header.
            return _llc(data[:kind])
        else:
            raise Skip(f"ethertype 0x{kind:04x}")
    raise Skip("too many nested tags")


def _llc(data: memoryview) -> memoryview:
    if data[0] == 0xAA and data[1] == 0xAA and data[2] == 0x03:
        return _by_ethertype(max(_u16(data, 6), 1501), data[8:])
    if data[0] == 0x06 and data[1] == 0x06:
        return data[3:]
    raise Skip(f"802.2 service access point 0x{data[0]:02x}")


def ppp(data: memoryview) -> memoryview:
    """PPP, with or without the HDLC-like address and control bytes."""
    if data[0] == 0xFF and data[1] == 0x03:
        data = data[2:]
    # A protocol number whose first byte is odd is sent as that byte alone.
    kind, data = (data[0], data[1:]) if data[0] & 1 else (_u16(data, 0), data[2:])
    if kind in {PPP_IPV4, PPP_IPV6}:
        return data
    if kind == PPP_MPLS:
        return mpls(data)
    raise Skip(f"PPP protocol 0x{kind:04x}")


def mpls(data: memoryview) -> memoryview:
    """A label stack; what it carries is told by the first bits, as routers do."""
    for _ in range(MAX_TAGS):
        bottom = data[2] & 1
        data = data[4:]
        if bottom:
            break
    else:
        raise Skip("too many nested tags")
    nibble = data[0] >> 4
    if nibble in {4, 6}:
        return data
    # A pseudowire: Ethernet behind a control word of zero bits, or right away.
    return ethernet(data[4:] if nibble == 0 else data)


def _null(frame: memoryview) -> memoryview:
    little, big = struct.unpack_from("<I", frame)[0], struct.unpack_from(">I", frame)[0]
    family = little if little < 0x10000 else big
    if family in FAMILY_IPV4 | FAMILY_IPV6:
        return frame[4:]
    if family > 1500:
        return _by_ethertype(family, frame[4:])
    raise Skip(f"address family {family}")


def _raw(frame: memoryview) -> memoryview:
    if frame[0] >> 4 in {4, 6}:
        return frame
    raise Skip("raw frame that is not IP")


def _sll(frame: memoryview) -> memoryview:
    kind = _u16(frame, 14)
    if kind == 4:
        return _llc(frame[16:])
    return _by_ethertype(max(kind, 1501), frame[16:])


def _sll2(frame: memoryview) -> memoryview:
    kind = _u16(frame, 0)
    if kind == 4:
        return _llc(frame[20:])
    return _by_ethertype(max(kind, 1501), frame[20:])


def _chdlc(frame: memoryview) -> memoryview:
    return _by_ethertype(max(_u16(frame, 2), 1501), frame[4:])


def wifi(frame: memoryview) -> memoryview:
    """802.11 data frames in clear text."""
    control, flags = frame[0], frame[1]
    if control & 0x0C != 0x08:
        raise Skip("802.11 frame without data")
    if control & 0x40:
        raise Skip("802.11 frame without data")
    if flags & 0x40:
        raise Skip("802.11 frame that is encrypted")
    place = 24
    if flags & 0x03 == 0x03:
        place += 6
    if control & 0x80:
        amsdu = frame[place] & 0x80
        place += 2
        if flags & 0x80:
            place += 4
        if amsdu:
            return _aggregate(frame[place:])
    return _llc(frame[place:])


def _aggregate(data: memoryview) -> memoryview:
    """An A-MSDU: addresses, length and an LLC packet, several times."""
    size = _u16(data, 12)
    if len(data) > 14 + size + (-(14 + size)) % 4 + 14:
        raise Skip("802.11 aggregate of several packets")
    return _llc(data[14 : 14 + size])


def _radiotap(frame: memoryview) -> memoryview:
    size = struct.unpack_from("<H", frame, 2)[0]
    # Bit 14 of the first presence word: time stamp, bit 1: flags; flag 0x20 pads the header.
    present = struct.unpack_from("<I", frame, 4)[0]
    flags = _radiotap_flags(frame, present)
    inner = frame[size:]
    if flags & 0x10:
        inner = inner[:-4]
    if flags & 0x20:
        head = 24 + (6 if inner[1] & 3 == 3 else 0) + (2 if inner[0] & 0x80 else 0)
        inner = memoryview(bytes(inner[:head]) + bytes(inner[head + (-head) % 4 :]))
    return wifi(inner)


def _radiotap_flags(frame: memoryview, present: int) -> int:
    if not present & 2:
        return 0
    place, word = 8, present
    while word & 0x80000000:
        word = struct.unpack_from("<I", frame, place)[0]
        place += 4
    if present & 1:
        place += (-place) % 8 + 8
    return frame[place]


def _prism_or_avs(frame: memoryview) -> memoryview:
    cookie = struct.unpack_from(">I", frame)[0]
    if cookie & 0xFFFFF000 == 0x80211000:
        return wifi(frame[struct.unpack_from(">I", frame, 4)[0] :])
    return wifi(frame[144:])


def _ppi(frame: memoryview) -> memoryview:
    size, link_type = struct.unpack_from("<HI", frame, 2)
    if link_type == PPI:
        raise Skip("too many nested tags")
    return datagram(link_type, frame[size:])


def _token_ring(frame: memoryview) -> memoryview:
    place = 14
    if frame[8] & 0x80:
        place += frame[14] & 0x1F
    return _llc(frame[place:])


ARCNET_IPV4 = {0xD4, 0xF0}
ARCNET_OLD_IPV4 = 0xF0


def _arcnet_protocol(kind: int, data: memoryview) -> memoryview:
    if kind not in ARCNET_IPV4:
        raise Skip(f"ARCNET protocol 0x{kind:02x}")
    if kind == ARCNET_OLD_IPV4:  # RFC 1051 has no fragments
        return data
    if data[0]:  # RFC 1201: a split flag that is not zero marks a fragment
        raise Skip("ARCNET fragment")
    return data[3:]


def _arcnet_bsd(frame: memoryview) -> memoryview:
    return _arcnet_protocol(frame[2], frame[3:])


def _arcnet_linux(frame: memoryview) -> memoryview:
    return _arcnet_protocol(frame[4], frame[5:])


def _pflog(frame: memoryview) -> memoryview:
    return _raw(frame[(frame[0] + 3) & ~3 :])


def _atm(frame: memoryview) -> memoryview:
    return _llc(frame)


def _frame_relay(frame: memoryview) -> memoryview:
    if frame[2] == 0x03 and frame[3] == 0xCC:
        return frame[4:]
    raise Skip("frame relay without IP")


PPI = 192
READERS: dict[int, Callable[[memoryview], memoryview]] = {
    0: _null,
    1: ethernet,
    6: _token_ring,
    7: _arcnet_bsd,
    9: ppp,
    10: lambda frame: _llc(frame[13:]),
    12: _raw,
    14: _raw,
    50: ppp,
    51: lambda frame: ppp(frame[6:]),
    100: _atm,
    101: _raw,
    104: _chdlc,
    105: wifi,
    107: _frame_relay,
    108: _null,
    109: lambda frame: _raw(frame[12:]),
    113: _sll,
    117: _pflog,
    119: _prism_or_avs,
    122: lambda frame: _llc(frame[16:]),
    127: _radiotap,
    129: _arcnet_linux,
    163: _prism_or_avs,
    166: lambda frame: ppp(frame[2:]),
    PPI: _ppi,
    228: _raw,
    229: _raw,
    276: _sll2,
}
