"""The one way this package compiles a function: numba, cached on disk, without the GIL."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "inlined"]

F = TypeVar("F")


@functools.cache
def _stamp() -> tuple[tuple[str, float, int], ...]:
    """What the sources are that compiled code may be made of: names, times of change, sizes."""
    found = []
    for file in sorted(Path(__file__).parent.glob("*.py")):
        facts = file.stat()
        found.append((file.name, facts.st_mtime, facts.st_size))
    return tuple(found)


def _cached(function: Any, *, forceinline: bool = False) -> Any:
    dispatcher: Any = numba.njit(cache=True, nogil=True, forceinline=forceinline)(function)
    # numba looks at the function's own file alone, but code of other files is part of it:
    # without this a change there would leave the old code in use.
    dispatcher._cache._cache_file._source_stamp = _stamp()  # noqa: SLF001
    return dispatcher


def compiled(function: F) -> F:
    """The function, compiled."""
    return cast("F", _cached(function))


def inlined(function: F) -> F:
    """The same for what runs for each packet: made part of its caller, however long it is."""
    return cast("F", _cached(function, forceinline=True))
