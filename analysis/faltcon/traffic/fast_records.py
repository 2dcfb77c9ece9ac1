"""Places of the packets in a piece of a capture file, a batch at a time, compiled.

The same rules as pcap.py, for the two packet forms that make up captures: the
records of a classic file and the enhanced packet blocks of pcapng. Any other
block stops the loop, and the caller reads it with pcapng.py.
"""

from __future__ import annotations

from faltcon.traffic.fast_layout import (
    ENDED_COUNT,
    OUT_COUNT,
    R_BYTES,
    R_LINK,
    R_NS,
    R_PLACE,
    RECORD_FIELDS,
    STOP,
    STOP_DONE,
)
from faltcon.traffic.fast_memory import be32, get, le32, put
from faltcon.traffic.fast_track import track
from faltcon.traffic.jit import compiled, inlined
from faltcon.traffic.pcap import MAX_RECORD_BYTES
from faltcon.traffic.pcapng import ENHANCED_PACKET, MAX_BLOCK_BYTES, NS

__all__ = [
    "BAD",
    "FULL",
    "OTHER",
    "SHORT",
    "STOPPED",
    "blocks",
    "classic",
]

# How a batch ended: no more room for records, at the place to stop at, where more bytes are
# needed, at an impossible length, at a block of another kind.
FULL, STOPPED, SHORT, BAD, OTHER = range(5)
# Connections that are over wait for their rows to be handed out; not for long.
MOST_ENDED = 1 << 14


@inlined
def _u32(address: int, big: bool) -> int:
    return be32(address) if big else le32(address)


@inlined
def _classic(
    data: int,
    place: int,
    size: int,
    stop: int,
    big: bool,
    unit_ns: int,
    header_bytes: int,
    link_type: int,
    records: int,
    room: int,
) -> tuple[int, int, int]:
    """Fill `records` from `place` on: how many, the place after them, and how it ended.

    Places are counted from the address `data`, where `size` bytes are.
    Packets that begin before `stop` are taken; their bytes may lie beyond it.
    """
    count = 0
    while count < room:
        if place >= stop:
            return count, place, STOPPED
        head = data + place
        if place + header_bytes > size:
            return count, place, SHORT
        captured = _u32(head + 8, big)
        if captured > MAX_RECORD_BYTES:
            return count, place, BAD
        if place + header_bytes + captured > size:
            return count, place, SHORT
        record = records + count * RECORD_FIELDS * 8
        place += header_bytes
        put(record, R_PLACE, place)
        put(record, R_BYTES, captured)
        put(record, R_NS, _u32(head, big) * NS + _u32(head + 4, big) * unit_ns)
        put(record, R_LINK, link_type)
        count += 1
        place += captured
    return count, place, FULL


@inlined
def _blocks(
    data: int,
    place: int,
    size: int,
    stop: int,
    big: bool,
    interfaces: int,
    interface_count: int,
    records: int,
    room: int,
) -> tuple[int, int, int]:
    """The same for pcapng. `interfaces`: rows of link type, ticks a second, offset in seconds.

    A tick that is no whole number of nanoseconds, and anything but a sound
    packet block, is OTHER.
    """
    count = 0
    while count < room:
        if place >= stop:
            return count, place, STOPPED
        if place + 28 > size:
            return count, place, SHORT
        head = data + place
        length = _u32(head + 4, big)
        if _u32(head, big) != ENHANCED_PACKET or length < 32 or length > MAX_BLOCK_BYTES:
            return count, place, OTHER
        if length & 3:
            return count, place, OTHER
        if place + length > size:
            return count, place, SHORT
        number, captured = _u32(head + 8, big), _u32(head + 20, big)
        if number >= interface_count or captured > length - 32:
            return count, place, OTHER
        interface = interfaces + 24 * number
        resolution = get(interface, 1)
        if resolution <= 0 or NS % resolution:
            return count, place, OTHER
        ticks = _u32(head + 12, big) << 32 | _u32(head + 16, big)
        if ticks < 0 or ticks > (1 << 60) // (NS // resolution):
            return count, place, OTHER
        record = records + count * RECORD_FIELDS * 8
        put(record, R_PLACE, place + 28)
        put(record, R_BYTES, captured)
        put(record, R_NS, ticks * (NS // resolution) + get(interface, 2) * NS)
        put(record, R_LINK, get(interface, 0))
        count += 1
        place += length
    return count, place, FULL


@inlined
def _goes_on(ctl: int) -> bool:
    """Whether the next batch can be walked without a word to the caller."""
    return (
        get(ctl, STOP) == STOP_DONE
        and not get(ctl, OUT_COUNT)
        and get(ctl, ENDED_COUNT) < MOST_ENDED
    )


@compiled
def classic(
    ctl: int,
    base: int,
    data: int,
    place: int,
    size: int,
    stop: int,
    big: bool,
    unit_ns: int,
    header_bytes: int,
    link_type: int,
    records: int,
    room: int,
) -> tuple[int, int, int, int, int]:
    """Walk the records from `place` on and, where there is a control block `ctl`, track them.

    Places are counted from the address `data`, which stands at `base` in the
    file and where `size` bytes are. Packets that begin before `stop` are
    taken; their bytes may lie beyond it. The answer: how many packets, how
    many of them are in `records` now, how many of these are tracked, the place
    after them, and how it ended.
    """
    packets = 0
    while True:
        count, place, ended = _classic(
            data, place, size, stop, big, unit_ns, header_bytes, link_type, records, room
        )
        packets += count
        done = 0
        if ctl:
            done = track(ctl, data, records, 0, count, base)
        if not ctl or ended != FULL or not _goes_on(ctl):
            return packets, count, done, place, ended


@compiled
def blocks(
    ctl: int,
    base: int,
    data: int,
    place: int,
    size: int,
    stop: int,
    big: bool,
    interfaces: int,
    interface_count: int,
    records: int,
    room: int,
) -> tuple[int, int, int, int, int]:
    """The same for the packet blocks of pcapng."""
    packets = 0
    while True:
        count, place, ended = _blocks(
            data, place, size, stop, big, interfaces, interface_count, records, room
        )
        packets += count
        done = 0
        if ctl:
            done = track(ctl, data, records, 0, count, base)
        if not ctl or ended != FULL or not _goes_on(ctl):
            return packets, count, done, place, ended
