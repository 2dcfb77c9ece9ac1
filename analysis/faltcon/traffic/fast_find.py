"""Connections by their keys, compiled: an open-addressing table of rows, new rows, rows let go.

An entry is one word: 31 bits of the hash, then the row's number and 1; 0 is
empty. Nothing is deleted: letting go builds the table anew.
"""

from __future__ import annotations

from faltcon.traffic.fast_layout import (
    ACK_NS,
    BASE_SEQ,
    BASE_SEQ_1,
    BOTH_FINS,
    CONN_FIELDS,
    CONNECTIONS,
    CURRENT_TX,
    CURRENT_TX_1,
    END_NS,
    ENDED_COUNT,
    F_BASE,
    F_DEFERRED,
    F_LIVE,
    F_RESET,
    F_SWAPPED,
    FIRST_NS,
    FIRST_PLACE,
    FLAGS,
    FREE_COUNT,
    HANDSHAKE_NS,
    KEY_0,
    KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    LAST_METHOD,
    LAST_NS,
    LAST_TX,
    MASK,
    NAMES,
    NUMBER,
    OPEN_TX,
    P_CONN,
    P_ENDED,
    P_FREE,
    P_TABLE,
    PORTS_SHIFT,
    SIDE,
    SPECULATIVE,
    SYN_NS,
    SYNACK_NS,
    TABLE_MASK,
    UNSET,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import get, prefetch, put
from faltcon.traffic.fast_ports import port_kind
from faltcon.traffic.ip import ACK, SYN
from faltcon.traffic.jit import compiled, inlined

__all__ = [
    "LINE_BYTES",
    "ROWS_AHEAD",
    "ROW_BYTES",
    "end",
    "fetch",
    "find",
    "hash_of",
    "rebuild",
    "sweep",
]

ROW_BYTES = CONN_FIELDS * WORD_BYTES
# Of the processor's cache.
LINE_BYTES = 64
# Rows are asked for so many before they are needed.
ROWS_AHEAD = 8
# Odd numbers without meaning that spread a key's bits, as signed words.
MIX_1 = 0x9E3779B97F4A7C15 - (1 << 64)
MIX_2 = 0xC2B2AE3D27D4EB4F - (1 << 64)
MIX_3 = 0xFF51AFD7ED558CCD - (1 << 64)


@inlined
def hash_of(k0: int, k1: int, k2: int, k3: int, k4: int) -> int:
    """63 bits; the lower choose the place in the table, the upper 31 are kept in it."""
    h = k1 * MIX_1 ^ k3 * MIX_2 ^ k4 * MIX_3 ^ (k0 ^ k2 * MIX_1) * MIX_2
    h ^= (h >> 29) & 0x7FFFFFFFF
    h *= MIX_1
    return (h ^ (h >> 32)) & 0x7FFFFFFFFFFFFFFF


@inlined
def fetch(ctl: int, h: int, flags: int, fresh: int) -> int:
    """Bring the row that a hash may lead to nearer; it is needed soon.

    A SYN likely begins a connection in a row that is free; `fresh` others do
    so before it. The answer is how many do so with it.
    """
    entry = get(get(ctl, P_TABLE), h & get(ctl, TABLE_MASK))
    if entry:
        row = get(ctl, P_CONN) + ((entry & MASK) - 1) * ROW_BYTES
        prefetch(row)
        prefetch(row + SIDE * WORD_BYTES)
        if flags & SYN:
            prefetch(row + BASE_SEQ * WORD_BYTES)
    if flags & (SYN | ACK) != SYN:
        return 0
    free = get(get(ctl, P_FREE), get(ctl, FREE_COUNT) - 1 - fresh)
    row = get(ctl, P_CONN) + free * ROW_BYTES
    for line in range(ROW_BYTES // LINE_BYTES):
        prefetch(row + line * LINE_BYTES)
    return 1


@inlined
def find(
    ctl: int,
    k0: int,
    k1: int,
    k2: int,
    k3: int,
    k4: int,
    h: int,
    second: int,
    flags: int,
    seq: int,
    ack: int,
    ns: int,
    place: int,
) -> tuple[int, int]:
    """Row and side of a segment's connection, a new one where none of its key goes on.

    `h`: hash_of the key; `second`: whether the sender is the key's second half. Sequence numbers at
    which the connection began are noted, because they tell a new SYN from one
    sent again.
    """
    table, mask, conn = get(ctl, P_TABLE), get(ctl, TABLE_MASK), get(ctl, P_CONN)
    tag = h >> 32
    slot = h & mask
    row = 0
    while True:
        entry = get(table, slot)
        if entry == 0:
            break
        if entry >> 32 == tag:
            row = conn + ((entry & MASK) - 1) * ROW_BYTES
            if (
                get(row, KEY_4) == k4
                and get(row, KEY_1) == k1
                and get(row, KEY_3) == k3
                and get(row, KEY_0) == k0
                and get(row, KEY_2) == k2
            ):
                break
            row = 0
        slot = (slot + 1) & mask
    side = 0
    if row:
        held = get(row, FLAGS)
        side = second ^ ((held >> 1) & 1)
        if flags & (SYN | ACK) == SYN and not held & F_DEFERRED:
            known = held & (F_BASE << side)
            if known and get(row, BASE_SEQ + side) != seq:
                end(ctl, row)
                row, side = 0, 0
    if not row:
        free = get(ctl, FREE_COUNT) - 1
        put(ctl, FREE_COUNT, free)
        number = get(get(ctl, P_FREE), free)
        put(table, slot, tag << 32 | (number + 1))
        row = conn + number * ROW_BYTES
        _begin(row, ns)
        put(row, KEY_0, k0)
        put(row, KEY_1, k1)
        put(row, KEY_2, k2)
        put(row, KEY_3, k3)
        put(row, KEY_4, k4)
        put(row, FIRST_PLACE, place)
        held = F_LIVE | (F_SWAPPED if second else 0)
        held |= port_kind((k4 >> 16) & 0xFFFF, k4 & 0xFFFF) << PORTS_SHIFT
        if get(ctl, SPECULATIVE) and flags & (SYN | ACK) != SYN:
            held |= F_DEFERRED
        else:
            put(row, NUMBER, get(ctl, CONNECTIONS))
            put(ctl, CONNECTIONS, get(ctl, CONNECTIONS) + 1)
        put(row, FLAGS, held)
    held = get(row, FLAGS)
    bases = (F_BASE | F_BASE << 1) if flags & ACK else F_BASE << side
    if held & bases != bases:
        if not held & (F_BASE << side):
            put(row, BASE_SEQ + side, seq if flags & SYN else (seq - 1) & MASK)
        if flags & ACK and not held & (F_BASE << (1 - side)):
            put(row, BASE_SEQ_1 - side, (ack - 1) & MASK)
        put(row, FLAGS, held | bases)
    return row, side


@compiled
def _begin(row: int, ns: int) -> None:
    for field in range(CONN_FIELDS):
        put(row, field, 0)
    put(row, FIRST_NS, ns)
    put(row, LAST_NS, ns)
    put(row, SYN_NS, UNSET)
    put(row, SYNACK_NS, UNSET)
    put(row, ACK_NS, UNSET)
    put(row, HANDSHAKE_NS, UNSET)
    put(row, END_NS, UNSET)
    put(row, OPEN_TX, -1)
    put(row, LAST_TX, -1)
    put(row, CURRENT_TX, -1)
    put(row, CURRENT_TX_1, -1)
    put(row, LAST_METHOD, -1)
    put(row, NAMES, -1)


@compiled
def end(ctl: int, row: int) -> None:
    """The connection of this row is over; its key no longer leads to it."""
    put(row, FLAGS, get(row, FLAGS) & ~F_LIVE)
    count = get(ctl, ENDED_COUNT)
    put(get(ctl, P_ENDED), count, (row - get(ctl, P_CONN)) // ROW_BYTES)
    put(ctl, ENDED_COUNT, count + 1)


@compiled
def rebuild(ctl: int, rows: int) -> None:
    """Fill the table, which holds zeros, with the live ones of so many rows."""
    table, mask, conn = get(ctl, P_TABLE), get(ctl, TABLE_MASK), get(ctl, P_CONN)
    for number in range(rows):
        row = conn + number * ROW_BYTES
        prefetch(row + ROWS_AHEAD * ROW_BYTES)
        if get(row, FLAGS) & F_LIVE:
            h = hash_of(
                get(row, KEY_0), get(row, KEY_1), get(row, KEY_2), get(row, KEY_3), get(row, KEY_4)
            )
            slot = h & mask
            while get(table, slot):
                slot = (slot + 1) & mask
            put(table, slot, (h >> 32) << 32 | (number + 1))


@compiled
def sweep(ctl: int, rows: int, before_ns: int) -> int:
    """End the closed connections whose last packet came before or at this time.

    The answer is how many go on.
    """
    conn = get(ctl, P_CONN)
    live = 0
    for number in range(rows):
        row = conn + number * ROW_BYTES
        prefetch(row + ROWS_AHEAD * ROW_BYTES)
        flags = get(row, FLAGS)
        if flags & F_LIVE:
            closed = flags & F_RESET or flags & BOTH_FINS == BOTH_FINS
            if closed and get(row, LAST_NS) <= before_ns:
                end(ctl, row)
            else:
                live += 1
    return live
