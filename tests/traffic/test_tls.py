from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic import tls


def client_hello(name="www.example.org", protocols=("h2", "http/1.1")):
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    one = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        one.do_handshake()
    return sent.read()


HELLO = client_hello()


@given(st.integers(1, 600))
def test_a_real_hello_however_it_is_cut(size) -> None:
    hellos = tls.Hellos()
    reader = tls.HelloReader(hellos)
    for place in range(0, len(HELLO), size):
        reader.data(HELLO[place : place + size], 0)
    assert hellos.client_seen
    assert (hellos.server_name, hellos.alpn_offered) == ("www.example.org", "h2,http/1.1")


def test_a_hello_over_several_records() -> None:
    body = HELLO[5:]
    records = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (body[:100], body[100:101], body[101:])
    )
    hellos = tls.Hellos()
    tls.HelloReader(hellos).data(records, 0)
    assert hellos.server_name == "www.example.org"


def test_later_records_are_no_hello() -> None:
    hellos = tls.Hellos()
    tls.HelloReader(hellos).data(b"\x17\x03\x03\x00\x02ab", 0)
    assert not hellos.client_seen


def test_a_hello_that_the_capture_cut_is_still_one() -> None:
    hellos = tls.Hellos()
    reader = tls.HelloReader(hellos)
    reader.data(HELLO[:60], 0)
    reader.gap(len(HELLO) - 60, 0, cut=True)
    assert hellos.client_seen
    assert not hellos.server_name


def test_the_hello_of_ssl_2() -> None:
    hello = b"\x80\x2e\x01\x03\x00\x00\x15\x00\x00\x00\x10" + bytes(37)
    assert tls.begins_handshake(hello)
    hellos = tls.Hellos()
    tls.HelloReader(hellos).data(hello, 0)
    assert hellos.client_seen


@pytest.mark.parametrize(
    "data", [b"", b"\x16\x03", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\xff\xff\x01"]
)
def test_what_is_no_hello(data) -> None:
    assert not tls.begins_handshake(data)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_random_bytes_never_crash(noise, size) -> None:
    reader = tls.HelloReader(tls.Hellos())
    data = b"\x16\x03\x01" + noise
    for place in range(0, len(data), size):
        reader.data(data[place : place + size], 0)


def test_a_segment_of_which_nothing_was_captured_is_no_hello() -> None:
    hellos = tls.Hellos()
    reader = tls.HelloReader(hellos)
    reader.gap(300, 0, cut=True)
    reader.data(HELLO, 0)
    assert not hellos.client_seen
