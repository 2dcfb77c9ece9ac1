"""Packets to connections, compiled: the common link, IP and TCP forms.

What is not common stops the loop (`STOP_SLOW`): the caller lets the reference
implementation find the segment and brings it back through `take_segment`. A
connection that needs the reference for its payload is marked in `hard`; a
second walk, which numbers connections in the same way, hands over its packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic.fast_layout import (
    ACK_NS,
    ALPN_BYTES,
    BASE_SEQ,
    C_CONNECTIONS,
    C_FIRST_TCP,
    C_ICMP,
    C_ICMPV6,
    C_OUT,
    C_STOP,
    C_TCP,
    C_TRANSACTIONS,
    C_UDP,
    CLIENT,
    CLOSED_BY,
    CONN_FIELDS,
    CURRENT_TX,
    CUT,
    END_NS,
    FINS,
    FIRST_NS,
    HANDSHAKE_NS,
    KEY_0,
    KEY_4,
    LAST_METHOD,
    LAST_NS,
    LAST_TX,
    NAME_BYTES,
    NEXT,
    OPEN_TX,
    OUT_ACK,
    OUT_BYTES,
    OUT_CONNECTION,
    OUT_FLAGS,
    OUT_KEY_SIDE,
    OUT_NS,
    OUT_PLACE,
    OUT_SEQ,
    OUT_SIDE,
    OUT_WINDOW,
    OUT_WIRE,
    OVERLAP,
    PACKETS,
    RESET_BY,
    SIDE,
    SIDE_FIELDS,
    START_SEQ,
    STOP_DONE,
    STOP_FULL,
    STOP_SLOW,
    SWAPPED,
    SYN_NS,
    SYN_SEQ,
    SYNACK_NS,
    SYNACK_SEQ,
    SYNACKS,
    SYNS,
    UNIQUE,
    UNSET,
)
from faltcon.traffic.fast_payload import cut_off, port_kind, take_piece
from faltcon.traffic.ip import ACK, FIN, RST, SYN
from faltcon.traffic.jit import compiled
from faltcon.traffic.pcap import MAX_RECORD_BYTES
from faltcon.traffic.reassembly import HALF, MASK
from faltcon.traffic.tunnels import UDP_TUNNELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["rehash", "take_segment", "track"]

TUNNEL_PORTS = np.zeros(65536, dtype=np.bool_)
TUNNEL_PORTS[list(UDP_TUNNELS)] = True
# Numbers without meaning that spread a key's bits (odd, and dense in ones and zeros).
MIX_1 = np.uint64(0x9E3779B97F4A7C15)
MIX_2 = np.uint64(0xC2B2AE3D27D4EB4F)
# A segment holds this many messages at most; transactions are kept free for them.
MOST_MESSAGES = MAX_RECORD_BYTES // 16


@compiled
def _hash(k0: int, k1: int, k2: int, k3: int, k4: int) -> int:
    h = (
        np.uint64(k1) * MIX_1
        ^ np.uint64(k3) * MIX_2
        ^ np.uint64(k4) * np.uint64(0xFF51AFD7ED558CCD)
    )
    h ^= (np.uint64(k0) ^ np.uint64(k2) * MIX_1) * MIX_2
    h ^= h >> np.uint64(29)
    h *= MIX_1
    h ^= h >> np.uint64(32)
    return int(h & np.uint64(0x7FFFFFFFFFFFFFFF))


@compiled
def rehash(table: Words, conn: Words, count: int) -> None:
    """Fill an empty table with the newest connection of each key."""
    mask = len(table) - 1
    for number in range(count):
        slot = (
            _hash(
                conn[number, 0],
                conn[number, 1],
                conn[number, 2],
                conn[number, 3],
                conn[number, 4],
            )
            & mask
        )
        while True:
            held = table[slot]
            same = held >= 0
            for i in range(KEY_0, KEY_4 + 1):
                same = same and conn[held, i] == conn[number, i]
            if held < 0 or same:
                table[slot] = number
                break
            slot = (slot + 1) & mask


@compiled
def _new(conn: Words, number: int, from_second: int, ns: int) -> None:
    for i in range(KEY_4 + 1, CONN_FIELDS):
        conn[number, i] = 0
    conn[number, SWAPPED] = from_second
    conn[number, FIRST_NS] = ns
    conn[number, LAST_NS] = ns
    conn[number, SYN_NS] = UNSET
    conn[number, SYNACK_NS] = UNSET
    conn[number, ACK_NS] = UNSET
    conn[number, HANDSHAKE_NS] = UNSET
    conn[number, END_NS] = UNSET
    conn[number, CLIENT] = UNSET
    conn[number, RESET_BY] = UNSET
    conn[number, CLOSED_BY] = UNSET
    conn[number, OPEN_TX] = UNSET
    conn[number, LAST_TX] = UNSET
    conn[number, LAST_METHOD] = UNSET
    conn[number, NAME_BYTES] = 0
    conn[number, ALPN_BYTES] = 0
    for side in range(2):
        mine = SIDE + side * SIDE_FIELDS
        conn[number, mine + BASE_SEQ] = UNSET
        conn[number, mine + START_SEQ] = UNSET
        conn[number, mine + CURRENT_TX] = UNSET


@compiled
def take_segment(
    data: Bytes,
    key: Words,
    out: Words,
    o: int,
    slow: bool,
    table: Words,
    conn: Words,
    tx: Words,
    hard: NDArray[np.uint8],
    counters: Words,
    answer: Words,
    replay: bool,
) -> int:
    """Account for one segment; the number of its connection. `out[o]` is its OUT_ row.

    OUT_KEY_SIDE says whether the sender is the key's second half; OUT_SIDE and
    OUT_CONNECTION are filled in. With `replay` only numbering is done.
    """
    seq, ack, flags = out[o, OUT_SEQ], out[o, OUT_ACK], out[o, OUT_FLAGS]
    ns, from_second = out[o, OUT_NS], out[o, OUT_KEY_SIDE]
    counters[C_TCP] += 1
    counters[C_FIRST_TCP] = min(counters[C_FIRST_TCP], ns)
    mask = len(table) - 1
    slot = _hash(key[0], key[1], key[2], key[3], key[4]) & mask
    number = -1
    while table[slot] >= 0:
        held = table[slot]
        if (
            conn[held, 4] == key[4]
            and conn[held, 1] == key[1]
            and conn[held, 3] == key[3]
            and conn[held, 0] == key[0]
            and conn[held, 2] == key[2]
        ):
            number = held
            break
        slot = (slot + 1) & mask
    side = 0
    if number >= 0:
        side = from_second ^ conn[number, SWAPPED]
        base = conn[number, SIDE + side * SIDE_FIELDS + BASE_SEQ]
        if flags & (SYN | ACK) == SYN and base != UNSET and base != seq:
            number = -1
    if number < 0:
        number = counters[C_CONNECTIONS]
        counters[C_CONNECTIONS] += 1
        table[slot] = number
        for i in range(5):
            conn[number, i] = key[i]
        _new(conn, number, from_second, ns)
        side = 0
    out[o, OUT_CONNECTION] = number
    out[o, OUT_SIDE] = side
    if slow:
        hard[number] = 1
    mine = SIDE + side * SIDE_FIELDS
    peer = SIDE + (1 - side) * SIDE_FIELDS
    if conn[number, mine + BASE_SEQ] == UNSET:
        conn[number, mine + BASE_SEQ] = seq if flags & SYN else (seq - 1) & MASK
    if flags & ACK and conn[number, peer + BASE_SEQ] == UNSET:
        conn[number, peer + BASE_SEQ] = (ack - 1) & MASK
    if hard[number] or replay:
        return int(number)
    conn[number, mine + PACKETS] += 1
    conn[number, LAST_NS] = max(conn[number, LAST_NS], ns)
    _handshake(conn, number, flags, seq, ack, side, ns)
    if flags & SYN:
        seq = (seq + 1) & MASK
        if conn[number, mine + START_SEQ] == UNSET:
            conn[number, mine + START_SEQ] = seq
    if out[o, OUT_WIRE] and not flags & RST:
        ports = port_kind((key[4] >> 16) & 0xFFFF, key[4] & 0xFFFF)
        if not _payload(data, out, o, seq, number, side, ports, conn, tx, counters, answer):
            hard[number] = 1
    if flags & RST:
        if conn[number, RESET_BY] == UNSET:
            conn[number, RESET_BY] = side
        if conn[number, HANDSHAKE_NS] == UNSET:
            conn[number, HANDSHAKE_NS] = ns
    if flags & FIN:
        conn[number, FINS] |= 1 << side
    if flags & (RST | FIN) and conn[number, CLOSED_BY] == UNSET:
        conn[number, CLOSED_BY] = side
        conn[number, END_NS] = ns
    return int(number)


@compiled
def _handshake(
    conn: Words, number: int, flags: int, seq: int, ack: int, side: int, ns: int
) -> None:
    kind = flags & (SYN | ACK | RST)
    if kind == SYN:
        conn[number, SYNS] += 1
        if conn[number, SYN_NS] == UNSET:
            conn[number, SYN_NS] = ns
            conn[number, SYN_SEQ] = seq
            conn[number, CLIENT] = side
    elif kind == SYN | ACK:
        conn[number, SYNACKS] += 1
        if conn[number, CLIENT] == UNSET:
            conn[number, CLIENT] = 1 - side
        if conn[number, SYNACK_NS] == UNSET and side != conn[number, CLIENT]:
            conn[number, SYNACK_NS] = ns
            conn[number, SYNACK_SEQ] = seq
    elif kind == ACK and side == conn[number, CLIENT] and conn[number, ACK_NS] == UNSET:
        answered = conn[number, SYN_NS] != UNSET and conn[number, SYNACK_NS] != UNSET
        if answered and 0 < (ack - conn[number, SYNACK_SEQ]) & MASK < HALF:
            conn[number, ACK_NS] = ns
            conn[number, HANDSHAKE_NS] = ns


@compiled
def _payload(
    data: Bytes,
    out: Words,
    o: int,
    seq: int,
    number: int,
    side: int,
    ports: int,
    conn: Words,
    tx: Words,
    counters: Words,
    answer: Words,
) -> bool:
    """Take a segment's bytes if they come next or came before; a hole is for the reference."""
    mine = SIDE + side * SIDE_FIELDS
    if conn[number, mine + START_SEQ] == UNSET:
        conn[number, mine + START_SEQ] = seq
    wire = out[o, OUT_WIRE]
    ahead = (seq - conn[number, mine + START_SEQ] - conn[number, mine + NEXT]) & MASK
    start = conn[number, mine + NEXT] + (ahead - (MASK + 1) if ahead >= HALF else ahead)
    if start > conn[number, mine + NEXT]:
        return False
    known = conn[number, mine + NEXT] - start
    if known >= wire:
        conn[number, mine + OVERLAP] += wire
        return True
    conn[number, mine + OVERLAP] += known
    conn[number, mine + UNIQUE] += wire - known
    place = out[o, OUT_PLACE] + known
    end = out[o, OUT_PLACE] + min(out[o, OUT_BYTES], wire)
    good = True
    if end > place:
        conn[number, mine + NEXT] += end - place
        good = take_piece(
            data, place, end, out[o, OUT_NS], number, side, ports, conn, tx, counters, answer
        )
    lost = start + wire - conn[number, mine + NEXT]
    if good and lost > 0:
        conn[number, mine + NEXT] += lost
        conn[number, mine + CUT] += lost
        good = cut_off(number, side, lost, conn, tx)
    return good


