# ruff: noqa: PLR0917  compiled loops take arrays, not objects, and call little
"""The loops that every line of a text goes through, compiled by numba.

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

__all__ = ["compiled", "enter_all", "grown_i32", "grown_i64", "intern_stack", "reentered", "u64"]

_MIX = np.uint64(0x9E3779B97F4A7C15)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled when first called, and kept on disk for the next time."""
    result: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    return result


@compiled
def u64(data: NDArray[np.uint8], at: int) -> Any:
    """The little-endian number of eight bytes.

    The index is unsigned: only then does the compiler make one load of it.
    """
    place = np.uint64(at)
    return (
        np.uint64(data[place])
        | np.uint64(data[place + np.uint64(1)]) << np.uint64(8)
        | np.uint64(data[place + np.uint64(2)]) << np.uint64(16)
        | np.uint64(data[place + np.uint64(3)]) << np.uint64(24)
        | np.uint64(data[place + np.uint64(4)]) << np.uint64(32)
        | np.uint64(data[place + np.uint64(5)]) << np.uint64(40)
        | np.uint64(data[place + np.uint64(6)]) << np.uint64(48)
        | np.uint64(data[place + np.uint64(7)]) << np.uint64(56)
    )


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
