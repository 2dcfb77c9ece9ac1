"""What a contiguous piece of payload means, compiled: the protocol that it begins or goes on with.

Each function answers how many bytes were understood; with the byte after them
the reference implementation takes the connection over. The rules are those of
protocols.py, for the cases that need no buffer.
"""

from __future__ import annotations

from faltcon.traffic import fast_head as head
from faltcon.traffic.fast_http import body_of, read_messages, set_body, skip_lost
from faltcon.traffic.fast_layout import (
    FLAGS,
    HELLO_DONE,
    HTTP1,
    PROTOCOL_SHIFT,
    TLS,
    TX_COUNT,
    UNKNOWN,
)
from faltcon.traffic.fast_memory import be16, get, put, u8
from faltcon.traffic.fast_ports import ON_HTTP, ON_NEVER, ON_TLS
from faltcon.traffic.fast_tls import read_hello
from faltcon.traffic.jit import compiled
from faltcon.traffic.protocols import MAX_FIRST_LINE_BYTES
from faltcon.traffic.tls import MAX_RECORD_BYTES

__all__ = ["cut_off", "take_piece"]

NOTHING, HARD, IS_TLS, IS_HTTP = range(4)


@compiled
def _begins_record(place: int, end: int) -> bool:
    if end - place < 5 or not 20 <= u8(place) <= 24:
        return False
    if u8(place + 1) != 3 or u8(place + 2) > 4:
        return False
    return 0 < be16(place + 3) <= MAX_RECORD_BYTES


@compiled
def _is_http1(place: int, end: int) -> bool:
    line_end = place
    while line_end < end and u8(line_end) != 0x0A:
        line_end += 1
    if line_end == end:
        return False
    while line_end > place and u8(line_end - 1) == 0x0D:
        line_end -= 1
    if line_end - place < 7 or line_end - place == 8:
        return False
    for start in (place, line_end - 8):
        if start >= place and head.is_word(start, start + 7, b"http/1."):
            return True
    return False


@compiled
def _identify(place: int, end: int, ports: int) -> int:
    first = u8(place)
    size = end - place
    if size >= 3 and first == 0x50 and u8(place + 1) == 0x52 and u8(place + 2) == 0x49:
        return HARD  # "PRI": HTTP/2
    if first & 0xC0 == 0x80 and size > 10 and u8(place + 2) == 1:
        return HARD  # SSL 2
    if _begins_record(place, end):
        if ports & ON_TLS:
            return IS_TLS
        if first == 22 and size > 5 and u8(place + 5) in (0, 1, 2, 11, 16):
            return IS_TLS
    if ports & ON_HTTP:
        return IS_HTTP
    if not ports & ON_NEVER and _is_http1(place, end):
        return IS_HTTP
    if not (0x41 <= first <= 0x5A or first == 0x0D or first == 0x16 or first == 0x80):
        return NOTHING
    if size > MAX_FIRST_LINE_BYTES:
        return NOTHING
    for i in range(place, end - 1):
        if u8(i) == 0x0A:
            return NOTHING
    # A first line that is not all here.
    if first == 0x0D or size <= 24 or head.first_line_kind(place, end) != head.NEITHER:
        return HARD
    return NOTHING


@compiled
def take_piece(ctl: int, row: int, place: int, end: int, ns: int, side: int, ports: int) -> int:
    """The next contiguous bytes of one side of a connection: how many were understood."""
    protocol = (get(row, FLAGS) >> PROTOCOL_SHIFT) & 3
    guessed = protocol == HTTP1 and ports & ON_HTTP and not get(row, TX_COUNT)
    if protocol == UNKNOWN or guessed:
        found = _identify(place, end, ports)
        if found == HARD or (guessed and found == IS_TLS):
            return 0
        if protocol == UNKNOWN:
            if found == NOTHING:
                return end - place
            protocol = TLS if found == IS_TLS else HTTP1
            put(row, FLAGS, get(row, FLAGS) | protocol << PROTOCOL_SHIFT)
    if protocol == TLS:
        if body_of(row, side) != HELLO_DONE:
            if not read_hello(ctl, row, place, end):
                return 0
            set_body(row, side, HELLO_DONE)
        return end - place
    read = read_messages(ctl, row, place, end, ns, side)
    if read < end - place and ports & ON_HTTP and not get(row, TX_COUNT):
        # Interim answers leave no trace; the reference looks at the whole piece again.
        return 0
    return read


@compiled
def cut_off(ctl: int, row: int, side: int, size: int) -> bool:
    """The capture cut so many bytes off a packet; whether that is understood."""
    protocol = (get(row, FLAGS) >> PROTOCOL_SHIFT) & 3
    if protocol == UNKNOWN:
        return True
    if protocol == TLS:
        return body_of(row, side) == HELLO_DONE
    skip_lost(ctl, row, side, size)
    return True