@compiled
def _u16(data: Bytes, place: int) -> int:
    return int(data[place]) << 8 | int(data[place + 1])


@compiled
def _u32(data: Bytes, place: int) -> int:
    return (
        int(data[place]) << 24
        | int(data[place + 1]) << 16
        | int(data[place + 2]) << 8
        | int(data[place + 3])
    )


@compiled
def _i64(data: Bytes, place: int) -> np.int64:
    # Explicit, because numba makes a float of a signed and an unsigned word.
    return np.int64(_u32(data, place)) << np.int64(32) | np.int64(_u32(data, place + 4))


@compiled
def _ip_place(data: Bytes, place: int, end: int, link_type: int) -> int:
    """Where the IP header of a frame of a common link type is; -1 for anything else."""
    if link_type == 1:
        place += 12
    elif link_type == 113:
        place += 14
    elif link_type == 276:
        if place + 20 > end or (_u16(data, place) != 0x0800 and _u16(data, place) != 0x86DD):
            return -1
        return place + 20
    elif link_type in (12, 14, 101, 228, 229):
        return place
    elif link_type == 0 or link_type == 108:
        if place + 4 > end or not (
            (data[place] == 2 and data[place + 3] == 0)
            or (data[place] == 0 and data[place + 3] == 2)
        ):
            return -1
        return place + 4 if data[place + 1] == 0 and data[place + 2] == 0 else -1
    else:
        return -1
    for _ in range(3):
        if place + 2 > end:
            return -1
        kind = _u16(data, place)
        place += 2
        if kind == 0x0800 or kind == 0x86DD:
            return place
        if kind != 0x8100 and kind != 0x88A8:
            return -1
        place += 2
    return -1


