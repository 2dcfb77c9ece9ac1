# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, SIM109  compiled loops call little
# mypy: disable-error-code="used-before-def, assignment, arg-type"
"""Runs of bytes of a `perf script` text, for compiled loops: lines, words, the common header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltcon.perf.compiled import compiled, u64

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "HEADER_FIELDS",
    "NEWLINE",
    "RETURN",
    "TAB",
    "fast_header",
    "hashed_bytes",
    "line_end",
    "same",
]

HEADER_FIELDS = 5  # begin, end of the thread, begin and end of the event, whether a period is given
NEWLINE, RETURN, TAB = 10, 13, 9

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SPACE, _COLON, _SLASH, _DOT, _OPEN, _CLOSE = 32, 58, 47, 46, 91, 93


@compiled
def line_end(data: NDArray[np.uint8], at: int) -> Any:
    """Where the line ends: its newline, or the end of the data."""
    end = np.int64(at)
    size = len(data)
    # Eight bytes at a time: a byte that is a newline becomes zero, and a zero byte borrows.
    while end + 8 <= size:
        word = u64(data, end) ^ np.uint64(0x0A0A0A0A0A0A0A0A)
        if (word - np.uint64(0x0101010101010101)) & ~word & np.uint64(0x8080808080808080):
            break
        end += 8
    while end < size and data[np.uint64(end)] != NEWLINE:
        end += 1
    return end


@compiled
def _digits(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """Where the run of digits ends."""
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at


@compiled
def _spaces(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """Where the run of blanks ends."""
    while at < end and data[at] == _SPACE:
        at += 1
    return at


@compiled
def _printable(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """Whether all bytes are ASCII characters that print."""
    while at + 8 <= end:
        # A byte below the blank borrows, one above the tilde carries or has its top bit set.
        word = u64(data, at)
        odd = (word - np.uint64(0x2020202020202020)) & ~word
        odd |= (word + np.uint64(0x0101010101010101)) | word
        if odd & np.uint64(0x8080808080808080):
            return False
        at += 8
    while at < end:
        if data[np.uint64(at)] < _SPACE or data[np.uint64(at)] > 126:
            return False
        at += 1
    return True


@compiled
def fast_header(data: NDArray[np.uint8], begin: int, end: int, fields: NDArray[np.int64]) -> Any:
    """The period (0 where none) of a header of the common form; -1 for any other line.

    The form: comm, thread or process/thread, [cpu] or not, time, period or
    not, event, nothing more. Whatever is odd about a line makes it another.
    """
    if end - begin > 512:
        return -1
    if not _printable(data, begin, end):
        return -1
    comm = _spaces(data, begin, end)
    if comm - begin > 64 or comm == end:
        return -1
    at = comm + 1
    # The first word of digits must be the thread, with the time behind it.
    while True:
        while at < end and data[at] != _SPACE:
            at += 1
        word = _spaces(data, at, end)
        if at == end or word - at > 64 or at - comm > 200:
            return -1
        after = _digits(data, word, end)
        if after == word:
            at = word
            continue
        if after - word > 10:
            return -1
        if after < end and data[after] == _SLASH:
            second = _digits(data, after + 1, end)
            if second == after + 1 or second - after > 11:
                at = word
                continue
            after = second
        if after < end and data[after] != _SPACE:
            at = word
            continue
        break
    fields[0], fields[1] = comm, after
    at = _spaces(data, after, end)
    if at - after > 64:
        return -1
    if at < end and data[at] == _OPEN:
        close = _digits(data, at + 1, end)
        if close == at + 1 or close - at > 7 or close == end or data[close] != _CLOSE:
            return -1
        at = _spaces(data, close + 1, end)
        if at == close + 1 or at - close > 65:
            return -1
    point = _digits(data, at, end)
    if point == at or point - at > 12 or point == end or data[point] != _DOT:
        return -1
    colon = _digits(data, point + 1, end)
    if colon == point + 1 or colon - point > 10 or colon == end or data[colon] != _COLON:
        return -1
    at = _spaces(data, colon + 1, end)
    if at == colon + 1 or at - colon > 65:
        return -1
    period = np.int64(0)
    fields[4] = 0
    after = _digits(data, at, end)
    if after > at and after < end and data[after] == _SPACE:
        if after - at > 18:
            return -1
        for place in range(at, after):
            period = period * 10 + (data[place] - 48)
        fields[4] = 1
        at = _spaces(data, after, end)
        if at - after > 64:
            return -1
    after = at
    while after < end and data[after] != _SPACE:
        after += 1
    if after - at < 2 or after - at > 255 or data[after - 1] != _COLON:
        return -1
    if _spaces(data, after, end) != end:
        return -1
    fields[2], fields[3] = at, after - 1
    return period


@compiled
def hashed_bytes(data: NDArray[np.uint8], begin: int, end: int, hashed: np.uint64) -> Any:
    """A hash of these bytes that goes on from another one."""
    at = np.int64(begin)
    while at + 8 <= end:
        hashed = (hashed ^ u64(data, at)) * _MIX
        hashed ^= hashed >> np.uint64(32)
        at += 8
    if end - begin >= 8:
        # The last word once more, over what was hashed before.
        hashed = (hashed ^ u64(data, end - 8)) * _MIX
        return hashed ^ (hashed >> np.uint64(29))
    while at < end:
        hashed = (hashed ^ np.uint64(data[np.uint64(at)])) * _MIX
        at += 1
    return hashed ^ (hashed >> np.uint64(29))


@compiled
def same(data: NDArray[np.uint8], one: int, other: int, length: int) -> Any:
    """Whether so many bytes from either place on are equal."""
    step = np.int64(0)
    while step + 16 <= length:
        difference = u64(data, one + step) ^ u64(data, other + step)
        difference |= u64(data, one + step + 8) ^ u64(data, other + step + 8)
        if difference:
            return False
        step += 16
    if length >= 16:
        # The last words once more, over what was compared before.
        rest = length - 16
        difference = u64(data, one + rest) ^ u64(data, other + rest)
        difference |= u64(data, one + rest + 8) ^ u64(data, other + rest + 8)
        return difference == 0
    while step < length:
        if data[np.uint64(one + step)] != data[np.uint64(other + step)]:
            return False
        step += 1
    return True
