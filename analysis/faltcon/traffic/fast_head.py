"""HTTP/1 heads, compiled: only those that are plainly right; everything else says so.

A head that passes here is one that h11 accepts: token names, printable values,
one Host where the version asks for it, at most one Content-Length of digits or
one Transfer-Encoding that is `chunked`. Any other head is left to the
reference implementation, so the two cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic.fast_memory import get, i64, put, put_u8, u8
from faltcon.traffic.http1_head import ANNOUNCEMENTS, METHODS
from faltcon.traffic.jit import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = ["METHOD_NAMES", "read_head"]

METHOD_NAMES = tuple(sorted(name.decode() for name in METHODS))
LONGEST_NAME = 16
HEAD = METHOD_NAMES.index("HEAD")
CONNECT = METHOD_NAMES.index("CONNECT")
MAX_HEAD_BYTES = 8192
# What a first line is.
NEITHER, REQUEST, RESPONSE, HARD = range(4)
# Fields of an answer.
A_KIND, A_METHOD, A_STATUS, A_LENGTH, A_CHUNKED, A_SIZE = range(6)
ANSWER_FIELDS = 6
# Heads that were read: connections repeat them word for word. An entry is the answer, then the
# head's bytes, up to so many.
MEMO_ENTRIES, MEMO_WORDS = 256, 80
MEMO_BYTES = (MEMO_WORDS - ANSWER_FIELDS) * 8


def _table(names: tuple[bytes, ...]) -> Bytes:
    table = np.zeros((len(names), LONGEST_NAME + 1), dtype=np.uint8)
    for number, name in enumerate(names):
        table[number, 0] = len(name)
        table[number, 1 : len(name) + 1] = np.frombuffer(name, dtype=np.uint8)
    return table


METHOD_TABLE = _table(tuple(name.encode() for name in METHOD_NAMES))
ANNOUNCEMENT_TABLE = _table(tuple(sorted(ANNOUNCEMENTS)))
TOKEN = np.zeros(256, dtype=np.bool_)
TOKEN[
    np.frombuffer(
        b"-!#$%&'*+.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        dtype=np.uint8,
    )
] = True
# Visible characters, blank and tab: what a plain header value is made of.
PRINTED = np.zeros(256, dtype=np.bool_)
PRINTED[0x20:0x7F] = PRINTED[0x09] = True


@compiled
def _name_at(place: int, end: int, table: Bytes) -> int:
    """Number of the name in the table that stands here, ended by a blank; -1 for none."""
    for number in range(table.shape[0]):
        size = int(table[number, 0])
        if place + size >= end or u8(place + size) != 0x20:
            continue
        same = True
        for i in range(size):
            if u8(place + i) != table[number, 1 + i]:
                same = False
                break
        if same:
            return number
    return -1


@compiled
def is_word(place: int, end: int, word: bytes) -> bool:
    """Whether these bytes are the word, in any case; the word is given in lower case."""
    if end - place != len(word):
        return False
    for i in range(len(word)):
        byte = u8(place + i)
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        if byte != word[i]:
            return False
    return True


@compiled
def first_line_kind(place: int, end: int) -> int:
    """NEITHER, REQUEST, RESPONSE, or HARD for what only the reference can tell."""
    if end - place >= 5:
        if (
            u8(place) == 0x48
            and u8(place + 1) == 0x54
            and u8(place + 2) == 0x54
            and u8(place + 3) == 0x50
            and u8(place + 4) == 0x2F
        ):
            return RESPONSE
        if u8(place) == 0x4D and u8(place + 1) == 0x2D:  # "M-": an extension method
            return HARD
    if end - place >= 3 and u8(place) == 0x49 and u8(place + 1) == 0x43:  # "IC(Y)"
        return HARD
    if _name_at(place, end, METHOD_TABLE) >= 0:
        return REQUEST
    if _name_at(place, end, ANNOUNCEMENT_TABLE) >= 0:
        return HARD
    # A method without a blank behind it may still be one, at the end of the line.
    if end - place <= LONGEST_NAME + 2:
        return HARD
    return NEITHER


@compiled
def _request_line(place: int, end: int, answer: int) -> int:
    """Check `METHOD target HTTP/1.x`; 1 for version 1.1, 0 for 1.0, -1 for anything else."""
    put(answer, A_METHOD, _name_at(place, end, METHOD_TABLE))
    place += int(METHOD_TABLE[get(answer, A_METHOD), 0]) + 1
    if end - place < 10:
        return -1
    for i in range(place, end - 9):
        if not 0x21 <= u8(i) <= 0x7E:
            return -1
    if u8(end - 9) != 0x20 or not is_word(end - 8, end - 1, b"http/1."):
        return -1
    if u8(end - 8) != 0x48 or u8(end - 7) != 0x54 or u8(end - 6) != 0x54:
        return -1
    if u8(end - 5) != 0x50:
        return -1
    version = int(u8(end - 1)) - 0x30
    return version if version in (0, 1) else -1


@compiled
def _status_line(place: int, end: int, answer: int) -> int:
    """Check `HTTP/1.x ddd reason`; 0 where it is one, else -1."""
    if end - place < 12 or u8(place + 5) != 0x31 or u8(place + 6) != 0x2E:
        return -1
    if u8(place + 7) != 0x30 and u8(place + 7) != 0x31:
        return -1
    if u8(place + 8) != 0x20 or (end - place > 12 and u8(place + 12) != 0x20):
        return -1
    status = 0
    for i in range(place + 9, place + 12):
        if not 0x30 <= u8(i) <= 0x39:
            return -1
        status = status * 10 + int(u8(i)) - 0x30
    for i in range(place + 12, end):
        if not 0x20 <= u8(i) <= 0x7E:
            return -1
    put(answer, A_STATUS, status)
    return 0 if 100 <= status <= 599 else -1


@compiled
def read_head(place: int, end: int, answer: int) -> int:
    """Read a head that begins here: its kind, or HARD where the reference must read it.

    `answer` takes method, status, body length (-1 where none is declared),
    whether it is chunked, and the size of the head.
    """
    put(answer, A_LENGTH, -1)
    put(answer, A_CHUNKED, 0)
    line_end = place
    while line_end < end and u8(line_end) != 0x0A:
        line_end += 1
    if line_end >= end or line_end == place or u8(line_end - 1) != 0x0D:
        return HARD
    kind = first_line_kind(place, line_end - 1)
    if kind == REQUEST:
        hosts_wanted = _request_line(place, line_end - 1, answer)
    elif kind == RESPONSE:
        hosts_wanted = _status_line(place, line_end - 1, answer)
    else:
        return kind
    if hosts_wanted < 0:
        return HARD
    hosts = 0
    start = line_end + 1
    while True:
        name_end = start
        while name_end < end and TOKEN[u8(name_end)]:
            name_end += 1
        line_end = name_end
        if line_end < end and u8(line_end) == 0x3A:
            line_end += 1
            while line_end < end and PRINTED[u8(line_end)]:
                line_end += 1
        if line_end >= end or u8(line_end) != 0x0D:
            return HARD
        if line_end + 1 >= end or u8(line_end + 1) != 0x0A or line_end - place > MAX_HEAD_BYTES:
            return HARD
        if line_end == start:
            put(answer, A_SIZE, line_end + 2 - place)
            break
        if name_end == start or u8(name_end) != 0x3A:
            return HARD
        value, value_end = name_end + 1, line_end
        while value < value_end and (u8(value) == 0x20 or u8(value) == 0x09):
            value += 1
        while value_end > value and (u8(value_end - 1) == 0x20 or u8(value_end - 1) == 0x09):
            value_end -= 1
        if is_word(start, name_end, b"host"):
            hosts += 1
        elif is_word(start, name_end, b"content-length"):
            if (
                get(answer, A_LENGTH) >= 0
                or get(answer, A_CHUNKED)
                or not 0 < value_end - value <= 17
            ):
                return HARD
            length = 0
            for i in range(value, value_end):
                if not 0x30 <= u8(i) <= 0x39:
                    return HARD
                length = length * 10 + int(u8(i)) - 0x30
            put(answer, A_LENGTH, length)
        elif is_word(start, name_end, b"transfer-encoding"):
            chunked = is_word(value, value_end, b"chunked")
            if get(answer, A_LENGTH) >= 0 or get(answer, A_CHUNKED) or not chunked:
                return HARD
            put(answer, A_CHUNKED, 1)
        start = line_end + 2
    if kind == REQUEST and (hosts > 1 or hosts < hosts_wanted):
        return HARD
    return kind


@compiled
def _entry(memo: int, start: int) -> int:
    """The place in the memory of heads for one that begins with these 16 bytes."""
    mixed = (i64(start) ^ i64(start + 8) * 3) * (0x9E3779B97F4A7C15 - (1 << 64))
    return memo + ((mixed >> 48) & (MEMO_ENTRIES - 1)) * MEMO_WORDS * 8


@compiled
def remembered(memo: int, start: int, end: int, answer: int) -> int:
    """The kind of a head that was read before, with its answer; NEITHER for any other."""
    if end - start < 16:
        return NEITHER
    entry = _entry(memo, start)
    size = get(entry, A_SIZE)
    if size < 16 or size > end - start:
        return NEITHER
    held = entry + ANSWER_FIELDS * 8
    i = 0
    while i + 32 <= size:
        different = i64(held + i) ^ i64(start + i)
        different |= i64(held + i + 8) ^ i64(start + i + 8)
        different |= i64(held + i + 16) ^ i64(start + i + 16)
        different |= i64(held + i + 24) ^ i64(start + i + 24)
        if different:
            return NEITHER
        i += 32
    while i + 8 <= size:
        if i64(held + i) != i64(start + i):
            return NEITHER
        i += 8
    if i64(held + size - 8) != i64(start + size - 8):
        return NEITHER
    for field in range(ANSWER_FIELDS):
        put(answer, field, get(entry, field))
    return get(entry, A_KIND)


@compiled
def remember(memo: int, start: int, kind: int, answer: int) -> None:
    """Keep a head that was read, in the place of another that begins alike."""
    if kind != REQUEST and kind != RESPONSE:
        return
    size = get(answer, A_SIZE)
    if not 16 <= size <= MEMO_BYTES:
        return
    entry = _entry(memo, start)
    put(answer, A_KIND, kind)
    for field in range(ANSWER_FIELDS):
        put(entry, field, get(answer, field))
    for i in range(size):
        put_u8(entry + ANSWER_FIELDS * 8 + i, u8(start + i))
