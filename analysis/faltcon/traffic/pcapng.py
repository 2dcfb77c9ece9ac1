"""Blocks of a pcapng file: what each says, apart from where its bytes come from.

Source: draft-ietf-opsawg-pcapng (sections, interfaces, `if_tsresol`,
`if_tsoffset`, the three kinds of packet block).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import FormatError, TruncatedInputError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["MAX_BLOCK_BYTES", "NS", "PCAPNG_MAGIC", "Blocks", "Packet"]

NS = 1_000_000_000
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
# Blocks also hold name lists and secrets, which may be larger than a packet.
MAX_BLOCK_BYTES = 16 * 1024 * 1024
INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 1, 2, 3, 6
TSRESOL, TSOFFSET = 9, 14
LATEST_NS = (1 << 62) - 1
# Where a packet's bytes begin, counted from the start of its block.
FULL_PACKET_PLACE, SIMPLE_PACKET_PLACE = 28, 12


@dataclass(slots=True, frozen=True)
class Packet:
    """One captured packet: its time since the epoch, its link type, and its bytes."""

    time_ns: int
    link_type: int
    data: bytes
    wire_bytes: int
    # Where in its block the bytes begin; 0 for records of a classic file.
    place: int = 0


@dataclass(slots=True, frozen=True)
class _Interface:
    link_type: int
    snap_bytes: int
    # Ticks a second, and seconds to add to every time.
    resolution: int
    offset_s: int


class Blocks:
    """Reads blocks one by one, and remembers the section's byte order and interfaces.

    `stopped` says that no more can be read, `truncated` that the file ends in
    the middle of a block; unusable blocks are counted in `skipped`.
    """

    def __init__(self, file: str | Path, skipped: Counter[str]) -> None:
        self.file = file
        self.skipped = skipped
        self.order = "<"
        self.interfaces: list[_Interface] = []
        self.packets = 0
        self.truncated = False
        self.stopped = False

    def step(self, head: bytes, read: Callable[[int], bytes]) -> Packet | None:
        """The packet of the block that begins with these 12 bytes, None where it holds none.

        `read` gives the bytes that follow. Raises FormatError where nothing
        good came before a length that cannot be true.
        """
        if len(head) < 12:
            self.truncated = self.stopped = True
            return None
        if head[:4] == PCAPNG_MAGIC:
            self.order = self._byte_order(head[8:12])
            self.interfaces = []
        kind, size = struct.unpack_from(self.order + "II", head)
        if size < 12 or size > MAX_BLOCK_BYTES:
            reason = "block of impossible length"
            if not self.packets:
                raise FormatError(self.file, reason, place="packet 1", mend="record it again")
            self.skipped[reason] += 1
            self.truncated = self.stopped = True
            return None
        # Lengths are padded to 4 bytes by rule; some writers forget it in the total.
        body = head[8:12] + read(size - 12 + (-size) % 4)
        if len(body) < size - 8:
            self.truncated = self.stopped = True
            return None
        packet = self._block(kind, body[: size - 12])
        self.packets += packet is not None
        return packet

    def finish(self, *, truncated: bool) -> None:
        """The file is over. Raises TruncatedInputError where it was cut before any interface."""
        if not self.packets and (truncated or self.truncated) and not self.interfaces:
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

    def _block(self, kind: int, body: bytes) -> Packet | None:
        try:
            if kind == INTERFACE:
                self.interfaces.append(_interface(self.order, body))
            elif kind in {ENHANCED_PACKET, OLD_PACKET}:
                return self._full_packet(kind, body)
            elif kind == SIMPLE_PACKET and self.interfaces:
                wire = struct.unpack_from(self.order + "I", body)[0]
                first = self.interfaces[0]
                captured = min(wire, first.snap_bytes or wire, len(body) - 4)
                return Packet(0, first.link_type, body[4 : 4 + captured], wire, SIMPLE_PACKET_PLACE)
            elif kind == SIMPLE_PACKET:
                self.skipped["packet block without its interface"] += 1
        except struct.error:
            self.skipped["block too short for its kind"] += 1
        return None

    def _full_packet(self, kind: int, body: bytes) -> Packet | None:
        form = "IIIII" if kind == ENHANCED_PACKET else "HHIIII"
        fields = struct.unpack_from(self.order + form, body)
        number = fields[0]
        high, low, captured, wire = fields[-4:]
        if number >= len(self.interfaces):
            self.skipped["packet block without its interface"] += 1
            return None
        if captured > len(body) - 20:
            self.skipped["packet longer than its block"] += 1
            return None
        interface = self.interfaces[number]
        ticks = (high << 32) | low
        time_ns = ticks * NS // interface.resolution + interface.offset_s * NS
        # Broken clocks give times that 64 bits of nanoseconds cannot hold; the packet is good.
        time_ns = max(-LATEST_NS, min(time_ns, LATEST_NS))
        return Packet(
            time_ns, interface.link_type, body[20 : 20 + captured], wire, FULL_PACKET_PLACE
        )


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
