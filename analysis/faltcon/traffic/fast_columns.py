"""Rows of connections that are over to columns, compiled: each row is looked at once.

A column is a row of one of three arrays, which are as wide as there is room
for connections: 64-bit numbers, 32-bit numbers, and truth values or codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.traffic.fast_find import LINE_BYTES, ROW_BYTES, ROWS_AHEAD, end
from faltcon.traffic.fast_http import end_transactions
from faltcon.traffic.fast_layout import (
    ACK_NS,
    COMPLETE,
    CUT,
    CUT_1,
    END_NS,
    ENDED_COUNT,
    ENDED_HARD,
    F_CLIENT,
    F_CLIENT_KNOWN,
    F_CLOSED,
    F_CLOSED_BY,
    F_ESTABLISHED,
    F_EVICTED,
    F_FIN,
    F_HARD,
    F_LIVE,
    F_RESET,
    F_TLS_CLIENT,
    FIRST_NS,
    FLAGS,
    FREE_COUNT,
    HANDSHAKE_NS,
    KEY_0,
    KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    LAST_NS,
    NAMES,
    NAMES_FREE_COUNT,
    NEXT,
    NUMBER,
    OVERLAP,
    OVERLAP_1,
    P_CONN,
    P_ENDED,
    P_FREE,
    P_NAMES_FREE,
    PACKETS,
    PORTS_SHIFT,
    PROTOCOL_SHIFT,
    SIDE,
    SIDE_FIELDS,
    SYN_NS,
    SYNACK_NS,
    SYNACKS,
    SYNS,
    TLS,
)
from faltcon.traffic.fast_memory import get, prefetch, put
from faltcon.traffic.fast_ports import ON_HTTP
from faltcon.traffic.jit import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.int64]

__all__ = ["ADDRESS_FIELDS", "CODES", "NUMBERS", "TIMES", "end_all", "fill", "release"]

TIMES = (
    "connection",
    "first_ns",
    "last_ns",
    "syn_ns",
    "synack_ns",
    "ack_ns",
    "handshake_end_ns",
    "end_ns",
    "client_packets",
    "server_packets",
    "client_bytes",
    "server_bytes",
    "cut_bytes",
    "overlap_bytes",
)
NUMBERS = (
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "syns",
    "synacks",
    "http1_requests",
    "names",
)
CODES = ("client_known", "established", "tls", "tls_on_http_port", "evicted", "close", "closed_by")
ADDRESS_FIELDS = 3


@compiled
def _code(high: int, low: int, version: int, slots: Words, addresses: Words, count: int) -> int:
    """The number of an address among the different ones; `count` where it is a new one."""
    mask = len(slots) - 1
    h = (high * 0x2545F4914F6CDD1D ^ low) * (0x9E3779B97F4A7C15 - (1 << 64))
    slot = (h >> 32) & mask
    while slots[slot]:
        code = slots[slot] - 1
        if (
            addresses[code, 1] == low
            and addresses[code, 0] == high
            and addresses[code, 2] == version
        ):
            return int(code)
        slot = (slot + 1) & mask
    slots[slot] = count + 1
    addresses[count, 0], addresses[count, 1], addresses[count, 2] = high, low, version
    return count


@compiled
def fill(
    ctl: int,
    first: int,
    i: int,
    times: Words,
    numbers: NDArray[np.int32],
    codes: NDArray[np.uint8],
    slots: Words,
    addresses: Words,
    different: int,
) -> tuple[int, int, int]:
    """Fill the columns from `i` on with connections that are over, from the `first` on.

    Their transactions are handed out and their rows are free again; those of
    the reference are left alone. `different`: how many addresses the columns
    have. It ends where the columns are full, or the place for transactions:
    the number of the next one to hand out, how many the columns hold now, and
    how many addresses.
    """
    conn, ended = get(ctl, P_CONN), get(ctl, P_ENDED)
    count = get(ctl, ENDED_COUNT)
    free, names_free = get(ctl, FREE_COUNT), get(ctl, NAMES_FREE_COUNT)
    for j in range(first, count):
        number = get(ended, j)
        row = conn + number * ROW_BYTES
        if j + ROWS_AHEAD < count:
            ahead = conn + get(ended, j + ROWS_AHEAD) * ROW_BYTES
            for line in range(ROW_BYTES // LINE_BYTES):
                prefetch(ahead + line * LINE_BYTES)
        flags, key = get(row, FLAGS), get(row, KEY_4)
        if flags & F_HARD:
            put(ended, get(ctl, ENDED_HARD), number)
            put(ctl, ENDED_HARD, get(ctl, ENDED_HARD) + 1)
            continue
        if i == times.shape[1] or not end_transactions(ctl, row):
            put(ctl, FREE_COUNT, free)
            put(ctl, NAMES_FREE_COUNT, names_free)
            return j, i, different
        version = key >> 32
        # The key's halves, as sides 0 and 1 of the connection have them.
        swapped = (flags >> 1) & 1
        port_0, port_1 = (key >> 16) & 0xFFFF, key & 0xFFFF
        if swapped:
            port_0, port_1 = port_1, port_0
        known = flags & F_CLIENT_KNOWN != 0
        # Where no SYN was seen the opening side is the one with the higher port.
        client = (1 if flags & F_CLIENT else 0) if known else (1 if port_0 < port_1 else 0)
        second = client ^ swapped
        first = _code(get(row, KEY_0), get(row, KEY_1), version, slots, addresses, different)
        different = max(different, first + 1)
        last = _code(get(row, KEY_2), get(row, KEY_3), version, slots, addresses, different)
        different = max(different, last + 1)
        numbers[0, i] = last if second else first
        numbers[1, i] = port_1 if client else port_0
        numbers[2, i] = first if second else last
        numbers[3, i] = port_0 if client else port_1
        numbers[4, i] = get(row, SYNS)
        numbers[5, i] = get(row, SYNACKS)
        numbers[6, i] = get(row, COMPLETE)
        mine = row + (SIDE + client * SIDE_FIELDS) * 8
        peer = row + (SIDE + (1 - client) * SIDE_FIELDS) * 8
        times[0, i] = get(row, NUMBER)
        times[1, i] = get(row, FIRST_NS)
        times[2, i] = get(row, LAST_NS)
        times[3, i] = get(row, SYN_NS)
        times[4, i] = get(row, SYNACK_NS)
        times[5, i] = get(row, ACK_NS)
        times[6, i] = get(row, HANDSHAKE_NS)
        times[7, i] = get(row, END_NS)
        times[8, i] = get(mine, PACKETS)
        times[9, i] = get(peer, PACKETS)
        times[10, i] = get(mine, NEXT)
        times[11, i] = get(peer, NEXT)
        times[12, i] = get(row, CUT) + get(row, CUT_1)
        times[13, i] = get(row, OVERLAP) + get(row, OVERLAP_1)
        tls = (flags >> PROTOCOL_SHIFT) & 3 == TLS
        codes[0, i] = known
        codes[1, i] = flags & F_ESTABLISHED != 0
        codes[2, i] = tls and flags & F_TLS_CLIENT != 0
        codes[3, i] = tls and (flags >> PORTS_SHIFT) & ON_HTTP != 0
        codes[4, i] = flags & F_EVICTED != 0
        fins = (1 if flags & F_FIN else 0) + (1 if flags & F_FIN << 1 else 0)
        codes[5, i] = 3 if flags & F_RESET else fins
        closer = 1 if flags & F_CLOSED_BY else 0
        codes[6, i] = (1 + (closer ^ client)) if flags & F_CLOSED else 0
        names = get(row, NAMES)
        numbers[7, i] = names
        if names >= 0:
            put(get(ctl, P_NAMES_FREE), names_free, names)
            names_free += 1
        put(row, FLAGS, 0)
        put(get(ctl, P_FREE), free, number)
        free += 1
        i += 1
    put(ctl, FREE_COUNT, free)
    put(ctl, NAMES_FREE_COUNT, names_free)
    return count, i, different


@compiled
def release(ctl: int) -> None:
    """The rows that the columns left to the reference may be given anew too."""
    count = get(ctl, ENDED_HARD)
    free, names_free = get(ctl, FREE_COUNT), get(ctl, NAMES_FREE_COUNT)
    for i in range(count):
        number = get(get(ctl, P_ENDED), i)
        row = get(ctl, P_CONN) + number * ROW_BYTES
        put(row, FLAGS, 0)
        put(get(ctl, P_FREE), free + i, number)
        names = get(row, NAMES)
        if names >= 0:
            put(get(ctl, P_NAMES_FREE), names_free, names)
            names_free += 1
    put(ctl, FREE_COUNT, free + count)
    put(ctl, NAMES_FREE_COUNT, names_free)
    put(ctl, ENDED_COUNT, 0)
    put(ctl, ENDED_HARD, 0)


@compiled
def end_all(ctl: int, rows: int) -> None:
    """The capture is over: so are all connections."""
    for number in range(rows):
        row = get(ctl, P_CONN) + number * ROW_BYTES
        if get(row, FLAGS) & F_LIVE:
            end(ctl, row)
