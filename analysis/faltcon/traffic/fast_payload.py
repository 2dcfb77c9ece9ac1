"""What a contiguous piece of payload means, compiled: HTTP/1 with plain framing, TLS hellos.

Each function says whether it could go on (`True`) or the reference
implementation must take the whole connection (`False`). The rules are those of
protocols.py, http1.py and tls.py, for the cases that need no buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic import fast_head as head
from faltcon.traffic.fast_layout import (
    ALPN_BYTES,
    ALPN_PLACE,
    AT_HEAD,
    BODY,
    C_TRANSACTIONS,
    COMPLETE,
    CURRENT_TX,
    HELLO_DONE,
    HTTP1,
    IN_CHUNKS,
    IN_LENGTH,
    IN_TRAILER,
    LAST_METHOD,
    LAST_TX,
    LEFT,
    NAME_BYTES,
    NAME_PLACE,
    OPEN_TX,
    PROTOCOL,
    REQUEST_HEADS,
    SIDE,
    SIDE_FIELDS,
    TLS,
    TLS_CLIENT,
    TO_CLOSE,
    TX_COMPLETE,
    TX_CONNECTION,
    TX_COUNT,
    TX_METHOD,
    TX_NEXT,
    TX_REQUEST,
    TX_RESPONSE,
    TX_STATUS,
    TX_STREAM,
    UNKNOWN,
    UNSET,
)
from faltcon.traffic.jit import compiled
from faltcon.traffic.protocols import HTTP_PORTS, MAX_FIRST_LINE_BYTES, NEVER_HTTP_PORTS, TLS_PORTS
from faltcon.traffic.tls import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["cut_off", "port_kind", "take_piece"]

ON_HTTP, ON_TLS, ON_NEVER = 1, 2, 4
NOTHING, HARD, IS_TLS, IS_HTTP = range(4)


def _ports(numbers: Iterable[int], bit: int) -> NDArray[np.uint8]:
    table = np.zeros(65536, dtype=np.uint8)
    table[list(numbers)] = bit
    return table


PORT_KINDS = _ports(HTTP_PORTS, ON_HTTP) | _ports(TLS_PORTS, ON_TLS)
PORT_KINDS |= _ports(NEVER_HTTP_PORTS, ON_NEVER)


@compiled
def port_kind(first: int, second: int) -> int:
    """What a connection's two ports say, as bits."""
    return int(PORT_KINDS[first] | PORT_KINDS[second])


@compiled
def _begins_record(data: Bytes, place: int, end: int) -> bool:
    if end - place < 5 or not 20 <= data[place] <= 24:
        return False
    if data[place + 1] != 3 or data[place + 2] > 4:
        return False
    size = int(data[place + 3]) << 8 | int(data[place + 4])
    return 0 < size <= MAX_RECORD_BYTES


@compiled
def _is_http1(data: Bytes, place: int, end: int) -> bool:
    line_end = place
    while line_end < end and data[line_end] != 0x0A:
        line_end += 1
    if line_end == end:
        return False
    while line_end > place and data[line_end - 1] == 0x0D:
        line_end -= 1
    if line_end - place < 7 or line_end - place == 8:
        return False
    for start in (place, line_end - 8):
        if start >= place and (
            data[start] | 0x20 == 0x68
            and data[start + 1] | 0x20 == 0x74
            and data[start + 2] | 0x20 == 0x74
            and data[start + 3] | 0x20 == 0x70
            and data[start + 4] == 0x2F
            and data[start + 5] == 0x31
            and data[start + 6] == 0x2E
        ):
            return True
    return False


@compiled
def _identify(data: Bytes, place: int, end: int, ports: int) -> int:
    first = data[place]
    size = end - place
    if size >= 3 and first == 0x50 and data[place + 1] == 0x52 and data[place + 2] == 0x49:
        return HARD  # "PRI": HTTP/2
    if first & 0xC0 == 0x80 and size > 10 and data[place + 2] == 1:
        return HARD  # SSL 2
    if _begins_record(data, place, end):
        if ports & ON_TLS:
            return IS_TLS
        if first == 22 and size > 5 and data[place + 5] in (0, 1, 2, 11, 16):
            return IS_TLS
    if ports & ON_HTTP:
        return IS_HTTP
    if not ports & ON_NEVER and _is_http1(data, place, end):
        return IS_HTTP
    if not (0x41 <= first <= 0x5A or first == 0x0D or first == 0x16 or first == 0x80):
        return NOTHING
    if size > MAX_FIRST_LINE_BYTES:
        return NOTHING
    for i in range(place, end - 1):
        if data[i] == 0x0A:
            return NOTHING
    # A first line that is not all here.
    if first == 0x0D or size <= 24 or head.first_line_kind(data, place, end) != head.NEITHER:
        return HARD
    return NOTHING


