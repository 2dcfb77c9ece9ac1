"""The one way this package compiles a function: numba, cached on disk, without the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "inlined"]

F = TypeVar("F")

compiled = cast("Callable[[F], F]", numba.njit(cache=True, nogil=True))
# The same for what runs for each packet: made part of its caller, however long it is.
inlined = cast("Callable[[F], F]", numba.njit(cache=True, nogil=True, forceinline=True))
