"""Every link type carries the same datagram; its reader must find it."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic import link

DATAGRAM = b"\x45" + bytes(39)
LLC = b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + DATAGRAM
ADDRESSES = bytes(12)
WIFI = b"\x08\x01" + bytes(22) + LLC
WIFI_QOS_4_ADDRESSES = b"\x88\x03" + bytes(28) + bytes(2) + LLC
AMSDU = b"\x88\x01" + bytes(22) + b"\x80\x00" + bytes(12) + struct.pack(">H", len(LLC)) + LLC

FRAMES = {
    "ethernet": (1, ADDRESSES + b"\x08\x00" + DATAGRAM),
    "802.1Q": (1, ADDRESSES + b"\x81\x00\x00\x05\x08\x00" + DATAGRAM),
    "QinQ": (1, ADDRESSES + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00" + DATAGRAM),
    "802.3": (1, ADDRESSES + struct.pack(">H", len(LLC)) + LLC),
    "PBB": (1, ADDRESSES + b"\x88\xe7" + bytes(4) + ADDRESSES + b"\x08\x00" + DATAGRAM),
    "PPPoE": (1, ADDRESSES + b"\x88\x64\x11\x00\x00\x01\x00\x2a\x00\x21" + DATAGRAM),
    "MPLS": (1, ADDRESSES + b"\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40" + DATAGRAM),
    "MPLS pseudowire": (
        1,
        ADDRESSES + b"\x88\x47\x00\x01\x01\x40" + bytes(4) + ADDRESSES + b"\x08\x00" + DATAGRAM,
    ),
    "null, little-endian": (0, b"\x02\x00\x00\x00" + DATAGRAM),
    "null, big-endian": (0, b"\x00\x00\x00\x02" + DATAGRAM),
    "loop": (108, b"\x00\x00\x00\x02" + DATAGRAM),
    "raw": (101, DATAGRAM),
    "raw, as BSD numbers it": (12, DATAGRAM),
    "ipv4": (228, DATAGRAM),
    "SLL": (113, bytes(14) + b"\x08\x00" + DATAGRAM),
    "SLL with a tag": (113, bytes(14) + b"\x81\x00\x00\x05\x08\x00" + DATAGRAM),
    "SLL2": (276, b"\x08\x00" + bytes(18) + DATAGRAM),
    "PPP": (9, b"\xff\x03\x00\x21" + DATAGRAM),
    "PPP, compressed": (9, b"\x21" + DATAGRAM),
    "PPP with direction": (166, b"\x00\x03\x00\x21" + DATAGRAM),
    "Cisco HDLC": (104, b"\x0f\x00\x08\x00" + DATAGRAM),
    "802.11": (105, WIFI),
    "802.11 QoS": (105, WIFI_QOS_4_ADDRESSES),
    "802.11 A-MSDU": (105, AMSDU),
    "radiotap": (127, b"\x00\x00\x08\x00\x00\x00\x00\x00" + WIFI),
    "radiotap with FCS": (127, b"\x00\x00\x09\x00\x02\x00\x00\x00\x10" + WIFI + b"fcs!"),
    "AVS": (163, b"\x80\x21\x10\x01\x00\x00\x00\x40" + bytes(56) + WIFI),
    "prism": (119, bytes(144) + WIFI),
    "PPI": (192, b"\x00\x00\x08\x00\x69\x00\x00\x00" + WIFI),
    "FDDI": (10, bytes(13) + LLC),
    "token ring": (6, bytes(14) + LLC),
    "token ring, routed": (6, bytes(8) + b"\x80" + bytes(5) + b"\x06" + bytes(5) + LLC),
    "ARCNET": (7, b"\x01\x02\xd4" + b"\x00\x00\x01" + DATAGRAM),
    "ARCNET of Linux": (129, b"\x01\x02\x00\x00\xf0" + DATAGRAM),
    "ATM": (100, LLC),
    "frame relay": (107, b"\x18\x41\x03\xcc" + DATAGRAM),
    "OpenBSD enc": (109, bytes(12) + DATAGRAM),
    "pflog": (117, b"\x3d" + bytes(63) + DATAGRAM),
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_datagram_is_found(name) -> None:
    link_type, frame = FRAMES[name]
    assert bytes(link.datagram(link_type, memoryview(frame))) == DATAGRAM


@pytest.mark.parametrize(
    ("link_type", "frame", "reason"),
    [
        (147, b"x", "link type 147"),
        (1, ADDRESSES + b"\x08\x06" + bytes(28), "ethertype 0x0806"),
        (1, bytes(13), "frame too short"),
        (1, ADDRESSES + b"\x81\x00\x00\x01" * 40, "too many nested tags"),
        (0, b"\x07\x00\x00\x00", "address family 7"),
        (101, b"\x00", "raw frame that is not IP"),
        (105, b"\x80\x00" + bytes(30), "802.11 frame without data"),
        (105, b"\x08\x41" + bytes(30), "802.11 frame that is encrypted"),
        (192, b"\x00\x00\x08\x00\xc0\x00\x00\x00", "too many nested tags"),
        (9, b"\xff\x03\xc0\x21", "PPP protocol 0xc021"),
    ],
)
def test_what_cannot_be_reached_says_why(link_type, frame, reason) -> None:
    with pytest.raises(link.Skip, match=reason):
        link.datagram(link_type, memoryview(frame))


@given(st.sampled_from(sorted(link.READERS)), st.binary(max_size=120))
def test_random_bytes_are_skipped_or_read(link_type, noise) -> None:
    with contextlib.suppress(link.Skip):
        assert len(link.datagram(link_type, memoryview(noise))) <= len(noise)


@pytest.mark.parametrize("name", FRAMES)
def test_every_cut_is_skipped_or_read(name) -> None:
    link_type, frame = FRAMES[name]
    for size in range(len(frame)):
        with contextlib.suppress(link.Skip):
            assert len(link.datagram(link_type, memoryview(frame[:size]))) <= size