@compiled
def _parse(
    data: Bytes, place: int, end: int, key: Words, out: Words, o: int, counters: Words
) -> int:
    """Read IP and TCP headers into `key` and `segment`: 1 a segment, 0 none (counted), -1 slow."""
    if end - place < 20:
        return -1
    version = data[place] >> 4
    if version == 4:
        header = (data[place] & 15) * 4
        total = _u16(data, place + 2)
        if not total:
            total = end - place
        if header < 20 or total < header or place + header > end:
            return -1
        if _u16(data, place + 6) & 0x3FFF:
            return -1
        kind = data[place + 9]
        body = place + header
    elif version == 6:
        total = _u16(data, place + 4) + 40
        if end - place < 40 or total == 40:
            return -1
        kind = data[place + 6]
        body = place + 40
    else:
        return -1
    end = min(end, place + total)
    wire = place + total - body
    if kind != 6:
        if kind == 17:
            if body + 8 > end or _u16(data, body + 4) < 8:
                return -1
            if TUNNEL_PORTS[_u16(data, body)] or TUNNEL_PORTS[_u16(data, body + 2)]:
                return -1
            counters[C_UDP] += 1
            return 0
        if kind == 1:
            counters[C_ICMP] += 1
            return 0
        if kind == 58:
            counters[C_ICMPV6] += 1
            return 0
        return -1
    if body + 20 > end:
        return -1
    size = (data[body + 12] >> 4) * 4
    if size < 20 or body + size > end:
        return -1
    sport, dport = _u16(data, body), _u16(data, body + 2)
    shi, slo = np.int64(0), np.int64(_u32(data, place + 12))
    dhi, dlo = np.int64(0), np.int64(_u32(data, place + 16))
    if version == 6:
        shi, slo = _i64(data, place + 8), _i64(data, place + 16)
        dhi, dlo = _i64(data, place + 24), _i64(data, place + 32)
    second = 0
    if shi > dhi or (shi == dhi and (slo > dlo or (slo == dlo and sport > dport))):
        second = 1
        shi, slo, sport, dhi, dlo, dport = dhi, dlo, dport, shi, slo, sport
    key[0], key[1], key[2], key[3] = shi, slo, dhi, dlo
    key[4] = int(version) << 32 | sport << 16 | dport
    out[o, OUT_KEY_SIDE] = second
    out[o, OUT_SEQ] = _u32(data, body + 4)
    out[o, OUT_ACK] = _u32(data, body + 8)
    out[o, OUT_FLAGS] = data[body + 13] & 0x3F
    out[o, OUT_WINDOW] = _u16(data, body + 14)
    out[o, OUT_PLACE] = body + size
    out[o, OUT_BYTES] = end - body - size
    out[o, OUT_WIRE] = max(wire - size, 0)
    return 1


