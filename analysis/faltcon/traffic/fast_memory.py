"""Loads and stores at addresses, compiled: what numba's arrays cost too much for, packet by packet.

An array argument is ten machine words and each index is checked for its sign;
an address is one word. Callers answer for the bounds: an address comes from
`address_of` of an array that is kept alive, and an offset from what was checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from faltcon.traffic.jit import inlined

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "address_of",
    "be16",
    "be32",
    "be64",
    "get",
    "i64",
    "le32",
    "prefetch",
    "put",
    "put_u8",
    "u8",
]

WORD = ir.IntType(64)


def _load(bits: int, *, swapped: bool = False) -> Callable[[int], int]:
    """A load of so many bits at any address, as a number of 64 bits."""

    @intrinsic
    def load(context: Any, address: Any) -> Any:
        del context, address

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del context, signature
            kind = ir.IntType(bits)
            value = builder.load(builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
            if swapped:
                swap = builder.module.declare_intrinsic("llvm.bswap", [kind])
                value = builder.call(swap, [value])
            return value if bits == WORD.width else builder.zext(value, WORD)

        return types.int64(types.int64), generate

    return cast("Callable[[int], int]", load)


def _store(bits: int) -> Callable[[int, int], None]:
    """A store of the lowest bits of a number at any address."""

    @intrinsic
    def store(context: Any, address: Any, value: Any) -> Any:
        del context, address, value

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del signature
            kind = ir.IntType(bits)
            value = arguments[1] if bits == WORD.width else builder.trunc(arguments[1], kind)
            builder.store(value, builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return cast("Callable[[int, int], None]", store)


@intrinsic
def _prefetch(context: Any, address: Any) -> Any:
    del context, address

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        kind = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [kind], ir.FunctionType(ir.VoidType(), [kind, flag, flag, flag])
        )
        place = builder.inttoptr(arguments[0], kind)
        # For writing, to be kept, data.
        builder.call(function, [place, flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


# The machine is little-endian: what comes from the network is swapped.
u8, le32, i64 = _load(8), _load(32), _load(64)
be16, be32, be64 = (_load(bits, swapped=True) for bits in (16, 32, 64))
_set, put_u8 = _store(64), _store(8)
# Asks for the cache line at an address, which need not be valid, and goes on.
prefetch = cast("Callable[[int], None]", _prefetch)


@inlined
def get(row: int, field: int) -> int:
    """The word of a row."""
    return i64(row + 8 * field)


@inlined
def put(row: int, field: int, value: int) -> None:
    """Write a word of a row."""
    _set(row + 8 * field, value)


def address_of(array: NDArray[np.generic]) -> int:
    """Where an array's first element is in memory; good as long as the array lives."""
    return int(array.ctypes.data)
