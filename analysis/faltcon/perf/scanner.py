# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, PLR0917, SIM109  compiled loops call little
# mypy: disable-error-code="used-before-def, assignment, arg-type"
"""`perf script` text, scanned by compiled loops.

Each distinct line is told apart here and read once, by `grammar`; only the
common form of a header, which differs in every line by its time, is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltcon.perf.compiled import compiled, grown_i32, grown_i64, intern_stack, reentered, u64

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEADER_FIELDS", "SKIPS", "distinct_lines", "samples_of_lines"]

# Why a line was not used: index into the counts that samples_of_lines returns.
SKIPS = ("unreadable", "unreadable_frame", "orphan", "long", "cut", "unclosed")
HEADER_FIELDS = 5  # begin, end of the thread, begin and end of the event, whether a period is given
MET_FIELDS = 4  # where, where the next line begins, header, period

_MIX = np.uint64(0x9E3779B97F4A7C15)
_NEWLINE, _RETURN, _TAB, _SPACE, _HASH = 10, 13, 9, 32, 35
_COLON, _SLASH, _DOT, _OPEN, _CLOSE = 58, 47, 46, 91, 93


@compiled
def _line_end(data: NDArray[np.uint8], at: int) -> Any:
    """Where the line ends: its newline, or the end of the data."""
    end = np.int64(at)
    size = len(data)
    # Eight bytes at a time: a byte that is a newline becomes zero, and a zero byte borrows.
    while end + 8 <= size:
        word = u64(data, end) ^ np.uint64(0x0A0A0A0A0A0A0A0A)
        if (word - np.uint64(0x0101010101010101)) & ~word & np.uint64(0x8080808080808080):
            break
        end += 8
    while end < size and data[np.uint64(end)] != _NEWLINE:
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
def _fast_header(data: NDArray[np.uint8], begin: int, end: int, fields: NDArray[np.int64]) -> Any:
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
def _hash(data: NDArray[np.uint8], begin: int, end: int, hashed: np.uint64) -> Any:
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
def _same(data: NDArray[np.uint8], one: int, other: int, length: int) -> Any:
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
def _expected(
    data: NDArray[np.uint8], at: int, last: int, successor: NDArray[np.int32],
    begins: NDArray[np.int64], ends: NDArray[np.int64],
) -> Any:  # fmt: skip
    """The line that followed the last one before, if it stands here too; else -1.

    Stacks repeat themselves, so this is right for most lines, and costs one comparison.
    """
    if last < 0 or successor[last] < 0:
        return -1
    guess = successor[last]
    length = ends[guess] - begins[guess]
    if at + length >= len(data) or data[np.uint64(at + length)] != _NEWLINE:
        return -1
    return guess if _same(data, begins[guess], at, length) else -1


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
def _find_lines(
    data: NDArray[np.uint8], longest: int, state: NDArray[np.int64], table: NDArray[np.int32],
    begins: NDArray[np.int64], ends: NDArray[np.int64], successor: NDArray[np.int32],
    header_table: NDArray[np.int32], headers: NDArray[np.int64], met: NDArray[np.int64],
) -> None:  # fmt: skip
    """Go on finding distinct lines until the data ends or an array is full.

    state: place, last line, distinct lines, distinct headers, headers met. The
    loop makes no array: where one may be replaced, all are counted at each call.
    """
    at, last, lines, number, times = state[0], state[1], state[2], state[3], state[4]
    fields = np.empty(HEADER_FIELDS, np.int64)
    while at < len(data):
        if (
            2 * lines + 2 > len(table)
            or 2 * number + 2 > len(header_table)
            or MET_FIELDS * times + MET_FIELDS > len(met)
        ):
            break
        line = _expected(data, at, last, successor, begins, ends)
        if line >= 0:
            at += ends[line] - begins[line] + 1
            last = np.int64(line)
            continue
        previous, last = last, np.int64(-1)
        newline = _line_end(data, at)
        begin, end = at, newline
        at = newline + 1
        if end > begin and data[end - 1] == _RETURN:
            end -= 1
        if end == begin or data[begin] == _HASH or newline - begin > longest:
            continue
        period = np.int64(-1)
        if data[begin] != _TAB:
            period = _fast_header(data, begin, end, fields)
        if period >= 0:
            slot = _header_slot(data, fields, header_table, headers)
            if header_table[slot] < 0:
                header_table[slot] = number
                for field in range(HEADER_FIELDS):
                    headers[HEADER_FIELDS * number + field] = fields[field]
                number += 1
            place = MET_FIELDS * times
            met[place], met[place + 1] = begin, at
            met[place + 2], met[place + 3] = header_table[slot], period
            times += 1
            continue
        slot = _line_slot(data, begin, end, table, begins, ends)
        if table[slot] < 0:
            table[slot] = lines
            begins[lines], ends[lines] = begin, end
            lines += 1
        last = np.int64(table[slot])
        if previous >= 0:
            successor[previous] = last
    state[0], state[1], state[2], state[3], state[4] = at, last, lines, number, times


@compiled
def distinct_lines(data: NDArray[np.uint8], start: int, longest: int) -> Any:
    """Find the distinct lines that `grammar` must read, and the distinct common headers.

    Returns (table, begins, ends, headers, met): table is a hash table from a
    line's bytes to its number, begins and ends say where each stands, headers
    holds HEADER_FIELDS numbers a header. met holds MET_FIELDS numbers each time
    that a common header was met: where, where the line after it begins, the
    header's number and its period. Blank, comment and overlong lines are left out.
    """
    table, header_table = np.full(1 << 14, -1, np.int32), np.full(1 << 10, -1, np.int32)
    begins, ends = np.empty(1 << 13, np.int64), np.empty(1 << 13, np.int64)
    headers = np.empty(HEADER_FIELDS << 9, np.int64)
    met = np.empty(MET_FIELDS << 12, np.int64)
    successor = np.full(1 << 13, -1, np.int32)
    state = np.zeros(5, np.int64)
    state[0], state[1] = start, -1
    while True:
        _find_lines(
            data, longest, state, table, begins, ends, successor, header_table, headers, met
        )
        lines, number, times = state[2], state[3], state[4]
        if state[0] >= len(data):
            break
        if 2 * lines + 2 > len(table):
            table = np.full(2 * len(table), -1, np.int32)
            begins, ends = grown_i64(begins), grown_i64(ends)
            successor = np.full(len(begins), -1, np.int32)
            for known in range(lines):
                table[_line_slot(data, begins[known], ends[known], table, begins, ends)] = known
        if 2 * number + 2 > len(header_table):
            header_table = np.full(2 * len(header_table), -1, np.int32)
            headers = grown_i64(headers)
            for known in range(number):
                old = headers[HEADER_FIELDS * known : HEADER_FIELDS * known + HEADER_FIELDS]
                header_table[_header_slot(data, old, header_table, headers)] = known
        if MET_FIELDS * times + MET_FIELDS > len(met):
            met = grown_i64(met)
    headers, met = headers[: HEADER_FIELDS * number], met[: MET_FIELDS * times]
    return table, begins[:lines], ends[:lines], headers, met


_FINISHED = 12  # place in the state of _put_together that says so


@compiled
def _put_together(
    data: NDArray[np.uint8], longest: int, keep_unclosed: bool, state: NDArray[np.int64],
    table: NDArray[np.int32], begins: NDArray[np.int64], ends: NDArray[np.int64],
    successor: NDArray[np.int32], common: int, met: NDArray[np.int64],
    frame_of: NDArray[np.int32], header_of: NDArray[np.int32], expected_of: NDArray[np.int32],
    first_frame: NDArray[np.int32], timed: NDArray[np.bool_], weight_of: NDArray[np.int64],
    skips: NDArray[np.int64], rows: NDArray[np.int64], stack: NDArray[np.int32],
    stack_table: NDArray[np.int32], pool: NDArray[np.int32], stack_begins: NDArray[np.int64],
) -> None:  # fmt: skip
    """Go on putting samples together until the data ends or an array is full.

    state: what the loop knows between two lines; see its first lines.
    """
    at = state[0]
    last = state[1]
    cursor = state[2]
    header = state[3]
    period = state[4]
    weight = state[5]
    depth = state[6]
    inline = state[7]
    usable = state[8] == 1
    unclosed = state[9] == 1
    known = state[10]
    count = state[11]
    while state[_FINISHED] == 0:
        if (
            depth + 1 > len(stack)
            or stack_begins[known] + depth > len(pool)
            or 2 * known + 4 > len(stack_table)
            or known + 2 > len(stack_begins)
            or 3 * count + 3 > len(rows)
        ):
            break
        new_header = np.int64(-1)
        closes = False
        if at >= len(data):
            state[_FINISHED] = 1
            if header >= 0:
                if not usable or depth == 0:
                    skips[4] += 1
                elif depth == inline or keep_unclosed:
                    unclosed = depth != inline
                    closes = True
                else:
                    skips[5] += 1
        else:
            line = np.int64(_expected(data, at, last, successor, begins, ends))
            if line >= 0:
                at += ends[line] - begins[line] + 1
                last = line
            elif cursor < len(met) and met[cursor] == at:
                at, new_header, period = met[cursor + 1], met[cursor + 2], met[cursor + 3]
                cursor += MET_FIELDS
                last = np.int64(-1)
                closes = header >= 0
            else:
                previous, last = last, np.int64(-1)
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
                    line = table[_line_slot(data, begin, end, table, begins, ends)]
                    last = line
                    if previous >= 0:
                        successor[previous] = line
            if line >= 0:
                new_header = expected_of[line] if header < 0 else header_of[line]
                if new_header >= 0:
                    closes = header >= 0
                else:
                    frame = frame_of[line]
                    usable = frame >= 0 and header >= 0
                    if usable:
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
                found = intern_stack(stack_table, stack, depth, pool, stack_begins, known)
                if found == known:
                    known += 1
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
    state[0] = at
    state[1] = last
    state[2] = cursor
    state[3] = header
    state[4] = period
    state[5] = weight
    state[6] = depth
    state[7] = inline
    state[8] = usable
    state[9] = unclosed
    state[10] = known
    state[11] = count


@compiled
def samples_of_lines(
    data: NDArray[np.uint8],
    start: int,
    longest: int,
    keep_unclosed: bool,
    table: NDArray[np.int32],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    headers: NDArray[np.int64],
    met: NDArray[np.int64],
    frame_of: NDArray[np.int32],
    header_of: NDArray[np.int32],
    expected_of: NDArray[np.int32],
    first_frame: NDArray[np.int32],
    timed: NDArray[np.bool_],
    weight_of: NDArray[np.int64],
) -> Any:
    """Put samples together as ScriptReader does.

    table to met: from distinct_lines. frame_of, header_of, expected_of:
    for each distinct line the number of its frame, of its header, and of its
    header where one is expected (-1: none); headers that grammar read are
    numbered after the common ones. first_frame, timed, weight_of: of each
    header that grammar read, the frame on its line, whether it has a time, and
    its weight. Returns (rows, stacks, begins, skips, unclosed): for each sample
    its stack, header and weight; the stacks' frames and where each begins.
    """
    common = len(headers) // HEADER_FIELDS
    rows = np.empty(3 << 12, np.int64)
    stack_table, pool = np.full(1 << 14, -1, np.int32), np.empty(1 << 16, np.int32)
    stack_begins = np.zeros(1 << 13, np.int64)
    stack = np.empty(256, np.int32)
    skips = np.zeros(6, np.int64)
    successor = np.full(len(begins), -1, np.int32)
    state = np.zeros(13, np.int64)
    # Place, no last line, no open header, and nothing unusable yet.
    state[0], state[1], state[3], state[8] = start, -1, -1, 1
    while state[_FINISHED] == 0:
        _put_together(
            data, longest, keep_unclosed, state, table, begins, ends, successor, common, met,
            frame_of, header_of, expected_of, first_frame, timed, weight_of, skips, rows, stack,
            stack_table, pool, stack_begins,
        )  # fmt: skip
        depth, known, count = state[6], state[10], state[11]
        if depth + 1 > len(stack):
            stack = grown_i32(stack)
        while stack_begins[known] + depth > len(pool):
            pool = grown_i32(pool)
        if 2 * known + 4 > len(stack_table) or known + 2 > len(stack_begins):
            stack_begins = grown_i64(stack_begins)
            stack_table = reentered(stack_table, pool, stack_begins, known)
        if 3 * count + 3 > len(rows):
            rows = grown_i64(rows)
    return rows[: 3 * count], pool, stack_begins[: known + 1], skips, state[9] == 1