@compiled
def take_piece(
    data: Bytes,
    place: int,
    end: int,
    ns: int,
    number: int,
    side: int,
    ports: int,
    conn: Words,
    tx: Words,
    counters: Words,
    answer: Words,
) -> bool:
    """The next contiguous bytes of one side of connection `number`."""
    protocol = conn[number, PROTOCOL]
    guessed = protocol == HTTP1 and ports & ON_HTTP and not conn[number, TX_COUNT]
    if protocol == UNKNOWN or guessed:
        found = _identify(data, place, end, ports)
        if found == HARD or (guessed and found == IS_TLS):
            return False
        if protocol == UNKNOWN:
            if found == NOTHING:
                return True
            protocol = TLS if found == IS_TLS else HTTP1
            conn[number, PROTOCOL] = protocol
    if protocol == TLS:
        return _hello(data, place, end, conn, number, side)
    return _http(data, place, end, ns, number, side, conn, tx, counters, answer)


@compiled
def cut_off(number: int, side: int, size: int, conn: Words, tx: Words) -> bool:
    """The capture cut so many bytes off a packet."""
    if conn[number, PROTOCOL] == UNKNOWN:
        return True
    one = SIDE + side * SIDE_FIELDS
    if conn[number, PROTOCOL] == TLS:
        return bool(conn[number, one + BODY] == HELLO_DONE)
    if conn[number, one + CURRENT_TX] != UNSET:
        _end_body(conn, number, one, tx, conn[number, one + BODY])
    if (conn[number, one + BODY] == IN_LENGTH or conn[number, one + BODY] == IN_CHUNKS) and conn[
        number, one + LEFT
    ] >= size:
        conn[number, one + LEFT] -= size
        if not conn[number, one + LEFT] and conn[number, one + BODY] == IN_LENGTH:
            conn[number, one + BODY] = AT_HEAD
    elif conn[number, one + BODY] != TO_CLOSE:
        conn[number, one + BODY] = AT_HEAD
        conn[number, one + LEFT] = 0
    return True


@compiled
def _end_body(conn: Words, number: int, one: int, tx: Words, body: int) -> None:
    if conn[number, one + CURRENT_TX] != UNSET:
        tx[conn[number, one + CURRENT_TX], TX_COMPLETE] = 1
        conn[number, COMPLETE] += 1
        conn[number, one + CURRENT_TX] = UNSET
    conn[number, one + BODY] = body


@compiled
def _http(
    data: Bytes,
    place: int,
    end: int,
    ns: int,
    number: int,
    side: int,
    conn: Words,
    tx: Words,
    counters: Words,
    answer: Words,
) -> bool:
    one = SIDE + side * SIDE_FIELDS
    while place < end:
        body = conn[number, one + BODY]
        if body == TO_CLOSE:
            return True
        if conn[number, one + LEFT]:
            size = min(conn[number, one + LEFT], end - place)
            conn[number, one + LEFT] -= size
            place += size
            if not conn[number, one + LEFT] and body == IN_LENGTH:
                _end_body(conn, number, one, tx, AT_HEAD)
        elif body == IN_TRAILER:
            if end - place < 2 or data[place] != 0x0D or data[place + 1] != 0x0A:
                return False
            place += 2
            _end_body(conn, number, one, tx, AT_HEAD)
        elif body == IN_CHUNKS:
            place = _chunk_size(data, place, end, conn, number, one)
            if place < 0:
                return False
        else:
            start = place
            if end - place > 3 and data[place] == 0x0D and data[place + 1] == 0x0A:
                start = place + 2
            if not 0x20 <= data[start] <= 0x7E:
                return True
            line_end = start
            while line_end < end and data[line_end] != 0x0A:
                line_end += 1
            if line_end == end:
                # Not a whole line: dropped only where it cannot become a first line.
                return head.first_line_kind(data, start, end) == head.NEITHER
            kind = head.read_head(data, start, end, answer)
            if kind == head.NEITHER:
                return True
            if kind == head.HARD or not _message(kind, ns, number, one, conn, tx, counters, answer):
                return False
            place = answer[head.A_END]
    return True


@compiled
def _chunk_size(data: Bytes, place: int, end: int, conn: Words, number: int, one: int) -> int:
    """Read a chunk's size line; the place after it, -1 where the reference must read it."""
    size = 0
    digits = 0
    while place < end:
        byte = int(data[place])
        if 0x30 <= byte <= 0x39:
            size = size << 4 | byte - 0x30
        elif 0x61 <= byte | 0x20 <= 0x66:
            size = size << 4 | (byte | 0x20) - 0x57
        else:
            break
        digits += 1
        place += 1
    if not 0 < digits <= 14 or place + 2 > end or data[place] != 0x0D or data[place + 1] != 0x0A:
        return -1
    if size:
        conn[number, one + LEFT] = size + 2
    else:
        conn[number, one + BODY] = IN_TRAILER
    return place + 2


