from __future__ import annotations

import gzip
import io
import struct
import sys
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import EmptyInputError, FormatError, InputError, TruncatedInputError
from faltcon.traffic.pcap import Capture

TIME_NS = 1_700_000_000_123_456_789


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    size = 12 + len(body)
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order="<", link_type=1, snap=0, options=()):
    body = struct.pack(order + "HHI", link_type, 0, snap)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(1, body + bytes(4), order)


def enhanced(ticks, data, order="<", number=0):
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), 99)
    return block(6, body + data, order)


def read(tmp_path, content, name="x.pcap"):
    file = tmp_path / name
    file.write_bytes(content)
    capture = Capture(file)
    return list(capture), capture


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "time_ns"),
    [(0xA1B2C3D4, TIME_NS // 1000 * 1000), (0xA1B23C4D, TIME_NS)],
)
def test_classic__byte_order_and_time_unit(tmp_path, craft, order, magic, time_ns) -> None:
    content = craft.pcap([(TIME_NS, b"abcdef")], 113, magic=magic, order=order)
    (packet,), capture = read(tmp_path, content)
    assert (packet.time_ns, packet.link_type, packet.data) == (time_ns, 113, b"abcdef")
    assert not capture.truncated


def test_classic__modified_header_is_longer(tmp_path, craft) -> None:
    content = craft.pcap([(TIME_NS, b"one"), (TIME_NS, b"two")], magic=0xA1B2CD34, extra=bytes(8))
    packets, _ = read(tmp_path, content)
    assert [packet.data for packet in packets] == [b"one", b"two"]


def test_classic__cut_packet_keeps_its_length_on_the_wire(tmp_path, craft) -> None:
    (packet,), _ = read(tmp_path, craft.pcap([(TIME_NS, bytes(100))], cut_to=60))
    assert (len(packet.data), packet.wire_bytes) == (60, 100)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng__interfaces_have_their_own_clock(tmp_path, order) -> None:
    content = (
        section(order)
        + interface(order, 1)
        + interface(order, 101, options=[(9, b"\x09")])
        + interface(order, 276, options=[(9, b"\x8a"), (14, struct.pack(order + "q", 1000))])
        + enhanced(5_000_001, b"us", order, 0)
        + enhanced(5_000_000_001, b"ns", order, 1)
        + enhanced(1024 + 512, b"2^10", order, 2)
    )
    packets, _ = read(tmp_path, content)
    assert [(p.time_ns, p.link_type, p.data) for p in packets] == [
        (5_000_001_000, 1, b"us"),
        (5_000_000_001, 101, b"ns"),
        (1_001_500_000_000, 276, b"2^10"),
    ]


def test_pcapng__a_new_section_forgets_interfaces(tmp_path) -> None:
    content = section("<") + interface("<", 1) + enhanced(1, b"a")
    content += section(">") + enhanced(1, b"lost", ">") + interface(">", 12)
    content += enhanced(2, b"b", ">")
    packets, capture = read(tmp_path, content)
    assert [(p.data, p.link_type) for p in packets] == [(b"a", 1), (b"b", 12)]
    assert capture.skipped == {"packet block without its interface": 1}


def test_pcapng__simple_and_obsolete_packets(tmp_path) -> None:
    old = struct.pack("<HHIIII", 0, 0, 0, 7, 3, 3) + b"old"
    content = section() + interface(snap=4) + block(3, struct.pack("<I", 9) + b"wxyz")
    content += block(2, old) + block(0x0BAD, b"unknown")
    packets, _ = read(tmp_path, content)
    assert [(p.data, p.wire_bytes) for p in packets] == [(b"wxyz", 9), (b"old", 3)]


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"]
)
def test_compressed_captures_read_as_plain_ones(tmp_path, craft, pack) -> None:
    packets, _ = read(tmp_path, pack(craft.pcap([(TIME_NS, b"abc")])))
    assert [packet.data for packet in packets] == [b"abc"]


def test_gzip_that_is_cut_gives_its_good_part(tmp_path, craft) -> None:
    frames = [(TIME_NS, bytes([i]) * 999) for i in range(256)]
    content = gzip.compress(craft.pcap(frames), mtime=0)
    packets, capture = read(tmp_path, content[: len(content) // 2])
    assert 0 < len(packets) < 256
    assert capture.truncated


def test_every_cut_gives_the_good_part_or_a_typed_error(tmp_path, craft) -> None:
    whole = craft.pcap([(TIME_NS, b"abcd"), (TIME_NS, b"efgh")])
    for size in range(len(whole)):
        if size < 24:
            with pytest.raises(InputError):
                read(tmp_path, whole[:size])
            continue
        packets, capture = read(tmp_path, whole[:size])
        assert len(packets) == (size - 24) // 20
        assert capture.truncated == ((size - 24) % 20 != 0)


def test_pcapng_every_cut_gives_the_good_part_or_a_typed_error(tmp_path) -> None:
    whole = section() + interface() + enhanced(1, b"abcd") + enhanced(2, b"efgh")
    for size in range(len(whole)):
        try:
            packets, capture = read(tmp_path, whole[:size])
        except InputError:
            assert size < 28 + 24
            continue
        assert capture.truncated == (size not in {28, 28 + 24, 28 + 24 + 36})
        assert len(packets) == max(0, (size - 28 - 24) // 36)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", EmptyInputError), (b"\xd4\xc3", TruncatedInputError), (b"PK\x03\x04", FormatError)],
)
def test_what_is_no_capture_is_a_typed_error(tmp_path, content, error) -> None:
    with pytest.raises(error):
        read(tmp_path, content)


def test_a_length_that_cannot_be_true_ends_the_good_part(tmp_path, craft) -> None:
    good = craft.pcap([(TIME_NS, b"good")])
    bad = struct.pack("<IIII", 0, 0, 2**31, 2**31)
    packets, capture = read(tmp_path, good + bad + bytes(100))
    assert [packet.data for packet in packets] == [b"good"]
    assert capture.truncated
    with pytest.raises(FormatError):
        read(tmp_path, good[:24] + bad)


def test_standard_input(craft, monkeypatch) -> None:
    content = craft.pcap([(TIME_NS, b"abc")])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert [packet.data for packet in Capture("-")] == [b"abc"]


@given(st.binary(max_size=300), st.sampled_from(["<", ">"]), st.booleans())
def test_random_bytes_never_crash(tmp_path_factory, noise, order, as_blocks) -> None:
    head = section(order) + interface(order) if as_blocks else b"\xd4\xc3\xb2\xa1" + bytes(20)
    file = tmp_path_factory.mktemp("noise") / "x.pcap"
    file.write_bytes(head + noise)
    capture = Capture(file)
    try:
        packets = list(capture)
    except InputError:
        return
    assert capture.packets == len(packets)
    assert sum(len(packet.data) for packet in packets) <= len(noise)
