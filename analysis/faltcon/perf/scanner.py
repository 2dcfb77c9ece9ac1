# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, PLR0917, SIM109, SIM110  compiled loops call little
# mypy: disable-error-code="used-before-def, assignment, arg-type"
"""`perf script` text, scanned by compiled loops.

Each distinct line is told apart here and read once, by `grammar`; only the
common form of a header, which differs in every line by its time, is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltcon.perf.compiled import compiled, grown_i32, grown_i64, intern_stack, reentered

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FAST", "HEADER_FIELDS", "SKIPS", "distinct_lines", "samples_of_lines"]

# Why a line was not used: index into the counts that samples_of_lines returns.
SKIPS = ("unreadable", "unreadable_frame", "orphan", "long", "cut", "unclosed")
HEADER_FIELDS = 5  # begin, end of the thread, begin and end of the event, whether a period is given
FAST = -1  # what a line is when it is a header of the common form

_MIX = np.uint64(0x9E3779B97F4A7C15)
_NEWLINE, _RETURN, _TAB, _SPACE, _HASH = 10, 13, 9, 32, 35
_COLON, _SLASH, _DOT, _OPEN, _CLOSE = 58, 47, 46, 91, 93


@compiled
def _line_end(data: NDArray[np.uint8], at: int) -> Any:
    """Where the line ends: its newline, or the end of the data."""
    end = at
    while end < len(data) and data[end] != _NEWLINE:
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
def _fast_header(data: NDArray[np.uint8], begin: int, end: int, fields: NDArray[np.int64]) -> Any:
    """The period (0 where none) of a header of the common form; -1 for any other line.

    The form: comm, thread or process/thread, [cpu] or not, time, period or
    not, event, nothing more. Whatever is odd about a line makes it another.
    """
    if end - begin > 512:
        return -1
    for at in range(begin, end):
        if data[at] < _SPACE or data[at] > 126:
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
def _hash(data: NDArray[np.uint8], begin: int, end: int, hashed: np.uint64) -> Any:
    at = begin
    while at + 8 <= end:
        word = np.uint64(0)
        for byte in range(8):
            word |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
        hashed = (hashed ^ word) * _MIX
        hashed ^= hashed >> np.uint64(32)
        at += 8
    while at < end:
        hashed = (hashed ^ np.uint64(data[at])) * _MIX
        at += 1
    return hashed ^ (hashed >> np.uint64(29))


@compiled
def _same(data: NDArray[np.uint8], one: int, other: int, length: int) -> Any:
    for step in range(length):
        if data[one + step] != data[other + step]:
            return False
    return True


@compiled
def _line_slot(
    data: NDArray[np.uint8], begin: int, end: int, table: NDArray[np.int32],
    begins: NDArray[np.int64], ends: NDArray[np.int64],
) -> Any:  # fmt: skip
    mask = np.uint64(len(table) - 1)
    slot = _hash(data, begin, end, np.uint64(end - begin)) & mask
    while table[slot] >= 0:
        known = table[slot]
        if ends[known] - begins[known] == end - begin and _same(
            data, begins[known], begin, end - begin
        ):
            return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _header_slot(
    data: NDArray[np.uint8], fields: NDArray[np.int64], table: NDArray[np.int32],
    headers: NDArray[np.int64],
) -> Any:  # fmt: skip
    mask = np.uint64(len(table) - 1)
    hashed = _hash(data, fields[0], fields[1], np.uint64(fields[4]))
    slot = _hash(data, fields[2], fields[3], hashed) & mask
    while table[slot] >= 0:
        at = HEADER_FIELDS * table[slot]
        who, event = fields[1] - fields[0], fields[3] - fields[2]
        if (
            headers[at + 1] - headers[at] == who
            and headers[at + 3] - headers[at + 2] == event
            and headers[at + 4] == fields[4]
            and _same(data, headers[at], fields[0], who)
            and _same(data, headers[at + 2], fields[2], event)
        ):
            return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def distinct_lines(data: NDArray[np.uint8], start: int, longest: int) -> Any:
    """Find the distinct lines that `grammar` must read, and the distinct common headers.

    Returns (table, begins, ends, lines, header table, headers, number of
    headers): hash tables from a line's or header's bytes to its number, and
    where each stands. Blank, comment and overlong lines are left out.
    """
    table, header_table = np.full(1 << 14, -1, np.int32), np.full(1 << 10, -1, np.int32)
    begins, ends = np.empty(1 << 13, np.int64), np.empty(1 << 13, np.int64)
    headers = np.empty(HEADER_FIELDS << 9, np.int64)
    fields = np.empty(HEADER_FIELDS, np.int64)
    lines = number = 0
    at = start
    while at < len(data):
        newline = _line_end(data, at)
        begin, end = at, newline
        at = newline + 1
        if end > begin and data[end - 1] == _RETURN:
            end -= 1
        if end == begin or data[begin] == _HASH or newline - begin > longest:
            continue
        if data[begin] != _TAB and _fast_header(data, begin, end, fields) >= 0:
            if 2 * number + 2 > len(header_table):
                header_table = np.full(2 * len(header_table), -1, np.int32)
                headers = grown_i64(headers)
                for known in range(number):
                    old = headers[HEADER_FIELDS * known : HEADER_FIELDS * known + HEADER_FIELDS]
                    header_table[_header_slot(data, old, header_table, headers)] = known
            slot = _header_slot(data, fields, header_table, headers)
            if header_table[slot] < 0:
                header_table[slot] = number
                for field in range(HEADER_FIELDS):
                    headers[HEADER_FIELDS * number + field] = fields[field]
                number += 1
            continue
        if 2 * lines + 2 > len(table):
            table = np.full(2 * len(table), -1, np.int32)
            begins, ends = grown_i64(begins), grown_i64(ends)
            for known in range(lines):
                table[_line_slot(data, begins[known], ends[known], table, begins, ends)] = known
        slot = _line_slot(data, begin, end, table, begins, ends)
        if table[slot] < 0:
            table[slot] = lines
            begins[lines], ends[lines] = begin, end
            lines += 1
    return table, begins[:lines], ends[:lines], header_table, headers[: HEADER_FIELDS * number]


@compiled
def samples_of_lines(
    data: NDArray[np.uint8],
    start: int,
    longest: int,
    keep_unclosed: bool,
    table: NDArray[np.int32],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    header_table: NDArray[np.int32],
    headers: NDArray[np.int64],
    frame_of: NDArray[np.int32],
    header_of: NDArray[np.int32],
    expected_of: NDArray[np.int32],
    first_frame: NDArray[np.int32],
    timed: NDArray[np.bool_],
    weight_of: NDArray[np.int64],
) -> Any:
    """Put samples together as ScriptReader does.

    table to headers: from distinct_lines. frame_of, header_of, expected_of:
    for each distinct line the number of its frame, of its header, and of its
    header where one is expected (-1: none); headers that grammar read are
    numbered after the common ones. first_frame, timed, weight_of: of each
    header that grammar read, the frame on its line, whether it has a time, and
    its weight. Returns (rows, stacks, begins, skips, unclosed): for each sample
    its stack, header and weight; the stacks' frames and where each begins.
    """
    common = len(headers) // HEADER_FIELDS
    rows = np.empty(3 << 12, np.int64)
    count = 0
    stack_table, pool = np.full(1 << 14, -1, np.int32), np.empty(1 << 16, np.int32)
    stack_begins = np.zeros(1 << 13, np.int64)
    known = 0
    stack = np.empty(256, np.int32)
    fields = np.empty(HEADER_FIELDS, np.int64)
    skips = np.zeros(6, np.int64)
    header = np.int64(-1)
    weight = np.int64(0)
    depth = inline = 0
    usable = True
    unclosed = False
    at = start
    finished = False
    while not finished:
        new_header = np.int64(-1)
        closes = False
        frame = -1
        if at >= len(data):
            finished = True
            if header >= 0:
                if not usable or depth == 0:
                    skips[4] += 1
                elif depth == inline or keep_unclosed:
                    unclosed = depth != inline
                    closes = True
                else:
                    skips[5] += 1
        else:
            newline = _line_end(data, at)
            begin, end = at, newline
            at = newline + 1
            if end > begin and data[end - 1] == _RETURN:
                end -= 1
            if newline - begin > longest:
                skips[3] += 1
                continue
            if end == begin:
                closes = header >= 0
                if not closes:
                    continue
            elif data[begin] == _HASH:
                continue
            else:
                period = np.int64(-1)
                if data[begin] != _TAB:
                    period = _fast_header(data, begin, end, fields)
                if period >= 0:
                    new_header = header_table[_header_slot(data, fields, header_table, headers)]
                else:
                    line = table[_line_slot(data, begin, end, table, begins, ends)]
                    new_header = expected_of[line] if header < 0 else header_of[line]
                    frame = frame_of[line]
                if new_header >= 0:
                    closes = header >= 0
                else:
                    usable = frame >= 0 and header >= 0
                    if usable:
                        if depth == len(stack):
                            stack = grown_i32(stack)
                        stack[depth] = frame
                        depth += 1
                    elif frame >= 0:
                        skips[2] += 1
                    else:
                        skips[0 if header < 0 else 1] += 1
                    continue
        if closes:
            if header >= common and not timed[header - common] and depth == 0:
                skips[0] += 1
            else:
                while stack_begins[known] + depth > len(pool):
                    pool = grown_i32(pool)
                if 2 * known + 4 > len(stack_table) or known + 2 > len(stack_begins):
                    stack_begins = grown_i64(stack_begins)
                    stack_table = reentered(stack_table, pool, stack_begins, known)
                found = intern_stack(stack_table, stack, depth, pool, stack_begins, known)
                if found == known:
                    known += 1
                if 3 * count + 3 > len(rows):
                    rows = grown_i64(rows)
                rows[3 * count] = found
                rows[3 * count + 1] = header
                rows[3 * count + 2] = weight
                count += 1
            header = np.int64(-1)
        if new_header >= 0:
            header = new_header
            depth = inline = 0
            usable = True
            if header < common:
                weight = max(period, 1)
            else:
                weight = weight_of[header - common]
                if first_frame[header - common] >= 0:
                    stack[0] = first_frame[header - common]
                    depth = inline = 1
    return rows[: 3 * count], pool, stack_begins[: known + 1], skips, unclosed