@compiled
def _message(
    kind: int,
    ns: int,
    number: int,
    one: int,
    conn: Words,
    tx: Words,
    counters: Words,
    answer: Words,
) -> bool:
    """A head was read: note the request, or give the open request its response."""
    status = answer[head.A_STATUS]
    method = conn[number, LAST_METHOD]
    if conn[number, OPEN_TX] != UNSET:
        method = tx[conn[number, OPEN_TX], TX_METHOD]
    if kind == head.REQUEST:
        if answer[head.A_METHOD] == head.CONNECT:
            return False
        new = _new_transaction(number, conn, tx, counters)
        tx[new, TX_STREAM] = conn[number, REQUEST_HEADS]
        tx[new, TX_METHOD] = answer[head.A_METHOD]
        tx[new, TX_REQUEST] = ns
        conn[number, REQUEST_HEADS] += 1
        conn[number, LAST_METHOD] = answer[head.A_METHOD]
        if conn[number, OPEN_TX] == UNSET:
            conn[number, OPEN_TX] = new
        else:
            tx[conn[number, LAST_TX], TX_NEXT] = new
        conn[number, LAST_TX] = new
        conn[number, one + CURRENT_TX] = new
        bodiless = answer[head.A_LENGTH] <= 0 and not answer[head.A_CHUNKED]
    else:
        if status == 101:
            return False
        if status >= 200:
            if conn[number, OPEN_TX] != UNSET:
                open_tx = conn[number, OPEN_TX]
                conn[number, OPEN_TX] = tx[open_tx, TX_NEXT]
            else:
                open_tx = _new_transaction(number, conn, tx, counters)
            tx[open_tx, TX_STATUS] = status
            tx[open_tx, TX_RESPONSE] = ns
        bodiless = method == head.HEAD or status in (204, 304) or status < 200
        bodiless = bodiless or (answer[head.A_LENGTH] == 0 and not answer[head.A_CHUNKED])
    if bodiless:
        _end_body(conn, number, one, tx, AT_HEAD)
    elif answer[head.A_CHUNKED]:
        conn[number, one + BODY] = IN_CHUNKS
    elif answer[head.A_LENGTH] > 0:
        conn[number, one + BODY] = IN_LENGTH
        conn[number, one + LEFT] = answer[head.A_LENGTH]
    else:
        conn[number, one + BODY] = TO_CLOSE
    return True


@compiled
def _new_transaction(number: int, conn: Words, tx: Words, counters: Words) -> int:
    new = counters[C_TRANSACTIONS]
    counters[C_TRANSACTIONS] += 1
    conn[number, TX_COUNT] += 1
    tx[new, TX_CONNECTION] = number
    tx[new, TX_STREAM] = -1
    tx[new, TX_METHOD] = -1
    tx[new, TX_STATUS] = 0
    tx[new, TX_REQUEST] = UNSET
    tx[new, TX_RESPONSE] = UNSET
    tx[new, TX_COMPLETE] = 0
    tx[new, TX_NEXT] = UNSET
    return int(new)


@compiled
def _hello(data: Bytes, place: int, end: int, conn: Words, number: int, side: int) -> bool:
    """A side's first TLS record: its hello, where it is whole in this piece."""
    one = SIDE + side * SIDE_FIELDS
    if conn[number, one + BODY] == HELLO_DONE:
        return True
    if end - place < 6 or data[place] & 0x80:
        return False
    if data[place] == 22:
        size = int(data[place + 3]) << 8 | int(data[place + 4])
        start = place + 5
        if size < 4 or start + size > end:
            return False
        length = int(data[start + 1]) << 16 | int(data[start + 2]) << 8 | int(data[start + 3])
        if length + 4 > size:
            return False
        stop = start + 4 + length
        if data[start] == 1:
            conn[number, TLS_CLIENT] = 1
            _client_hello(data, start, stop, conn, number)
        elif data[start] == 2 and start + 38 < stop:
            _extensions(data, start + 39 + int(data[start + 38]) + 3, stop, conn, number, 0)
    conn[number, one + BODY] = HELLO_DONE
    return True


@compiled
def _client_hello(data: Bytes, start: int, stop: int, conn: Words, number: int) -> None:
    place = start + 38
    if place >= stop:
        return
    place += 1 + int(data[place])
    if place + 2 > stop:
        return
    place += 2 + (int(data[place]) << 8 | int(data[place + 1]))
    if place >= stop:
        return
    _extensions(data, place + 1 + int(data[place]), stop, conn, number, 1)


@compiled
def _extensions(data: Bytes, place: int, stop: int, conn: Words, number: int, offered: int) -> None:
    if place + 2 > stop:
        return
    end = min(place + 2 + (int(data[place]) << 8 | int(data[place + 1])), stop)
    place += 2
    while place + 4 <= end:
        kind = int(data[place]) << 8 | int(data[place + 1])
        size = int(data[place + 2]) << 8 | int(data[place + 3])
        held = min(size, stop - place - 4)
        if kind == 0 and offered and held > 5:
            conn[number, NAME_PLACE] = place + 9
            conn[number, NAME_BYTES] = held - 5
        elif kind == 16 and not offered and held > 3:
            conn[number, ALPN_PLACE] = place + 6
            conn[number, ALPN_BYTES] = held - 2
        place += 4 + size
