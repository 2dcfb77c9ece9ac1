from __future__ import annotations

from types import SimpleNamespace

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic import http1, http1_head


def owner(left):
    return SimpleNamespace(after_http1=lambda piece, _: left.append(piece))


def read(up, down=b"", sizes=(), order=None):
    """Feed both directions in pieces of the given sizes; the conversation afterwards."""
    conversation = http1.Conversation()
    left = []
    for stream in order or (up, down):
        reader = http1.MessageReader(conversation, owner(left))
        place, sizes_left = 0, list(sizes)
        while place < len(stream):
            size = sizes_left.pop(0) if sizes_left else len(stream)
            reader.data(stream[place : place + size], place)
            place += size
        reader.finish()
    return conversation, b"".join(left)


bodies = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.lists(st.binary(min_size=1, max_size=30), max_size=4),
    st.just(b"GET / HTTP/1.1\r\nHost: inner\r\n\r\n"),
)


def written(connection, event, body):
    """A message as h11 writes it: without body, with a length, or in chunks."""
    headers = [("host", "h")]
    if isinstance(body, bytes):
        headers.append(("content-length", str(len(body))))
    elif body is not None:
        headers.append(("transfer-encoding", "chunked"))
    out = connection.send(event(headers))
    pieces = [body] if isinstance(body, bytes) else body or []
    out += b"".join(connection.send(h11.Data(data=piece)) for piece in pieces)
    return out + connection.send(h11.EndOfMessage())


@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "HEAD", "PUT"]), bodies, bodies), max_size=5
    ),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_what_h11_writes_is_read_back_however_it_is_cut(exchanges, sizes) -> None:
    up = down = b""
    for method, asked, answered in exchanges:
        client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
        head = written(
            client,
            lambda headers, method=method: h11.Request(method=method, target="/", headers=headers),
            asked,
        )
        server.receive_data(head)
        while server.their_state is not h11.DONE:
            server.next_event()
        # A response without framing would last until the close; give it a length.
        answer = b"" if answered is None or method == "HEAD" else answered
        down += written(
            server, lambda headers: h11.Response(status_code=200, headers=headers), answer
        )
        up += head
    conversation, _ = read(up, down, sizes)
    assert conversation.requests == len(exchanges)
    assert [row.method for row in conversation.transactions] == [one[0] for one in exchanges]
    assert all(row.status == 200 and row.strict for row in conversation.transactions)


@given(st.binary(max_size=400), st.lists(st.integers(1, 20), max_size=20))
def test_random_bytes_never_crash(noise, sizes) -> None:
    conversation, _ = read(b"POST / HTTP/1.1\r\n" + noise, b"HTTP/1.1 200 OK\r\n" + noise, sizes)
    assert conversation.requests <= len(conversation.transactions)


def test_pipelined_requests_meet_their_responses() -> None:
    up = b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"
    down = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        b"HTTP/1.1 404 No\r\nContent-Length: 99\r\n\r\n"
        b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n"
    )
    conversation, _ = read(up, down)
    assert [(r.method, r.status) for r in conversation.transactions] == [
        ("GET", 200),
        ("HEAD", 404),
        ("GET", 304),
    ]


def test_continue_leaves_the_request_open() -> None:
    up = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
    down = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"
    conversation, _ = read(up, down)
    assert [row.status for row in conversation.transactions] == [201]


@pytest.mark.parametrize(
    ("request_head", "answer", "name"),
    [
        (b"CONNECT h:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", "connect"),
        (
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 101 Go\r\nUpgrade: WebSocket\r\n\r\n",
            "websocket",
        ),
    ],
)
def test_after_an_upgrade_bytes_are_passed_on(request_head, answer, name) -> None:
    conversation = http1.Conversation()
    left = []
    client = http1.MessageReader(conversation, owner(left))
    server = http1.MessageReader(conversation, owner(left))
    client.data(request_head, 0)
    server.data(answer + b"from the server", 1)
    client.data(b"GET / HTTP/1.1\r\n\r\n", 2)
    assert conversation.upgraded == name
    assert left == [b"from the server", b"GET / HTTP/1.1\r\n\r\n"]
    assert conversation.requests == 1


