"""Hostile captures: no crash, no hang, time bounded by the packet; `make fuzz` does much more."""

from __future__ import annotations

import json
import random
import time

import pytest

from faltcon.errors import FaltconError
from faltcon.traffic import compiled, mining


def survives(target, content) -> None:
    target.write_bytes(content)
    try:
        result = compiled.mine(target)
    except FaltconError:
        return
    assert len(result.tables.connections) <= result.tcp_packets <= max(result.packets, 1) * 2


@pytest.fixture
def sample(captures):
    rows = [json.loads(line) for line in (captures / "ORACLE.jsonl").read_text().splitlines()]
    files = [captures / row["file"] for row in rows if row["tcp_streams"]]
    return [file for file in files if file.stat().st_size < 300_000][::24]


def test_cut_at_every_sixteenth(sample, tmp_path):
    for file in sample:
        whole = file.read_bytes()
        for part in range(1, 16):
            survives(tmp_path / "cut", whole[: len(whole) * part // 16])


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_changed_bytes(sample, tmp_path, share):
    for file in sample[::3]:
        whole = file.read_bytes()
        for seed in range(20):
            chance = random.Random(seed)
            noisy = bytearray(whole)
            for _ in range(max(1, int(len(noisy) * share))):
                noisy[chance.randrange(len(noisy))] = chance.randrange(256)
            survives(tmp_path / "changed", bytes(noisy))


def tiny_segments(wire, count):
    """A byte at a time, every second one twice and every third one before its turn."""
    one = wire().open()
    begin = one.client_seq
    for number in range(count):
        ahead = 7 if number % 3 == 0 else 0
        one.send(up=True, payload=b"G", seq=begin + number + ahead)
        if number % 2:
            one.send(up=True, payload=b"E" * 5, seq=begin + max(number - 3, 0))
    return one.frames


def waiting_segments(wire, count):
    """All behind a hole, overlapping one another."""
    one = wire().open()
    for number in range(count):
        one.send(up=True, payload=b"x" * 40, seq=one.client_seq + 100 + 3 * (number * 7919 % count))
    return one.frames


def endless_head(wire, count):
    """A header that never ends, in small segments."""
    one = wire().open()
    return one.say(b"GET / HTTP/1.1\r\nA: " + b"x" * (8 * count), up=True, size=8).frames


@pytest.mark.parametrize("make", [tiny_segments, waiting_segments, endless_head])
@pytest.mark.parametrize("mine", [compiled.mine, mining.mine])
def test_time_a_packet_does_not_grow(tmp_path, wire, craft, make, mine):
    seconds = []
    for count in (2000, 16000):
        file = tmp_path / "x.pcap"
        frames = make(wire, count)
        file.write_bytes(craft.pcap(frames))
        mine(file)
        begin = time.process_time()
        mine(file)
        seconds.append((time.process_time() - begin) / len(frames))
    # Quadratic work would make it 8 times as long; a busy machine does not.
    assert seconds[1] < 4 * seconds[0] + 2e-5
