"""What a whole connection is taken for, from its packets."""

from __future__ import annotations

import pytest

from faltcon.traffic.http2 import PREFACE
from faltcon.traffic.summary import summarize

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HELLO = b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03"


def totals(mined, conversation):
    return summarize("x", mined(conversation.frames))


@pytest.mark.parametrize(
    ("port", "line", "expected"),
    [
        (80, b"GET /old\r\n\r\n", 1),
        (8080, b"GET /old\r\n\r\n", 1),
        (9999, b"GET /old\r\n\r\n", 0),
        (9999, GET, 1),
        (22, GET, 0),
    ],
)
def test_the_port_decides_how_plain_a_request_may_be(wire, mined, port, line, expected) -> None:
    conversation = wire(server_port=port).open().say(line, up=True).close()
    assert totals(mined, conversation)["http1_requests"] == expected


def test_keep_alive_counts_each_request_once(wire, mined) -> None:
    conversation = wire().open()
    for _ in range(3):
        conversation.say(GET, up=True, size=5).say(ANSWER, up=False, size=7)
    found = totals(mined, conversation.close())
    assert found["http1_requests"] == found["http1_max_requests"] == 3
    assert (found["http1_connections"], found["http1_single_request_connections"]) == (1, 0)
    rows = mined(conversation.frames).tables.transactions.to_pylist()
    assert [(row["status"], row["complete"]) for row in rows] == [(200, True)] * 3


def test_retransmissions_and_disorder_change_nothing(wire, mined) -> None:
    conversation = wire().open().say(GET * 4, up=True, size=9)
    frames = conversation.frames
    data = frames[3:]
    disordered = frames[:3] + data[1::2] + data[::2] + data
    assert summarize("x", mined(disordered))["http1_requests"] == 4


def test_http2_with_prior_knowledge(wire, mined) -> None:
    block = b"\x82\x86\x84\x41\x01a"
    request = len(block).to_bytes(3, "big") + b"\x01\x05" + (1).to_bytes(4, "big") + block
    settings = bytes(3) + b"\x04" + bytes(5)
    conversation = wire(server_port=5000).open().say(PREFACE + settings + request, up=True, size=10)
    found = totals(mined, conversation)
    assert (found["http2_connections"], found["http2_streams"]) == (1, 1)
    # On a port of HTTP the server may speak first.
    conversation = wire().open().say(settings, up=False).say(PREFACE + settings + request, up=True)
    assert totals(mined, conversation)["http2_streams"] == 1


def test_http2_by_upgrade(wire, mined) -> None:
    ask = b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"
    settings = bytes(3) + b"\x04" + bytes(5)
    block = b"\x82\x86\x84\x41\x01a"
    request = len(block).to_bytes(3, "big") + b"\x01\x05" + (3).to_bytes(4, "big") + block
    conversation = wire().open().say(ask, up=True).say(switch + settings, up=False)
    conversation.say(PREFACE + settings + request, up=True)
    found = totals(mined, conversation)
    assert (found["http1_requests"], found["http2_streams"]) == (1, 1)


def test_tls_by_its_first_record(wire, mined) -> None:
    conversation = wire(server_port=4433).open().say(HELLO, up=True, size=4)
    assert totals(mined, conversation)["tls_connections"] == 1


def test_tls_on_a_port_of_http_is_told_apart(wire, mined) -> None:
    conversation = wire(server_port=8080).open().say(HELLO, up=True)
    found = totals(mined, conversation)
    assert (found["tls_connections"], found["tls_on_http_ports"]) == (0, 1)


@pytest.mark.parametrize(("inner", "key"), [(HELLO, "tls_connections"), (GET, "http1_requests")])
def test_a_connect_tunnel_is_looked_into(wire, mined, inner, key) -> None:
    conversation = wire(server_port=3128).open().say(b"CONNECT a:443 HTTP/1.1\r\n\r\n", up=True)
    conversation.say(b"HTTP/1.1 200 OK\r\n\r\n", up=False).say(inner, up=True)
    found = totals(mined, conversation)
    assert found[key] == (1 if key == "tls_connections" else 2)


def test_bytes_that_are_nothing_known(wire, mined) -> None:
    conversation = wire(server_port=7).open().say(b"\x00\x01echo" * 9, up=True, size=3).close()
    found = totals(mined, conversation)
    assert (found["http1_requests"], found["http2_streams"], found["tls_connections"]) == (0, 0, 0)
    assert found["tcp_connections"] == 1
