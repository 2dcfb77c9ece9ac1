"""Records of a capture file: pcap and pcapng, plain, gzip or zstd, read as a stream.

Source: draft-ietf-opsawg-pcap (the classic file, magic numbers); pcapng.py
reads the blocks of the newer format.

A file that ends in the middle of a record gives what came before and sets
`truncated`; so does a record whose length cannot be true. Nothing after it can
be trusted, because a record's place follows from the lengths before it.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, cast

from faltcon.errors import EmptyInputError, FormatError, TruncatedInputError
from faltcon.files import DAMAGE, open_binary, reading
from faltcon.traffic.pcapng import NS, PCAPNG_MAGIC, Blocks, Packet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CLASSIC", "MAX_RECORD_BYTES", "STDIN", "Capture", "Packet"]

STDIN = "-"
# The limit that Wireshark puts on one record (WTAP_MAX_PACKET_SIZE_STANDARD).
MAX_RECORD_BYTES = 262_144
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
        # Where in the unpacked file the record of the packet begins, and what was read.
        self.place = 0
        self._read_bytes = 0

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
        except (EOFError, *DAMAGE):
            # The compressed stream stops or breaks here; what came before is good.
            self.truncated = True
        data = b"".join(parts)
        self._read_bytes += len(data)
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
            self.place = self._read_bytes - header_bytes
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
        blocks = Blocks(self.file, self.skipped)
        head = PCAPNG_MAGIC + self._read(stream, 8)
        while head:
            self.place = self._read_bytes - len(head)
            packet = blocks.step(head, lambda size: self._read(stream, size))
            if packet is not None:
                self.packets += 1
                yield packet
            if blocks.stopped:
                break
            head = self._read(stream, 12)
        blocks.finish(truncated=self.truncated)
        self.truncated |= blocks.truncated
