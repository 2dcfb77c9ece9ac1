"""C++ names in plain words, without arguments, as perf shows them.

The C++ runtime library of the machine does the work; where it is absent, names
stay as they are.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools

__all__ = ["demangled", "without_arguments"]

_THUNKS = ("virtual thunk to ", "non-virtual thunk to ", "covariant return thunk to ")
_DEMANGLE = "__cxa_demangle"


@functools.cache
def _runtime() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libstdc++.so.6")
        getattr(library, _DEMANGLE).restype = ctypes.c_void_p
        library.free.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


@functools.lru_cache(maxsize=65536)
def demangled(name: str) -> str:
    """The name without its encoding; names that are no C++ come back unchanged."""
    library = _runtime() if name.startswith("_Z") else None
    if library is None:
        return name
    status = ctypes.c_int()
    encoded = name.encode("utf-8", "surrogateescape")
    answer = getattr(library, _DEMANGLE)(encoded, None, None, ctypes.byref(status))
    if not answer:
        return name
    try:
        text = ctypes.string_at(answer).decode("utf-8", "surrogateescape")
    finally:
        library.free(answer)
    # Of a thunk, perf's demangler keeps the arguments.
    return text if text.startswith(_THUNKS) else without_arguments(text)


def without_arguments(text: str) -> str:
    """`int ns::f<char>(int) const` to `ns::f<char>`."""
    depth = 0
    start = 0
    for index, character in enumerate(text):
        before = text[:index]
        if character in "<>" and before.endswith(("operator", "operator<", "operator>", "-")):
            continue
        if character == "(" and depth == 0:
            after = text[index:]
            if before.endswith("operator") or after.startswith("(anonymous namespace)"):
                depth += 1
                continue
            return text[start:index]
        if character in "<({[":
            depth += 1
        elif character in ">)}]":
            depth -= 1
        elif character == " " and depth == 0 and not before.endswith("operator"):
            start = index + 1  # what stood before was a return type
    return text if "(" not in text else text[start:]
