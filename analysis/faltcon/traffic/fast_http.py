"""HTTP/1 with plain framing, compiled: messages of one side, transactions of both.

The rules are those of http1.py, for the cases that need no buffer.
"""

from __future__ import annotations

from faltcon.traffic import fast_head as head
from faltcon.traffic.fast_layout import (
    AT_HEAD,
    BODY_SHIFT,
    COMPLETE,
    CURRENT_TX,
    CURRENT_TX_1,
    DONE_COUNT,
    DONE_ROOM,
    FLAGS,
    IN_CHUNKS,
    IN_LENGTH,
    IN_TRAILER,
    KEEP_TRANSACTIONS,
    LAST_METHOD,
    LAST_TX,
    LEFT,
    NUMBER,
    OPEN_TX,
    P_ANSWER,
    P_DONE,
    P_MEMO,
    P_TX,
    P_TX_FREE,
    REQUEST_HEADS,
    TO_CLOSE,
    TX_ANSWERED,
    TX_COMPLETE,
    TX_CONNECTION,
    TX_COUNT,
    TX_FIELDS,
    TX_FREE_COUNT,
    TX_METHOD,
    TX_OPEN_NEXT,
    TX_ORDINAL,
    TX_REQUEST,
    TX_RESPONSE,
    TX_STATUS,
    TX_STREAM,
    UNSET,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import get, put, u8
from faltcon.traffic.jit import compiled

__all__ = ["body_of", "end_transactions", "read_messages", "set_body", "skip_lost"]


@compiled
def body_of(row: int, side: int) -> int:
    """Where a side is in its messages."""
    return (get(row, FLAGS) >> (BODY_SHIFT + 4 * side)) & 15


@compiled
def set_body(row: int, side: int, body: int) -> None:
    """Note where a side is in its messages."""
    shift = BODY_SHIFT + 4 * side
    put(row, FLAGS, (get(row, FLAGS) & ~(15 << shift)) | body << shift)


@compiled
def _transaction(ctl: int, number: int) -> int:
    return get(ctl, P_TX) + number * TX_FIELDS * WORD_BYTES


@compiled
def _done(ctl: int, number: int) -> None:
    """A transaction can no longer change: hand it out if anybody wants it, and free its place."""
    if get(ctl, KEEP_TRANSACTIONS):
        count = get(ctl, DONE_COUNT)
        one = _transaction(ctl, number)
        target = get(ctl, P_DONE) + count * TX_FIELDS * WORD_BYTES
        for field in range(TX_FIELDS):
            put(target, field, get(one, field))
        put(ctl, DONE_COUNT, count + 1)
    free = get(ctl, TX_FREE_COUNT)
    put(get(ctl, P_TX_FREE), free, number)
    put(ctl, TX_FREE_COUNT, free + 1)


@compiled
def end_transactions(ctl: int, row: int) -> bool:
    """A connection is over: its transactions, however far they came, are done.

    False where the place for them is full; then ask again.
    """
    number = get(row, OPEN_TX)
    while number >= 0:
        if get(ctl, DONE_COUNT) + 2 >= get(ctl, DONE_ROOM):
            return False
        put(row, OPEN_TX, get(_transaction(ctl, number), TX_OPEN_NEXT))
        # One whose body is not over must not be looked at again below.
        for side in range(2):
            if get(row, CURRENT_TX + side) == number:
                put(row, CURRENT_TX + side, -1)
        _done(ctl, number)
        number = get(row, OPEN_TX)
    if get(ctl, DONE_COUNT) + 2 >= get(ctl, DONE_ROOM):
        return False
    for side in range(2):
        if get(row, CURRENT_TX + side) >= 0:
            _done(ctl, get(row, CURRENT_TX + side))
            put(row, CURRENT_TX + side, -1)
    return True


@compiled
def _end_body(ctl: int, row: int, side: int, body: int) -> None:
    number = get(row, CURRENT_TX + side)
    if number >= 0:
        one = _transaction(ctl, number)
        put(one, TX_COMPLETE, 1)
        put(row, COMPLETE, get(row, COMPLETE) + 1)
        put(row, CURRENT_TX + side, -1)
        if get(one, TX_ANSWERED):
            _done(ctl, number)
    set_body(row, side, body)


@compiled
def skip_lost(ctl: int, row: int, side: int, size: int) -> None:
    """The capture cut so many bytes off a packet of this side."""
    body = body_of(row, side)
    if get(row, CURRENT_TX + side) >= 0:
        _end_body(ctl, row, side, body)
    left = get(row, LEFT + side)
    if body in (IN_LENGTH, IN_CHUNKS) and left >= size:
        put(row, LEFT + side, left - size)
        if left == size and body == IN_LENGTH:
            set_body(row, side, AT_HEAD)
    elif body != TO_CLOSE:
        set_body(row, side, AT_HEAD)
        put(row, LEFT + side, 0)


@compiled
def read_messages(ctl: int, row: int, place: int, end: int, ns: int, side: int) -> int:
    """Messages and parts of them: how many bytes were understood."""
    begin = place
    answer = get(ctl, P_ANSWER)
    while place < end:
        body = body_of(row, side)
        if body == TO_CLOSE:
            return end - begin
        left = get(row, LEFT + side)
        if left:
            size = min(left, end - place)
            put(row, LEFT + side, left - size)
            place += size
            if left == size and body == IN_LENGTH:
                _end_body(ctl, row, side, AT_HEAD)
        elif body == IN_TRAILER:
            if end - place < 2 or u8(place) != 0x0D or u8(place + 1) != 0x0A:
                return place - begin
            place += 2
            _end_body(ctl, row, side, AT_HEAD)
        elif body == IN_CHUNKS:
            after = _chunk_size(place, end, row, side)
            if not after:
                return place - begin
            place = after
        else:
            start = place
            if end - place > 3 and u8(place) == 0x0D and u8(place + 1) == 0x0A:
                start = place + 2
            if not 0x20 <= u8(start) <= 0x7E:
                return end - begin
            kind = head.remembered(get(ctl, P_MEMO), start, end, answer)
            if kind == head.NEITHER:
                line_end = start
                while line_end < end and u8(line_end) != 0x0A:
                    line_end += 1
                if line_end == end:
                    # Not a whole line: dropped only where it cannot become a first line.
                    kind = head.first_line_kind(start, end)
                    return (end if kind == head.NEITHER else place) - begin
                kind = head.read_head(start, end, answer)
                head.remember(get(ctl, P_MEMO), start, kind, answer)
            if kind == head.NEITHER:
                return end - begin
            if kind == head.HARD or not _message(ctl, row, kind, ns, side, answer):
                return place - begin
            place = start + get(answer, head.A_SIZE)
    return end - begin


@compiled
def _chunk_size(place: int, end: int, row: int, side: int) -> int:
    """Read a chunk's size line; the place after it, 0 where the reference must read it."""
    size = 0
    digits = 0
    while place < end:
        byte = u8(place)
        if 0x30 <= byte <= 0x39:
            size = size << 4 | byte - 0x30
        elif 0x61 <= byte | 0x20 <= 0x66:
            size = size << 4 | (byte | 0x20) - 0x57
        else:
            break
        digits += 1
        place += 1
    if not 0 < digits <= 14 or place + 2 > end or u8(place) != 0x0D or u8(place + 1) != 0x0A:
        return 0
    if size:
        put(row, LEFT + side, size + 2)
    else:
        set_body(row, side, IN_TRAILER)
    return place + 2


@compiled
def _message(ctl: int, row: int, kind: int, ns: int, side: int, answer: int) -> bool:
    """A head was read: note the request, or give the open request its response."""
    status = get(answer, head.A_STATUS)
    length = get(answer, head.A_LENGTH)
    chunked = get(answer, head.A_CHUNKED)
    first = get(row, OPEN_TX)
    if kind == head.REQUEST:
        method = get(answer, head.A_METHOD)
        if method == head.CONNECT:
            return False
        number = _new_transaction(ctl, row)
        one = _transaction(ctl, number)
        put(one, TX_STREAM, get(row, REQUEST_HEADS))
        put(one, TX_METHOD, method)
        put(one, TX_REQUEST, ns)
        put(row, REQUEST_HEADS, get(row, REQUEST_HEADS) + 1)
        put(row, LAST_METHOD, method)
        if first < 0:
            put(row, OPEN_TX, number)
        else:
            put(_transaction(ctl, get(row, LAST_TX)), TX_OPEN_NEXT, number)
        put(row, LAST_TX, number)
        put(row, CURRENT_TX + side, number)
        bodiless = length <= 0 and not chunked
    else:
        if status == 101:
            return False
        method = get(row, LAST_METHOD)
        if first >= 0:
            method = get(_transaction(ctl, first), TX_METHOD)
        if status >= 200:
            number = first
            if first >= 0:
                put(row, OPEN_TX, get(_transaction(ctl, first), TX_OPEN_NEXT))
            else:
                number = _new_transaction(ctl, row)
            one = _transaction(ctl, number)
            put(one, TX_STATUS, status)
            put(one, TX_RESPONSE, ns)
            put(one, TX_ANSWERED, 1)
            if number != get(row, CURRENT_TX) and number != get(row, CURRENT_TX_1):
                _done(ctl, number)
        bodiless = method == head.HEAD or status in (204, 304) or status < 200
        bodiless = bodiless or (length == 0 and not chunked)
    if bodiless:
        _end_body(ctl, row, side, AT_HEAD)
    elif chunked:
        set_body(row, side, IN_CHUNKS)
    elif length > 0:
        set_body(row, side, IN_LENGTH)
        put(row, LEFT + side, length)
    else:
        set_body(row, side, TO_CLOSE)
    return True


@compiled
def _new_transaction(ctl: int, row: int) -> int:
    free = get(ctl, TX_FREE_COUNT) - 1
    put(ctl, TX_FREE_COUNT, free)
    number = get(get(ctl, P_TX_FREE), free)
    one = _transaction(ctl, number)
    put(one, TX_CONNECTION, get(row, NUMBER))
    put(one, TX_ORDINAL, get(row, TX_COUNT))
    put(row, TX_COUNT, get(row, TX_COUNT) + 1)
    put(one, TX_STREAM, -1)
    put(one, TX_METHOD, -1)
    put(one, TX_STATUS, 0)
    put(one, TX_REQUEST, UNSET)
    put(one, TX_RESPONSE, UNSET)
    put(one, TX_COMPLETE, 0)
    put(one, TX_ANSWERED, 0)
    put(one, TX_OPEN_NEXT, -1)
    return number
