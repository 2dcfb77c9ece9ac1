"""Records of a capture file: pcap and pcapng, plain, gzip or zstd, read as a stream.

Source: draft-ietf-opsawg-pcap (the classic file, magic numbers) and
draft-ietf-opsawg-pcapng (blocks, interfaces, `if_tsresol`, `if_tsoffset`).

A file that ends in the middle of a record gives what came before and sets
`truncated`; so does a record whose length cannot be true. Nothing after it can
be trusted, because a record's place follows from the lengths before it.
"""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from faltcon.errors import EmptyInputError, FormatError, TruncatedInputError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_RECORD_BYTES", "STDIN", "Capture", "Packet"]

STDIN = "-"
# The limit that Wireshark puts on one record (WTAP_MAX_PACKET_SIZE_STANDARD).
MAX_RECORD_BYTES = 262_144
# Blocks also hold name lists and secrets, which may be larger than a packet.
MAX_BLOCK_BYTES = 16 * 1024 * 1024

NS = 1_000_000_000
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
# magic -> byte order, nanoseconds a time unit, bytes of a record header
CLASSIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    # Kuznetzov's "modified" pcap: the record header ends with interface, protocol and type.
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),
}
SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
SECRETS = 10
TSRESOL, TSOFFSET = 9, 14


@dataclass(slots=True, frozen=True)
class Packet:
    """One captured packet: its time since the epoch, its link type, and its bytes."""

    time_ns: int
    link_type: int
    data: bytes
    wire_bytes: int


@dataclass(slots=True, frozen=True)
class _Interface:
    link_type: int
    snap_bytes: int
    # Ticks a second, and seconds to add to every time.
    resolution: int
    offset_s: int