@compiled
def track(
    data: Bytes,
    records: Words,
    first: int,
    count: int,
    key: Words,
    table: Words,
    conn: Words,
    tx: Words,
    hard: NDArray[np.uint8],
    counters: Words,
    answer: Words,
    out: Words,
    replay: bool,
) -> int:
    """Track the packets `first` to `count` of a batch; the number of the packet it stopped at.

    `records`: rows of place, captured bytes, time in ns, link type. Why it
    stopped is in counters[C_STOP]. In a replay, segments of hard connections
    are appended to `out` (counters[C_OUT] rows).
    """
    for i in range(first, count):
        used = counters[C_CONNECTIONS]
        if used >= len(conn) or 2 * used >= len(table):
            counters[C_STOP] = STOP_FULL
            return i
        if counters[C_TRANSACTIONS] + MOST_MESSAGES >= len(tx) or counters[C_OUT] >= len(out):
            counters[C_STOP] = STOP_FULL
            return i
        place, end = records[i, 0], records[i, 0] + records[i, 1]
        o = counters[C_OUT]
        found = -1
        ip = _ip_place(data, place, end, records[i, 3])
        if ip >= 0:
            found = _parse(data, ip, end, key, out, o, counters)
        if found < 0:
            counters[C_STOP] = STOP_SLOW
            return i
        if found:
            out[o, OUT_NS] = records[i, 2]
            number = take_segment(
                data, key, out, o, False, table, conn, tx, hard, counters, answer, replay
            )
            if replay and hard[number]:
                counters[C_OUT] += 1
    counters[C_STOP] = STOP_DONE
    return count
