# ruff: noqa: C901, PLR0912, PLR0915, PLR0917  compiled loops call little
# mypy: disable-error-code="used-before-def, assignment, arg-type"
"""Samples put together from the lines that `scanner` told apart, by a compiled loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltcon.perf.compiled import compiled, grown_i32, grown_i64, intern_stack, reentered
from faltcon.perf.scanner import HASH, MET_FIELDS, expected, line_slot
from faltcon.perf.textbytes import HEADER_FIELDS, RETURN, line_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SKIPS", "samples_of_lines"]

# Why a line was not used: index into the counts that samples_of_lines returns.
SKIPS = ("unreadable", "unreadable_frame", "orphan", "long", "cut", "unclosed")

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
    seen: NDArray[np.int64],
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
            line = np.int64(expected(data, at, last, successor, begins, ends))
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
                newline = line_end(data, at)
                begin, end = at, newline
                at = newline + 1
                if end > begin and data[end - 1] == RETURN:
                    end -= 1
                if newline - begin > longest:
                    skips[3] += 1
                    continue
                if end == begin:
                    closes = header >= 0
                    if not closes:
                        continue
                elif data[begin] == HASH:
                    continue
                else:
                    line = table[line_slot(data, begin, end, table, begins, ends)]
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
                seen[0] = at
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
    seen: NDArray[np.int64],
) -> Any:
    """Put samples together as ScriptReader does.

    table to met: from distinct_lines. frame_of, header_of, expected_of:
    for each distinct line the number of its frame, of its header, and of its
    header where one is expected (-1: none); headers that grammar read are
    numbered after the common ones. first_frame, timed, weight_of: of each
    header that grammar read, the frame on its line, whether it has a time, and
    its weight. seen: becomes the place reached. Returns (rows, stacks, begins,
    skips, unclosed): for each sample its stack, header and weight; the stacks'
    frames and where each begins.
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
            stack_table, pool, stack_begins, seen,
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
