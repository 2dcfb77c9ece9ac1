# ruff: noqa: C901, PLR0917  compiled loops call little
# mypy: disable-error-code="used-before-def, assignment, arg-type"
"""`perf script` text, scanned by compiled loops: the distinct lines, and the common headers.

Each distinct line is told apart here and read once, by `grammar`; only the
common form of a header, which differs in every line by its time, is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltcon.perf.compiled import compiled, grown_i64
from faltcon.perf.textbytes import (
    HEADER_FIELDS,
    NEWLINE,
    RETURN,
    TAB,
    fast_header,
    hashed_bytes,
    line_end,
    same,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HASH", "MET_FIELDS", "distinct_lines", "expected", "line_slot"]

HASH = 35  # begins a comment
MET_FIELDS = 4  # where, where the next line begins, header, period


@compiled
def line_slot(
    data: NDArray[np.uint8], begin: int, end: int, table: NDArray[np.int32],
    begins: NDArray[np.int64], ends: NDArray[np.int64],
) -> Any:  # fmt: skip
    """The table's slot of a line, or the free one where it belongs."""
    mask = np.uint64(len(table) - 1)
    slot = hashed_bytes(data, begin, end, np.uint64(end - begin)) & mask
    while table[slot] >= 0:
        known = table[slot]
        if ends[known] - begins[known] == end - begin and same(
            data, begins[known], begin, end - begin
        ):
            return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def expected(
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
    if at + length >= len(data) or data[np.uint64(at + length)] != NEWLINE:
        return -1
    return guess if same(data, begins[guess], at, length) else -1


@compiled
def header_slot(
    data: NDArray[np.uint8], fields: NDArray[np.int64], table: NDArray[np.int32],
    headers: NDArray[np.int64],
) -> Any:  # fmt: skip
    mask = np.uint64(len(table) - 1)
    hashed = hashed_bytes(data, fields[0], fields[1], np.uint64(fields[4]))
    slot = hashed_bytes(data, fields[2], fields[3], hashed) & mask
    while table[slot] >= 0:
        at = HEADER_FIELDS * table[slot]
        who, event = fields[1] - fields[0], fields[3] - fields[2]
        if (
            headers[at + 1] - headers[at] == who
            and headers[at + 3] - headers[at + 2] == event
            and headers[at + 4] == fields[4]
            and same(data, headers[at], fields[0], who)
            and same(data, headers[at + 2], fields[2], event)
        ):
            return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _find_lines(
    data: NDArray[np.uint8], longest: int, state: NDArray[np.int64], table: NDArray[np.int32],
    begins: NDArray[np.int64], ends: NDArray[np.int64], successor: NDArray[np.int32],
    header_table: NDArray[np.int32], headers: NDArray[np.int64], met: NDArray[np.int64],
    seen: NDArray[np.int64],
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
        line = expected(data, at, last, successor, begins, ends)
        if line >= 0:
            at += ends[line] - begins[line] + 1
            last = np.int64(line)
            continue
        previous, last = last, np.int64(-1)
        newline = line_end(data, at)
        begin, end = at, newline
        at = newline + 1
        if end > begin and data[end - 1] == RETURN:
            end -= 1
        if end == begin or data[begin] == HASH or newline - begin > longest:
            continue
        period = np.int64(-1)
        if data[begin] != TAB:
            period = fast_header(data, begin, end, fields)
        if period >= 0:
            slot = header_slot(data, fields, header_table, headers)
            if header_table[slot] < 0:
                header_table[slot] = number
                for field in range(HEADER_FIELDS):
                    headers[HEADER_FIELDS * number + field] = fields[field]
                number += 1
            place = MET_FIELDS * times
            met[place], met[place + 1] = begin, at
            met[place + 2], met[place + 3] = header_table[slot], period
            times += 1
            seen[0] = at
            continue
        slot = line_slot(data, begin, end, table, begins, ends)
        if table[slot] < 0:
            table[slot] = lines
            begins[lines], ends[lines] = begin, end
            lines += 1
        last = np.int64(table[slot])
        if previous >= 0:
            successor[previous] = last
    state[0], state[1], state[2], state[3], state[4] = at, last, lines, number, times


@compiled
def distinct_lines(
    data: NDArray[np.uint8], start: int, longest: int, seen: NDArray[np.int64]
) -> Any:
    """Find the distinct lines that `grammar` must read, and the distinct common headers.

    Returns (table, begins, ends, headers, met): table is a hash table from a
    line's bytes to its number, begins and ends say where each stands, headers
    holds HEADER_FIELDS numbers a header. met holds MET_FIELDS numbers each time
    that a common header was met: where, where the line after it begins, the
    header's number and its period. Blank, comment and overlong lines are left out.
    seen: one number, which becomes the place reached, for who looks on.
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
            data, longest, state, table, begins, ends, successor, header_table, headers, met, seen
        )
        lines, number, times = state[2], state[3], state[4]
        if state[0] >= len(data):
            break
        if 2 * lines + 2 > len(table):
            table = np.full(2 * len(table), -1, np.int32)
            begins, ends = grown_i64(begins), grown_i64(ends)
            successor = np.full(len(begins), -1, np.int32)
            for known in range(lines):
                table[line_slot(data, begins[known], ends[known], table, begins, ends)] = known
        if 2 * number + 2 > len(header_table):
            header_table = np.full(2 * len(header_table), -1, np.int32)
            headers = grown_i64(headers)
            for known in range(number):
                old = headers[HEADER_FIELDS * known : HEADER_FIELDS * known + HEADER_FIELDS]
                header_table[header_slot(data, old, header_table, headers)] = known
        if MET_FIELDS * times + MET_FIELDS > len(met):
            met = grown_i64(met)
    headers, met = headers[: HEADER_FIELDS * number], met[: MET_FIELDS * times]
    return table, begins[:lines], ends[:lines], headers, met