class Capture:
    """The packets of one capture file, in file order.

    Iterating raises InputError, FormatError, EmptyInputError or
    TruncatedInputError where the file is no capture at all. Afterwards
    `packets` counts what was read, `truncated` says whether the file ends in
    the middle of something, and `skipped` counts unusable records by reason.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = file
        self.packets = 0
        self.truncated = False
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Packet]:
        """Open the file and read it once."""
        if str(self.file) == STDIN:
            stream = cast("BinaryIO", sys.stdin.buffer)
            yield from self._packets(stream)
            return
        with reading(self.file), open_binary(self.file) as stream:
            yield from self._packets(stream)

    def _packets(self, stream: BinaryIO) -> Iterator[Packet]:
        magic = self._read(stream, 4)
        if not magic and not self.truncated:
            raise EmptyInputError(self.file, "is empty", mend="record it again")
        if magic in CLASSIC:
            yield from self._classic(stream, magic)
        elif magic == PCAPNG_MAGIC:
            yield from self._blocks(stream)
        elif self.truncated:
            raise TruncatedInputError(
                self.file, "ends before its file header does", mend="record it again"
            )
        else:
            raise FormatError(
                self.file,
                f"is not a pcap or pcapng capture (it begins with {magic.hex()})",
                mend="name a file that tcpdump or Wireshark wrote",
            )

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        """Up to `size` bytes; fewer set `truncated`, unless the file ends right here."""
        parts: list[bytes] = []
        left = size
        try:
            while left:
                part = stream.read(left)
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
            # The compressed stream stops or breaks here; what came before is good.
            self.truncated = True
        data = b"".join(parts)
        if data and left:
            self.truncated = True
        return data

    def _unusable(self, reason: str, place: str) -> None:
        """Stop at a length that cannot be true: an error when nothing good came before."""
        if not self.packets:
            raise FormatError(self.file, reason, place=place, mend="record it again")
        self.skipped[reason] += 1
        self.truncated = True

    def _classic(self, stream: BinaryIO, magic: bytes) -> Iterator[Packet]:
        order, unit_ns, header_bytes = CLASSIC[magic]
        rest = self._read(stream, 20)
        if len(rest) < 20:
            raise TruncatedInputError(
                self.file, "ends before its file header does", mend="record it again"
            )
        # The upper bits of the network field hold the length of a frame check sequence.
        link_type = struct.unpack_from(order + "I", rest, 16)[0] & 0x0FFFFFFF
        unpack = struct.Struct(order + "IIII").unpack_from
        while header := self._read(stream, header_bytes):
            if len(header) < header_bytes:
                return
            seconds, fraction, captured, wire = unpack(header)
            if captured > MAX_RECORD_BYTES:
                self._unusable("record longer than a packet can be", f"packet {self.packets + 1}")
                return
            data = self._read(stream, captured)
            if len(data) < captured:
                self.truncated = True
                return
            self.packets += 1
            yield Packet(seconds * NS + fraction * unit_ns, link_type, data, wire)

    def _blocks(self, stream: BinaryIO) -> Iterator[Packet]:
        order = "<"
        interfaces: list[_Interface] = []
        head = PCAPNG_MAGIC + self._read(stream, 8)
        while head:
            if len(head) < 12:
                self.truncated = True
                break
            if head[:4] == PCAPNG_MAGIC:
                order = self._byte_order(head[8:12])
                interfaces = []
            kind, size = struct.unpack_from(order + "II", head)
            if size < 12 or size > MAX_BLOCK_BYTES:
                self._unusable("block of impossible length", f"packet {self.packets + 1}")
                return
            # Lengths are padded to 4 bytes by rule; some writers forget it in the total.
            body = head[8:12] + self._read(stream, size - 12 + (-size) % 4)
            if len(body) < size - 8:
                self.truncated = True
                break
            body = body[: size - 12]
            packet = self._block(order, kind, body, interfaces)
            if packet is not None:
                self.packets += 1
                yield packet
            head = self._read(stream, 12)
        if not self.packets and self.truncated and not interfaces:
            raise TruncatedInputError(
                self.file, "ends before its first interface block", mend="record it again"
            )

    def _byte_order(self, magic: bytes) -> str:
        if magic == b"\x4d\x3c\x2b\x1a":
            return "<"
        if magic == b"\x1a\x2b\x3c\x4d":
            return ">"
        raise FormatError(
            self.file, "has a pcapng section without a byte-order mark", mend="record it again"
        )

    def _block(
        self, order: str, kind: int, body: bytes, interfaces: list[_Interface]
    ) -> Packet | None:
        try:
            if kind == INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in {ENHANCED_PACKET, OLD_PACKET}:
                return self._full_packet(order, kind, body, interfaces)
            elif kind == SIMPLE_PACKET and interfaces:
                wire = struct.unpack_from(order + "I", body)[0]
                first = interfaces[0]
                captured = min(wire, first.snap_bytes or wire, len(body) - 4)
                return Packet(0, first.link_type, body[4 : 4 + captured], wire)
            elif kind == SIMPLE_PACKET:
                self.skipped["packet block without its interface"] += 1
        except struct.error:
            self.skipped["block too short for its kind"] += 1
        return None

    def _full_packet(
        self, order: str, kind: int, body: bytes, interfaces: list[_Interface]
    ) -> Packet | None:
        form = "IIIII" if kind == ENHANCED_PACKET else "HHIIII"
        fields = struct.unpack_from(order + form, body)
        number = fields[0]
        high, low, captured, wire = fields[-4:]
        if number >= len(interfaces):
            self.skipped["packet block without its interface"] += 1
            return None
        if captured > len(body) - 20:
            self.skipped["packet longer than its block"] += 1
            return None
        interface = interfaces[number]
        ticks = (high << 32) | low
        time_ns = ticks * NS // interface.resolution + interface.offset_s * NS
        return Packet(time_ns, interface.link_type, body[20 : 20 + captured], wire)


def _interface(order: str, body: bytes) -> _Interface:
    link_type, _, snap_bytes = struct.unpack_from(order + "HHI", body)
    resolution, offset_s = 1_000_000, 0
    place = 8
    while place + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, place)
        value = body[place + 4 : place + 4 + size]
        if code == 0:
            break
        if code == TSRESOL and len(value) >= 1:
            exponent = value[0] & 0x7F
            # A larger exponent than a 64-bit time can hold is nonsense; keep the default.
            if value[0] & 0x80 and exponent < 64:
                resolution = 1 << exponent
            elif not value[0] & 0x80 and exponent < 20:
                resolution = 10**exponent
        elif code == TSOFFSET and len(value) == 8:
            offset_s = struct.unpack(order + "q", value)[0]
        place += 4 + size + (-size) % 4
    return _Interface(link_type, snap_bytes, resolution, offset_s)
