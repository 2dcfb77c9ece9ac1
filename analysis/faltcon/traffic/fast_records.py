"""Places of the packets of a mapped capture file, a batch at a time, compiled.

The same rules as pcap.py, for the two packet forms that make up captures: the
records of a classic file and the enhanced packet blocks of pcapng. Any other
block stops the loop, and the caller reads it with pcap.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.traffic.jit import compiled
from faltcon.traffic.pcap import MAX_RECORD_BYTES
from faltcon.traffic.pcapng import ENHANCED_PACKET, MAX_BLOCK_BYTES, NS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["MORE", "OTHER", "R_BYTES", "R_LINK", "R_NS", "R_PLACE", "blocks", "classic"]

R_PLACE, R_BYTES, R_NS, R_LINK = range(4)
# How a batch ended: full, at the end, in the middle of a packet, at an impossible length,
# at a block of another kind.
MORE, END, CUT, BAD, OTHER = range(5)


@compiled
def _u32(data: Bytes, place: int, big: bool) -> int:
    b0, b1 = int(data[place]), int(data[place + 1])
    b2, b3 = int(data[place + 2]), int(data[place + 3])
    if big:
        return b0 << 24 | b1 << 16 | b2 << 8 | b3
    return b3 << 24 | b2 << 16 | b1 << 8 | b0


@compiled
def classic(
    data: Bytes,
    place: int,
    stop: int,
    big: bool,
    unit_ns: int,
    header_bytes: int,
    link_type: int,
    records: Words,
) -> tuple[int, int, int]:
    """Fill `records` from `place`: how many, the place after them, and how it ended.

    Packets that begin before `stop` are taken; their bytes may lie beyond it.
    """
    size = len(data)
    count = 0
    while count < len(records):
        if place >= stop:
            return count, place, END
        if place + header_bytes > size:
            return count, place, (CUT if place < size else END)
        captured = _u32(data, place + 8, big)
        if captured > MAX_RECORD_BYTES:
            return count, place, BAD
        if place + header_bytes + captured > size:
            return count, place, CUT
        seconds, fraction = _u32(data, place, big), _u32(data, place + 4, big)
        place += header_bytes
        record = records[count]
        record[R_PLACE] = place
        record[R_BYTES] = captured
        record[R_NS] = seconds * NS + fraction * unit_ns
        record[R_LINK] = link_type
        count += 1
        place += captured
    return count, place, MORE


@compiled
def blocks(
    data: Bytes, place: int, big: bool, interfaces: Words, records: Words
) -> tuple[int, int, int]:
    """The same for pcapng. `interfaces`: rows of link type, ticks a second, offset in seconds.

    A tick that is no whole number of nanoseconds, and anything but a sound
    packet block, is OTHER.
    """
    size = len(data)
    count = 0
    while count < len(records):
        if place >= size:
            return count, place, END
        if place + 28 > size:
            return count, place, OTHER
        kind, length = _u32(data, place, big), _u32(data, place + 4, big)
        if kind != ENHANCED_PACKET or length < 32 or length > MAX_BLOCK_BYTES or length & 3:
            return count, place, OTHER
        if place + length > size:
            return count, place, OTHER
        number, captured = _u32(data, place + 8, big), _u32(data, place + 20, big)
        if number >= len(interfaces) or captured > length - 32:
            return count, place, OTHER
        resolution = interfaces[number, 1]
        if resolution <= 0 or NS % resolution:
            return count, place, OTHER
        ticks = _u32(data, place + 12, big) << 32 | _u32(data, place + 16, big)
        if ticks < 0 or ticks > (1 << 60) // (NS // resolution):
            return count, place, OTHER
        record = records[count]
        record[R_PLACE] = place + 28
        record[R_BYTES] = captured
        record[R_NS] = ticks * (NS // resolution) + interfaces[number, 2] * NS
        record[R_LINK] = interfaces[number, 0]
        count += 1
        place += length
    return count, place, MORE
