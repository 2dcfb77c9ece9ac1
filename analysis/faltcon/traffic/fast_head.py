"""HTTP/1 heads, compiled: only those that are plainly right; everything else says so.

A head that passes here is one that h11 accepts: token names, printable values,
one Host where the version asks for it, at most one Content-Length of digits or
one Transfer-Encoding that is `chunked`. Any other head is left to the
reference implementation, so the two cannot differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic.http1 import ANNOUNCEMENTS, METHODS
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
A_KIND, A_METHOD, A_STATUS, A_LENGTH, A_CHUNKED, A_END = range(6)
ANSWER_FIELDS = 6


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
def _name_at(data: Bytes, place: int, end: int, table: Bytes) -> int:
    """Number of the name in the table that stands here, ended by a blank; -1 for none."""
    for number in range(table.shape[0]):
        size = int(table[number, 0])
        if place + size >= end or data[place + size] != 0x20:
            continue
        same = True
        for i in range(size):
            if data[place + i] != table[number, 1 + i]:
                same = False
                break
        if same:
            return number
    return -1


@compiled
def _is(data: Bytes, place: int, end: int, word: bytes) -> bool:
    """Whether these bytes are the word, in any case; the word is given in lower case."""
    if end - place != len(word):
        return False
    for i in range(len(word)):
        byte = data[place + i]
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        if byte != word[i]:
            return False
    return True


@compiled
def first_line_kind(data: Bytes, place: int, end: int) -> int:
    """NEITHER, REQUEST, RESPONSE, or HARD for what only the reference can tell."""
    if end - place >= 5:
        if (
            data[place] == 0x48
            and data[place + 1] == 0x54
            and data[place + 2] == 0x54
            and data[place + 3] == 0x50
            and data[place + 4] == 0x2F
        ):
            return RESPONSE
        if data[place] == 0x4D and data[place + 1] == 0x2D:  # "M-": an extension method
            return HARD
    if end - place >= 3 and data[place] == 0x49 and data[place + 1] == 0x43:  # "IC(Y)"
        return HARD
    if _name_at(data, place, end, METHOD_TABLE) >= 0:
        return REQUEST
    if _name_at(data, place, end, ANNOUNCEMENT_TABLE) >= 0:
        return HARD
    # A method without a blank behind it may still be one, at the end of the line.
    if end - place <= LONGEST_NAME + 2:
        return HARD
    return NEITHER


@compiled
def _request_line(data: Bytes, place: int, end: int, answer: NDArray[np.int64]) -> int:
    """Check `METHOD target HTTP/1.x`; 1 for version 1.1, 0 for 1.0, -1 for anything else."""
    answer[A_METHOD] = _name_at(data, place, end, METHOD_TABLE)
    place += int(METHOD_TABLE[answer[A_METHOD], 0]) + 1
    if end - place < 10:
        return -1
    for i in range(place, end - 9):
        if not 0x21 <= data[i] <= 0x7E:
            return -1
    if data[end - 9] != 0x20 or not _is(data, end - 8, end - 1, b"http/1."):
        return -1
    if data[end - 8] != 0x48 or data[end - 7] != 0x54 or data[end - 6] != 0x54:
        return -1
    if data[end - 5] != 0x50:
        return -1
    version = int(data[end - 1]) - 0x30
    return version if version in (0, 1) else -1


@compiled
def _status_line(data: Bytes, place: int, end: int, answer: NDArray[np.int64]) -> int:
    """Check `HTTP/1.x ddd reason`; 0 where it is one, else -1."""
    if end - place < 12 or data[place + 5] != 0x31 or data[place + 6] != 0x2E:
        return -1
    if data[place + 7] != 0x30 and data[place + 7] != 0x31:
        return -1
    if data[place + 8] != 0x20 or (end - place > 12 and data[place + 12] != 0x20):
        return -1
    status = 0
    for i in range(place + 9, place + 12):
        if not 0x30 <= data[i] <= 0x39:
            return -1
        status = status * 10 + int(data[i]) - 0x30
    for i in range(place + 12, end):
        if not 0x20 <= data[i] <= 0x7E:
            return -1
    answer[A_STATUS] = status
    return 0 if 100 <= status <= 599 else -1


@compiled
def read_head(data: Bytes, place: int, end: int, answer: NDArray[np.int64]) -> int:
    """Read a head that begins here: its kind, or HARD where the reference must read it.

    `answer` takes method, status, body length (-1 where none is declared),
    whether it is chunked, and the place after the head.
    """
    answer[A_LENGTH] = -1
    answer[A_CHUNKED] = 0
    line_end = place
    while line_end < end and data[line_end] != 0x0A:
        line_end += 1
    if line_end >= end or line_end == place or data[line_end - 1] != 0x0D:
        return HARD
    kind = first_line_kind(data, place, line_end - 1)
    if kind == REQUEST:
        hosts_wanted = _request_line(data, place, line_end - 1, answer)
    elif kind == RESPONSE:
        hosts_wanted = _status_line(data, place, line_end - 1, answer)
    else:
        return kind
    if hosts_wanted < 0:
        return HARD
    hosts = 0
    start = line_end + 1
    while True:
        name_end = start
        while name_end < end and TOKEN[data[name_end]]:
            name_end += 1
        line_end = name_end
        if line_end < end and data[line_end] == 0x3A:
            line_end += 1
            while line_end < end and PRINTED[data[line_end]]:
                line_end += 1
        if line_end >= end or data[line_end] != 0x0D:
            return HARD
        if line_end + 1 >= end or data[line_end + 1] != 0x0A or line_end - place > MAX_HEAD_BYTES:
            return HARD
        if line_end == start:
            answer[A_END] = line_end + 2
            break
        if name_end == start or data[name_end] != 0x3A:
            return HARD
        value, value_end = name_end + 1, line_end
        while value < value_end and (data[value] == 0x20 or data[value] == 0x09):
            value += 1
        while value_end > value and (data[value_end - 1] == 0x20 or data[value_end - 1] == 0x09):
            value_end -= 1
        if _is(data, start, name_end, b"host"):
            hosts += 1
        elif _is(data, start, name_end, b"content-length"):
            if answer[A_LENGTH] >= 0 or answer[A_CHUNKED] or not 0 < value_end - value <= 17:
                return HARD
            length = 0
            for i in range(value, value_end):
                if not 0x30 <= data[i] <= 0x39:
                    return HARD
                length = length * 10 + int(data[i]) - 0x30
            answer[A_LENGTH] = length
        elif _is(data, start, name_end, b"transfer-encoding"):
            chunked = _is(data, value, value_end, b"chunked")
            if answer[A_LENGTH] >= 0 or answer[A_CHUNKED] or not chunked:
                return HARD
            answer[A_CHUNKED] = 1
        start = line_end + 2
    if kind == REQUEST and (hosts > 1 or hosts < hosts_wanted):
        return HARD
    return kind
