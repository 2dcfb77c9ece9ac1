"""Folded stacks as a pprof profile: the protobuf message, gzip-compressed.

The message is small and does not change, so its few fields are written here
without a protobuf library. Source: proto/profile.proto of github.com/google/pprof.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["pprof"]

_UNITS = {"ns": "nanoseconds", "samples": "count", "events": "count", "cycles": "count"}
_NUMBER, _BYTES = 0, 2  # wire types

# Field numbers of the messages Profile, ValueType, Sample, Location, Line and Function.
_SAMPLE_TYPE, _SAMPLE, _LOCATION, _FUNCTION, _STRING = 1, 2, 4, 5, 6
_PERIOD_TYPE, _PERIOD, _COMMENT = 11, 12, 13


def pprof(stacks: Mapping[str, int], event: str, unit: str, *, comment: str = "") -> bytes:
    """The compressed file.

    stacks: folded stack to weight; a stack's first part (comm) becomes its
    outermost frame. unit: `weight_unit` of the breakdown. comment: a remark that
    `pprof -comments` shows. The same stacks give the same bytes.
    """
    strings = {"": 0}

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings))

    value_type = _number(1, text(event)) + _number(2, text(_UNITS[unit]))
    functions: dict[str, int] = {}
    samples = []
    for stack, weight in sorted(stacks.items()):
        # Innermost first, and numbered from 1: 0 stands for nothing.
        frames = [functions.setdefault(name, len(functions) + 1) for name in stack.split(";")[::-1]]
        samples.append(_bytes(_SAMPLE, _packed(1, frames) + _packed(2, [weight])))
    parts = [_bytes(_SAMPLE_TYPE, value_type), *samples]
    for name, number in functions.items():
        line = _bytes(4, _number(1, number))
        parts.append(_bytes(_LOCATION, _number(1, number) + line))
        named = _number(2, text(name)) + _number(3, text(name))
        parts.append(_bytes(_FUNCTION, _number(1, number) + named))
    remark = [_packed(_COMMENT, [text(comment)])] if comment else []
    parts += [_bytes(_STRING, value.encode("utf-8", "replace")) for value in strings]
    parts += [_bytes(_PERIOD_TYPE, value_type), _number(_PERIOD, 1), *remark]
    return gzip.compress(b"".join(parts), mtime=0)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _NUMBER) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, values)))
