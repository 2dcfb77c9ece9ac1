from __future__ import annotations

import h2.config
import h2.connection
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, HeadersFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic import http2

ASK = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]


class Session:
    """A client and a server of the h2 package, and the bytes that they send."""

    def __init__(self) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.flights = []
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.exchange()

    def exchange(self) -> None:
        for sender, receiver, is_client in (
            (self.client, self.server, True),
            (self.server, self.client, False),
        ) * 2:
            sent = sender.data_to_send()
            if sent:
                receiver.receive_data(sent)
                self.flights.append((is_client, sent))

    def get(self, *, body=b"", extra=()) -> None:
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, [*ASK, *extra], end_stream=not body)
        if body:
            self.client.send_data(stream, body, end_stream=True)
        self.exchange()
        self.server.send_headers(stream, [(":status", "200")])
        self.server.send_data(stream, b"z" * 500, end_stream=True)
        self.exchange()


def read(flights, size=10**9):
    connection = http2.Connection()
    readers = {side: http2.FrameReader(connection, client=side) for side in (True, False)}
    for time_ns, (is_client, sent) in enumerate(flights):
        for place in range(0, len(sent), size):
            readers[is_client].data(sent[place : place + size], time_ns)
    return connection, readers


@given(st.integers(0, 5), st.integers(1, 60), st.booleans())
def test_streams_of_a_real_session_however_it_is_cut(requests, size, with_body) -> None:
    session = Session()
    for number in range(requests):
        session.get(body=b"b" * 100 * with_body, extra=[("x-n", str(number))])
    connection, _ = read(session.flights, size)
    assert connection.streams == requests
    assert not connection.damaged
    rows = list(connection.transactions.values())
    assert [row.stream for row in rows] == [2 * number + 1 for number in range(requests)]
    assert all((row.method, row.status, row.complete) == ("GET", 200, True) for row in rows)


def test_a_header_block_in_pieces() -> None:
    block = Encoder().encode([*ASK, ("x", "y" * 50)])
    head = HeadersFrame(1, block[:3], flags=["END_STREAM"])
    rest = ContinuationFrame(1, block[3:], flags=["END_HEADERS"])
    sent = http2.PREFACE + SettingsFrame(0).serialize() + head.serialize() + rest.serialize()
    connection, _ = read([(True, sent)], 1)
    assert connection.streams == 1


def test_padding_and_priority_are_no_headers() -> None:
    head = HeadersFrame(
        3, Encoder().encode(ASK), flags=["END_HEADERS", "PADDED", "PRIORITY"], pad_length=17
    )
    connection, _ = read([(True, http2.PREFACE + head.serialize())])
    assert [row.method for row in connection.transactions.values()] == ["GET"]


def test_lost_compression_state_is_unknown_not_wrong() -> None:
    session = Session()
    for number in range(3):
        session.get(extra=[("x-n", str(number))])
    # The client's first request is missing, so the header table that it filled is too.
    heads = [n for n, (is_client, _) in enumerate(session.flights) if is_client]
    flights = [flight for n, flight in enumerate(session.flights) if n != heads[2]]
    connection, _ = read(flights)
    assert connection.damaged
    assert connection.streams >= 1
    assert {row.method for row in connection.transactions.values()} <= {"", "GET"}


def test_a_hole_outside_a_body_ends_reading() -> None:
    session = Session()
    session.get()
    connection, readers = read(session.flights)
    readers[True].gap(10, 0, cut=False)
    readers[True].data(b"anything", 0)
    assert connection.damaged
    assert connection.streams == 1


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(noise) -> None:
    connection, _ = read([(True, http2.PREFACE + noise), (False, noise)], 7)
    assert connection.streams <= len(connection.transactions)


def test_a_huge_frame_is_not_kept() -> None:
    reader = http2.FrameReader(http2.Connection(), client=False)
    reader.data(b"\xff\xff\xff\x01\x04\x00\x00\x00\x01", 0)
    for _ in range(100):
        reader.data(bytes(65536), 0)
    assert len(reader._buffer) < http2.MAX_FRAME_BYTES  # noqa: SLF001  the bound is what is tested
