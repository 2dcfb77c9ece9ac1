from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from faltcon.perf import walk
from faltcon.perf.perfdata import payload


def plainly(data: bytes, start: int) -> tuple[list[int], int]:
    at, found = start, []
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<I2xH", data, at)
        if size < 8 or at + size > len(data):
            break
        found.append(at)
        at += size + payload(kind, data[at + 8 : at + size])
    return found, min(at, len(data))


def records(rng: random.Random, count: int, step: int = 8) -> bytes:
    parts = []
    for _ in range(count):
        # Bodies full of what looks like the header of a sample, and kinds with a payload.
        kind = rng.choice([9] * 40 + [3, 10, 68, 66, 71])
        size = step * rng.randrange(1, 6)
        body = struct.pack("<IHH", 9, 1, 24) * 5
        if kind in {66, 71}:
            body = struct.pack("<QQ", 16, 0) + body
        parts.append(struct.pack("<IHH", kind, 1, 8 + size) + body[:size].ljust(size, b"\0"))
        if kind in {66, 71} and size >= 8:
            parts.append(bytes(16))
    return b"".join(parts)


@pytest.mark.parametrize("walkers", [1, 3, 64])
@pytest.mark.parametrize("seed", range(6))
def test_records__as_one_by_one(monkeypatch: pytest.MonkeyPatch, walkers: int, seed: int) -> None:
    monkeypatch.setattr(walk, "_WALKERS", walkers)
    monkeypatch.setattr(walk, "_SEARCHED", 4)
    rng = random.Random(seed)
    data = bytearray(bytes(rng.randrange(9)) + records(rng, 900, rng.choice([8, 8, 4, 1])))
    if seed % 2:
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
    start = 0 if seed == 0 else rng.randrange(9)
    places, end = walk.records(bytes(data), start, len(data))
    assert (places.tolist(), end) == plainly(bytes(data), start)


def test_words__at_any_alignment() -> None:
    data = bytes(range(100))
    for places in ([3, 11, 19], [0, 8], [1, 6, 20]):
        words = walk.Words(data, np.array(places, np.int64))
        expected = [int.from_bytes(data[at : at + 8], "little") for at in places]
        assert words.at(np.array(places)).tolist() == expected
        runs = words.runs(np.array(places), np.array([2] * len(places)))
        assert runs.tolist()[::2] == expected
