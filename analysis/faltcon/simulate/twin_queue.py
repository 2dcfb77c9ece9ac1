"""A binary heap of (time, connection) in two arrays, compiled. Its size is the caller's."""
# mypy: disable-error-code="no-untyped-def,untyped-decorator,no-untyped-call"
# ruff: noqa: ANN001, ANN201  numba infers the types

from __future__ import annotations

from numba import njit

__all__ = ["pop", "push"]


@njit(cache=True, nogil=True)
def push(times, indices, size, now, index):
    """Add an entry to a heap of `size` entries."""
    at = size
    while at:
        parent = (at - 1) >> 1
        if times[parent] < now or (times[parent] == now and indices[parent] < index):
            break
        times[at] = times[parent]
        indices[at] = indices[parent]
        at = parent
    times[at] = now
    indices[at] = index


@njit(cache=True, nogil=True)
def pop(times, indices, size):
    """Remove the first entry of a heap of `size` entries."""
    size -= 1
    now, index = times[size], indices[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            times[other] < times[child]
            or (times[other] == times[child] and indices[other] < indices[child])
        ):
            child = other
        if now < times[child] or (now == times[child] and index < indices[child]):
            break
        times[at] = times[child]
        indices[at] = indices[child]
        at = child
    times[at] = now
    indices[at] = index
