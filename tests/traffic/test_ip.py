from __future__ import annotations

import contextlib
import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.config import conf

conf.verb = 0
from scapy.contrib.geneve import GENEVE  # noqa: E402  scapy reads its settings when it loads
from scapy.contrib.gtp import GTP_U_Header  # noqa: E402
from scapy.layers.inet import GRE, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.layers.vxlan import VXLAN  # noqa: E402
from scapy.packet import Raw  # noqa: E402

from faltcon.traffic.ip import Datagrams  # noqa: E402
from faltcon.traffic.link import Skip  # noqa: E402

INNER = IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1, dport=2, flags="S") / Raw(b"inside")
INNER6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=1, dport=2) / Raw(b"inside")
OUTER = IP(src="198.51.100.1", dst="198.51.100.2")


def find(packet):
    return Datagrams(Counter()).segment(memoryview(bytes(packet)))


TUNNELS = {
    "none": INNER,
    "IPv6": INNER6,
    "IP in IP": OUTER / INNER,
    "6in4": OUTER / INNER6,
    "4in6": IPv6() / INNER,
    "GRE": OUTER / GRE() / INNER,
    "GRE with everything": OUTER / GRE(chksum_present=1, key_present=1, seqnum_present=1) / INNER,
    "GRE of Ethernet": OUTER / GRE(proto=0x6558) / Ether() / INNER,
    "ERSPAN II": OUTER
    / GRE(proto=0x88BE, seqnum_present=1)
    / Raw(bytes(8) + bytes(Ether() / INNER)),
    "VXLAN": OUTER / UDP(dport=4789) / VXLAN() / Ether() / INNER,
    "Geneve": OUTER / UDP(dport=6081) / GENEVE(proto=0x0800) / INNER,
    "Geneve of Ethernet": OUTER / UDP(dport=6081) / GENEVE(proto=0x6558) / Ether() / INNER,
    "GTP-U": OUTER / UDP(dport=2152) / GTP_U_Header(gtp_type=255) / INNER,
    "Teredo": OUTER / UDP(sport=3544) / INNER6,
    "Teredo with origin": OUTER / UDP(sport=3544) / Raw(bytes(8) + bytes(INNER6)),
    "EtherIP": IP(proto=97) / Raw(b"\x30\x00" + bytes(Ether() / INNER)),
    "MPLS in UDP": OUTER / UDP(dport=6635) / Raw(b"\x00\x01\x01\x40" + bytes(INNER)),
    "authentication header": IP(proto=51) / Raw(b"\x06\x04" + bytes(22) + bytes(INNER[TCP])),
    "hop-by-hop, routing, destination options": IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6ExtHdrHopByHop()
    / IPv6ExtHdrRouting()
    / IPv6ExtHdrDestOpt()
    / INNER6[TCP],
    "atomic fragment": IPv6() / IPv6ExtHdrFragment(id=7) / INNER6[TCP],
    "AYIYA": OUTER
    / UDP(dport=5072)
    / Raw(b"\x41\x52\x01\x29" + bytes(4) + bytes(16) + bytes(20) + bytes(INNER6)),
    "TZSP": OUTER / UDP(dport=37008) / Raw(b"\x01\x00\x00\x01\x01" + bytes(Ether() / INNER)),
    "twice": OUTER / GRE() / OUTER / UDP(dport=4789) / VXLAN() / Ether() / INNER,
}
# Building is slow, so it is done once.
TUNNELS = {name: bytes(packet) for name, packet in TUNNELS.items()}


@pytest.mark.parametrize("name", TUNNELS)
def test_the_innermost_segment_is_found(name) -> None:
    segment = find(TUNNELS[name])
    assert segment.payload == b"inside"
    assert (segment.source_port, segment.destination_port) == (1, 2)
    assert segment.wire_bytes == 6


def test_the_innermost_addresses_count() -> None:
    assert find(TUNNELS["VXLAN"]).source == bytes((192, 0, 2, 1))


def test_ethernet_padding_is_no_payload() -> None:
    assert find(bytes(INNER) + b"padding").payload == b"inside"


def test_a_cut_segment_keeps_its_length_on_the_wire() -> None:
    segment = find(bytes(INNER)[:-4])
    assert (segment.payload, segment.wire_bytes) == (b"in", 6)


