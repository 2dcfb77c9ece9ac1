from __future__ import annotations

import gzip
from collections import defaultdict

from faltcon.perf.pprof import pprof

Fields = dict[int, list[int | bytes]]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data: bytes) -> Fields:
    """A message by field number: the wire format alone."""
    found: Fields = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            found[key >> 3].append(data[at : at + value])
            at += value
        else:
            assert key & 7 == 0
            found[key >> 3].append(value)
    return found


def numbers(packed: int | bytes) -> list[int]:
    assert isinstance(packed, bytes)
    found, at = [], 0
    while at < len(packed):
        value, at = varint(packed, at)
        found.append(value)
    return found


def inner(message: int | bytes) -> Fields:
    assert isinstance(message, bytes)
    return fields(message)


def test_pprof__gives_the_stacks_back() -> None:
    stacks = {"c;f_[k];g": 300, "c;f_[k]": 2**40, "d": 1}
    content = pprof(stacks, "cpu-clock", "ns")
    assert content == pprof(dict(reversed(stacks.items())), "cpu-clock", "ns")
    profile = fields(gzip.decompress(content))
    strings = [bytes(text).decode() for text in profile[6] if isinstance(text, bytes)]
    assert strings[0] == ""
    kind = inner(profile[1][0])
    assert [strings[int(kind[n][0])] for n in (1, 2)] == ["cpu-clock", "nanoseconds"]
    functions = {inner(f)[1][0]: strings[int(inner(f)[2][0])] for f in profile[5]}
    lines = {inner(one)[1][0]: inner(inner(one)[4][0])[1][0] for one in profile[4]}
    found = {}
    for sample in map(inner, profile[2]):
        names = [functions[lines[number]] for number in numbers(sample[1][0])]
        found[";".join(reversed(names))] = numbers(sample[2][0])[0]
    assert found == stacks
