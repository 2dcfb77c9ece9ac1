"""The compiled engine against the reference: equal, row for row, on everything."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faltcon.errors import FaltconError, UsageError
from faltcon.traffic import compiled, mining
from faltcon.traffic.engines import ENGINES, engine_of

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
ODD = b"GET /old\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\nsome text\r\n"
ANSWER_CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
)
HELLO = bytes.fromhex("160301002f0100002b0303") + bytes(32) + bytes.fromhex("00000213010100")
UP = [GET, POST, CHUNKED, ODD, HELLO, b"\x00\x01\x02", b"\r\n" + GET, b"HEAD / HTTP/1.0\r\n\r\n"]
DOWN = [OK, NOT_MODIFIED, CONTINUE, UNTIL_CLOSE, ANSWER_CHUNKED, b"220 ready\r\n", HELLO]


def outcome(mine, file):
    """Everything that a miner says about a file, in a form that can be compared."""
    try:
        result = mine(file)
    except FaltconError as error:
        return str(error)
    return (
        result.packets,
        result.tcp_packets,
        result.first_tcp_ns,
        dict(result.skipped),
        result.truncated,
        result.tables.connections.to_pylist(),
        result.tables.transactions.to_pylist(),
    )


def assert_equal(file):
    assert outcome(compiled.mine, file) == outcome(mining.mine, file)


def test_every_public_capture(captures):
    for line in (captures / "ORACLE.jsonl").read_text().splitlines():
        assert_equal(captures / json.loads(line)["file"])


def test_public_captures_with_changed_bytes(captures, tmp_path):
    names = [
        json.loads(line)["file"] for line in (captures / "ORACLE.jsonl").read_text().splitlines()
    ]
    chance = random.Random(5)
    target = tmp_path / "changed"
    for name in names[::4]:
        noisy = bytearray((captures / name).read_bytes())
        for _ in range(max(1, len(noisy) // 500)):
            noisy[chance.randrange(24, max(25, len(noisy))) % len(noisy)] = chance.randrange(256)
        target.write_bytes(noisy[: chance.randrange(1, len(noisy) + 1)])
        assert_equal(target)


@st.composite
def conversations(draw):
    """Plans of conversations: what is said, in pieces of which size, and how it ends."""
    spoken = st.one_of(
        st.tuples(st.just(True), st.sampled_from(UP)),
        st.tuples(st.just(False), st.sampled_from(DOWN)),
    )
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from([80, 443, 8080, 5000, 22]),
                st.integers(40000, 40002),
                st.sampled_from([0, 1000, 2**32 - 5]),
                st.booleans(),
                st.lists(spoken, max_size=6),
                st.sampled_from([3, 20, 1000]),
                st.sampled_from(["open", "fin", "rst"]),
            ),
            max_size=4,
        )
    )


# The fixtures only hand out functions, so examples cannot disturb one another.
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations(), st.data())
def test_made_up_conversations(tmp_path_factory, wire, craft, plans, data):
    frames = []
    for port, client_port, seq, opened, spoken, size, end in plans:
        one = wire(server_port=port, client_port=client_port, client_seq=seq)
        one.time_ns += len(frames) * 10**6
        if opened:
            one.open()
        for up, words in spoken:
            one.say(words, up=up, size=size)
        if end == "fin":
            one.close()
        elif end == "rst":
            one.send(up=False, flags=4)
        frames += one.frames
    trouble = data.draw(st.sampled_from(["none", "shuffled", "lost", "twice", "cut"]))
    if trouble == "shuffled" and len(frames) < 9:
        frames = data.draw(st.permutations(frames))
    elif trouble == "lost" and frames:
        del frames[data.draw(st.integers(0, len(frames) - 1))]
    elif trouble == "twice":
        frames = [frame for frame in frames for _ in range(2)]
    cut = data.draw(st.sampled_from([60, 96])) if trouble == "cut" else None
    file = tmp_path_factory.mktemp("made") / "x.pcap"
    file.write_bytes(craft.pcap(frames, cut_to=cut))
    assert_equal(file)


def test_more_connections_than_the_first_arrays_hold(tmp_path, wire, craft):
    frames = []
    for number in range(9000):
        one = wire(client_port=1024 + number, client=bytes((10, 1, number % 7, 1)))
        frames += one.open().say(GET, up=True).frames
    file = tmp_path / "many.pcap"
    file.write_bytes(craft.pcap(frames))
    assert_equal(file)
    assert len(compiled.mine(file).tables.connections) == 9000


def test_compressed_and_piped(tmp_path, wire, craft):
    frames = wire().open().say(GET, up=True).say(OK, up=False).close().frames
    file = tmp_path / "x.pcap.gz"
    whole = gzip.compress(craft.pcap(frames))
    for size in (len(whole), len(whole) - 9, 60, 15, 3, 0):
        file.write_bytes(whole[:size])
        assert_equal(file)


def test_engines_by_name():
    assert {engine_of(name) for name in ENGINES} == {compiled.mine, mining.mine}
    with pytest.raises(UsageError, match="engine"):
        engine_of("fast")