def test_a_length_of_zero_is_segmentation_by_the_card() -> None:
    whole = bytearray(bytes(INNER))
    whole[2:4] = b"\x00\x00"
    assert find(bytes(whole)).payload == b"inside"


def test_a_jumbogram_says_its_length_in_an_option() -> None:
    body = bytes(INNER6[TCP])
    option = b"\x06\x00\xc2\x04" + struct.pack(">I", len(body) + 8)
    whole = bytearray(bytes(IPv6(nh=0, plen=0) / Raw(option + body)))
    assert find(bytes(whole)).payload == b"inside"


fragments = st.permutations(range(5))


@given(fragments, st.booleans())
def test_fragments_in_any_order(order, with_duplicates) -> None:
    whole = IP(src="192.0.2.1", dst="192.0.2.2", id=9) / TCP() / Raw(bytes(range(64)))
    body = bytes(whole[TCP])
    step = 24
    pieces = [
        IP(
            src="192.0.2.1",
            dst="192.0.2.2",
            id=9,
            proto=6,
            frag=3 * number,
            flags="MF" if (number + 1) * step < len(body) else 0,
        )
        / Raw(body[number * step : (number + 1) * step])
        for number in range(-(-len(body) // step))
    ]
    assert len(pieces) == 4
    sent = [pieces[number] for number in order if number < 4]
    datagrams = Datagrams(Counter())
    found = [datagrams.segment(memoryview(bytes(piece))) for piece in sent * (1 + with_duplicates)]
    segments = [segment for segment in found if segment is not None]
    assert found[3] is not None
    assert segments[0].payload == bytes(range(64))


def test_ipv6_fragments() -> None:
    whole = IPv6() / IPv6ExtHdrFragment(id=3) / TCP(sport=5) / Raw(bytes(300))
    pieces = [bytes(piece) for piece in fragment6(whole, 128)]
    assert len(pieces) > 2
    datagrams = Datagrams(Counter())
    found = [datagrams.segment(memoryview(piece)) for piece in reversed(pieces)]
    assert found[-1].payload == bytes(300)
    assert found[:-1] == [None] * (len(pieces) - 1)


def test_fragments_that_never_meet_are_counted_and_bounded(craft) -> None:
    skipped = Counter()
    datagrams = Datagrams(skipped, max_fragment_bytes=10_000)
    for ident in range(100):
        piece = craft.ipv4(craft.client, craft.server, bytes(1000), ident=ident, more=True)
        assert datagrams.segment(memoryview(piece)) is None
    assert skipped["IP datagram with missing fragments"] == 90
    datagrams.finish()
    assert skipped["IP datagram with missing fragments"] == 100


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (IP() / UDP(dport=53) / Raw(b"x"), "UDP"),
        (IP(proto=1), "ICMP"),
        (IPv6(nh=58), "ICMPv6"),
        (IP(proto=132), "IP protocol 132"),
        (b"\x70" + bytes(30), "IP version 7"),
        (b"\x41" + bytes(30), "IP header with impossible length"),
        (b"\x45\x00", "packet too short"),
        (IPv6(nh=6, plen=0) / Raw(bytes(40)), "IPv6 packet without its length"),
        (IP() / GRE(proto=0x1234) / Raw(b"x"), "GRE protocol 0x1234"),
    ],
)
def test_what_holds_no_segment_says_why(packet, reason) -> None:
    with pytest.raises(Skip, match=reason):
        find(packet)


def test_tunnels_in_tunnels_end(craft) -> None:
    packet = b""
    for _ in range(40):
        packet = craft.ipv4(craft.client, craft.server, packet, protocol=4)
    with pytest.raises(Skip, match="too many nested tunnels"):
        find(packet)


@pytest.mark.parametrize("name", TUNNELS)
def test_every_cut_gives_a_segment_or_a_reason(name) -> None:
    whole = TUNNELS[name]
    for size in range(len(whole)):
        with contextlib.suppress(Skip):
            assert find(whole[:size]) is not None


@given(st.sampled_from(sorted(TUNNELS)), st.data())
def test_changed_bytes_give_a_segment_or_a_reason(name, data) -> None:
    noisy = bytearray(TUNNELS[name])
    for place in data.draw(st.lists(st.integers(0, len(noisy) - 1), max_size=6)):
        noisy[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Skip):
        find(bytes(noisy))
