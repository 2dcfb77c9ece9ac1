# ruff: noqa: C901, PLR0911, PLR0917  compiled loops take arrays, not objects, and call little
"""The loops that touch every byte of a recording, compiled by numba.

Plain functions over arrays: no object, no exception; what does not fit into a
table is said by the return value, and the caller enlarges the table and calls
again from where the loop stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "CUT",
    "MOST_FRAMES",
    "collect_addresses",
    "compiled",
    "count_records",
    "enter_addresses",
    "enter_all",
    "grown_i32",
    "grown_i64",
    "index_records",
    "intern_chains",
    "intern_stack",
    "reentered",
]

MOST_FRAMES = 2048
CUT = -1  # stack number of a sample whose callchain does not fit its record

_MIX = np.uint64(0x9E3779B97F4A7C15)
_CONTEXT_MAX = np.uint64((1 << 64) - 4095)
_CONTEXT_KERNEL = np.uint64((1 << 64) - 128)
_CONTEXT_USER = np.uint64((1 << 64) - 512)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled when first called, and kept on disk for the next time."""
    result: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    return result


@compiled
def _u16(data: NDArray[np.uint8], at: int) -> Any:
    return data[at] | data[at + 1] << 8


@compiled
def _u32(data: NDArray[np.uint8], at: int) -> Any:
    value = np.uint32(0)
    for byte in range(4):
        value |= np.uint32(data[at + byte]) << np.uint32(8 * byte)
    return value


@compiled
def _u64(data: NDArray[np.uint8], at: int) -> Any:
    value = np.uint64(0)
    for byte in range(8):
        value |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
    return value


@compiled
def _beyond(data: NDArray[np.uint8], kind: int, at: int, size: int) -> Any:
    """Bytes after a record that its size does not count (see perfdata.payload)."""
    if kind == 66 and size >= 12:
        return (np.int64(_u32(data, at + 8)) + 7) & ~7
    if kind == 71 and size >= 16:
        return np.int64(_u64(data, at + 8))
    return 0


@compiled
def count_records(data: NDArray[np.uint8], start: int, end: int) -> Any:
    """Number of whole records, and where the last of them ends."""
    at, count = start, 0
    while at + 8 <= end:
        size = np.int64(_u16(data, at + 6))
        if size < 8 or at + size > end:
            break
        at += size + _beyond(data, _u32(data, at), at, size)
        count += 1
    return count, min(at, end)


@compiled
def index_records(
    data: NDArray[np.uint8],
    start: int,
    sample_time: int,
    tail_time: int,
    places: NDArray[np.int64],
    times: NDArray[np.uint64],
    kinds: NDArray[np.uint8],
) -> None:
    """Place, time (0 where a record has none) and kind (255 above 254) of each record."""
    at = start
    for number in range(len(places)):
        kind = _u32(data, at)
        size = np.int64(_u16(data, at + 6))
        places[number] = at
        kinds[number] = min(kind, np.uint32(255))
        times[number] = 0
        if kind == 9:
            if sample_time >= 0 and size >= 16 + sample_time:
                times[number] = _u64(data, at + 8 + sample_time)
        elif kind < 64 and tail_time > 0 and size >= 8 + tail_time:
            times[number] = _u64(data, at + size - tail_time)
        at += size + _beyond(data, kind, at, size)


@compiled
def _chain(
    data: NDArray[np.uint8], at: int, callchain: int, group_at: int, group: int, ip: int
) -> Any:
    """Where a sample's addresses begin and how many they are; -1 where they do not fit."""
    size = np.int64(_u16(data, at + 6))
    body = at + 8
    if callchain < 0:
        if ip < 0 or size < 16 + ip:
            return body, -1
        return body + ip, 1
    place = np.int64(callchain)
    if group > 0:
        if size < 16 + group_at:
            return body, -1
        counters = _u64(data, body + group_at)
        if counters > np.uint64(size):
            return body, -1
        place += 8 * group * np.int64(counters)
    if size < 16 + place:
        return body, -1
    count = _u64(data, body + place)
    if count > np.uint64(size) or 16 + place + 8 * np.int64(count) > size:
        return body, -1
    return body + place + 8, np.int64(count)


@compiled
def collect_addresses(
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
    versions: NDArray[np.int32],
    fields: NDArray[np.int64],
    keys: NDArray[np.uint64],
    maps: NDArray[np.int32],
    first: int,
    used: int,
) -> Any:
    """Enter each distinct pair of address and memory map (0: the kernel) into a hash table.

    keys and maps: the table, of a length that is a power of two; maps is -1
    where a place is free. Returns the sample to go on from (the number of
    samples when done) and the entries used.
    """
    mask = np.uint64(len(keys) - 1)
    for number in range(first, len(places)):
        begin, count = _chain(data, places[number], fields[0], fields[1], fields[2], fields[3])
        if used + count + 1 > len(keys) // 2:
            return number, used
        kernel = data[places[number] + 4] & 7 == 1
        for step in range(count):
            address = _u64(data, begin + 8 * step)
            if address >= _CONTEXT_MAX:
                if address == _CONTEXT_KERNEL:
                    kernel = True
                elif address == _CONTEXT_USER:
                    kernel = False
                continue
            version = np.int32(0) if kernel else versions[number]
            slot = ((address + np.uint64(version)) * _MIX) >> np.uint64(20) & mask
            while maps[slot] >= 0 and not (keys[slot] == address and maps[slot] == version):
                slot = (slot + np.uint64(1)) & mask
            if maps[slot] < 0:
                keys[slot] = address
                maps[slot] = version
                used += 1
    return len(places), used