def test_a_refused_connect_stays_http() -> None:
    conversation, left = read(
        b"CONNECT h:443 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    )
    assert conversation.requests == 2
    assert not left


@pytest.mark.parametrize(
    "head",
    [
        b"GET /old\r\n\r\n",
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
        b"M-GET / HTTP/1.1\r\n bad\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n\x00: y\r\n\r\n",
    ],
)
def test_what_h11_refuses_is_read_and_says_so(head) -> None:
    conversation, _ = read(head)
    (row,) = conversation.transactions
    assert row.complete
    assert not row.strict


def test_bare_line_feeds_end_lines_too() -> None:
    conversation, _ = read(b"GET / HTTP/1.1\nHost: bare\n\nGET / HTTP/1.1\nHost: b\n\n")
    assert [row.strict for row in conversation.transactions] == [True, True]


@pytest.mark.parametrize("length", [b"5", b"00000000000000000000000005", b"5, 5"])
def test_lengths_as_servers_write_them(length) -> None:
    up = b"POST / HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\nGET /GET / HTTP/1.1\r\n\r\n"
    conversation, _ = read(up)
    assert [row.method for row in conversation.transactions] == ["POST", "GET"]


def test_a_request_cut_short_is_kept_but_does_not_count() -> None:
    conversation, _ = read(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
    assert [(r.method, r.complete) for r in conversation.transactions] == [("POST", False)]
    conversation, _ = read(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert [(r.method, r.complete) for r in conversation.transactions] == [("GET", False)]


def test_after_a_hole_requests_are_found_again_but_do_not_count() -> None:
    conversation = http1.Conversation()
    reader = http1.MessageReader(conversation)
    request = b"GET / HTTP/1.1\r\n\r\n"
    reader.data(request, 0)
    reader.gap(50, 1, cut=False)
    reader.data(b"the rest of some body", 2)
    reader.data(request, 3)
    assert [row.complete for row in conversation.transactions] == [True, False]


def test_a_body_covers_a_hole() -> None:
    conversation = http1.Conversation()
    reader = http1.MessageReader(conversation)
    reader.data(b"POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\n0123456789", 0)
    reader.gap(10, 1, cut=True)
    reader.data(b"0123456789GET / HTTP/1.1\r\n\r\n", 2)
    assert [(r.method, r.complete) for r in conversation.transactions] == [
        ("POST", True),
        ("GET", True),
    ]


def test_a_head_that_the_capture_cut_counts() -> None:
    conversation = http1.Conversation()
    reader = http1.MessageReader(conversation)
    reader.data(b"GET /long HTTP/1.1\r\nCookie: a", 0)
    reader.gap(400, 0, cut=True)
    assert conversation.requests == 1


def test_announcements_are_no_requests() -> None:
    conversation, _ = read(
        b"NOTIFY * HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"
    )
    assert [row.method for row in conversation.transactions] == ["GET"]


@pytest.mark.parametrize(
    ("line", "is_http"),
    [
        (b"GET /x HTTP/1.1\r\n", True),
        (b"http/1.0 200 ok\r\n", True),
        (b"BREW /pot HTTP/1.0\r\n", True),
        (b"GET /x\r\n", False),
        (b"GET /x HTTP/1.1", False),
        (b"HTTP/1.1\r\n", False),
        (b"SSH-2.0-x\r\n", False),
    ],
)
def test_a_first_line_tells_http_on_any_port(line, is_http) -> None:
    assert http1_head.is_http1(line) is is_http


def test_a_hostile_head_is_bounded() -> None:
    conversation = http1.Conversation()
    reader = http1.MessageReader(conversation)
    for _ in range(40):
        reader.data(b"GET / HTTP/1.1\r\nA: " + b"a" * 65536, 0)
    assert len(reader._buffer) <= http1.MAX_HEAD_BYTES + 2 * 65536  # noqa: SLF001  the bound