@compiled
def enter_addresses(
    addresses: NDArray[np.uint64],
    versions: NDArray[np.int32],
    keys: NDArray[np.uint64],
    maps: NDArray[np.int32],
) -> None:
    """Enter distinct pairs of address and map into a larger, empty table."""
    mask = np.uint64(len(keys) - 1)
    for number in range(len(addresses)):
        hashed = (addresses[number] + np.uint64(versions[number])) * _MIX
        slot = hashed >> np.uint64(20) & mask
        while maps[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        keys[slot] = addresses[number]
        maps[slot] = versions[number]


@compiled
def _find(
    table: NDArray[np.int32],
    hashed: np.uint64,
    stack: NDArray[np.int32],
    depth: int,
    pool: NDArray[np.int32],
    begins: NDArray[np.int64],
) -> Any:
    """The table's slot of a stack, or the free one where it belongs."""
    mask = np.uint64(len(table) - 1)
    slot = hashed & mask
    while table[slot] >= 0:
        known = table[slot]
        begin = begins[known]
        if begins[known + 1] - begin == depth:
            same = True
            for step in range(depth):
                if pool[begin + step] != stack[step]:
                    same = False
                    break
            if same:
                return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _hash(stack: NDArray[np.int32], begin: int, depth: int) -> Any:
    hashed = np.uint64(depth) * _MIX
    for step in range(begin, begin + depth):
        hashed = (hashed ^ np.uint64(stack[step])) * _MIX
        hashed ^= hashed >> np.uint64(29)
    return hashed


@compiled
def enter_all(
    table: NDArray[np.int32], pool: NDArray[np.int32], begins: NDArray[np.int64], known: int
) -> None:
    """Enter stacks that are known and distinct into an empty table."""
    mask = np.uint64(len(table) - 1)
    for number in range(known):
        slot = _hash(pool, begins[number], begins[number + 1] - begins[number]) & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = number


@compiled
def grown_i32(old: NDArray[np.int32]) -> Any:
    """The same numbers with room for as many again."""
    new = np.empty(2 * len(old), np.int32)
    new[: len(old)] = old
    return new


@compiled
def grown_i64(old: NDArray[np.int64]) -> Any:
    """The same numbers with room for as many again."""
    new = np.empty(2 * len(old), np.int64)
    new[: len(old)] = old
    return new


@compiled
def reentered(
    old: NDArray[np.int32], pool: NDArray[np.int32], begins: NDArray[np.int64], known: int
) -> Any:
    """A table of twice the length with the same stacks."""
    table = np.full(2 * len(old), -1, np.int32)
    enter_all(table, pool, begins, known)
    return table


@compiled
def intern_stack(
    table: NDArray[np.int32],
    stack: NDArray[np.int32],
    depth: int,
    pool: NDArray[np.int32],
    begins: NDArray[np.int64],
    known: int,
) -> Any:
    """Number of a stack; equal to `known` where it was entered as a new one.

    table: slot to stack number, -1 where free, length a power of two. pool and
    begins: the frames of stack k are pool[begins[k]:begins[k + 1]]. The caller
    sees to it that there is room.
    """
    slot = _find(table, _hash(stack, 0, depth), stack, depth, pool, begins)
    if table[slot] >= 0:
        return table[slot]
    table[slot] = known
    begin = begins[known]
    for step in range(depth):
        pool[begin + step] = stack[step]
    begins[known + 1] = begin + depth
    return known


@compiled
def intern_chains(
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
    versions: NDArray[np.int32],
    fields: NDArray[np.int64],
    keys: NDArray[np.uint64],
    maps: NDArray[np.int32],
    frames: NDArray[np.int32],
    table: NDArray[np.int32],
    pool: NDArray[np.int32],
    begins: NDArray[np.int64],
    numbers: NDArray[np.int32],
    first: int,
    known: int,
) -> Any:
    """Number the stacks of samples, equal stacks equally.

    keys, maps: as filled by collect_addresses; frames: the frame number of
    each of its slots. numbers: the stack number of each sample (CUT where its
    record is too short). Returns the sample to go on from and the number of
    stacks known.
    """
    mask = np.uint64(len(keys) - 1)
    stack = np.empty(MOST_FRAMES, np.int32)
    for number in range(first, len(places)):
        begin, count = _chain(data, places[number], fields[0], fields[1], fields[2], fields[3])
        if count < 0 or count > MOST_FRAMES:
            numbers[number] = CUT
            continue
        if known + 2 > len(table) // 2 or known + 2 > len(begins):
            return number, known
        if begins[known] + count > len(pool):
            return number, known
        kernel = data[places[number] + 4] & 7 == 1
        depth = 0
        for step in range(count):
            address = _u64(data, begin + 8 * step)
            if address >= _CONTEXT_MAX:
                if address == _CONTEXT_KERNEL:
                    kernel = True
                elif address == _CONTEXT_USER:
                    kernel = False
                continue
            version = np.int32(0) if kernel else versions[number]
            slot = ((address + np.uint64(version)) * _MIX) >> np.uint64(20) & mask
            while not (keys[slot] == address and maps[slot] == version):
                slot = (slot + np.uint64(1)) & mask
            stack[depth] = frames[slot]
            depth += 1
        found = intern_stack(table, stack, depth, pool, begins, known)
        if found == known:
            known += 1
        numbers[number] = found
    return len(places), known
