from __future__ import annotations

import pytest

from faltcon.traffic.tables import CONNECTIONS, check
from faltcon.traffic.tcp import Limits

FIN, SYN, RST, ACK = 1, 2, 4, 16


def rows(result):
    assert result.tables.connections.schema.equals(CONNECTIONS)
    check(result.tables.connections.to_pandas())
    return result.tables.connections.to_pylist()


def test_a_whole_connection(wire, mined) -> None:
    conversation = wire().open().say(b"x" * 30, up=True).say(b"y" * 70, up=False).close(up=False)
    (row,) = rows(mined(conversation.frames))
    start = conversation.frames[0][0]
    assert row["client_ip"] == "10.0.0.1"
    assert row["server_ip"] == "10.0.0.2"
    assert (row["client_port"], row["server_port"]) == (40000, 80)
    assert row["established"]
    assert (row["syn_ns"], row["synack_ns"]) == (start, start + 1_000_000)
    assert row["ack_ns"] == row["handshake_end_ns"] == start + 2_000_000
    assert (row["client_bytes"], row["server_bytes"]) == (30, 70)
    assert (row["close"], row["closed_by"]) == ("fin", "server")
    assert (row["client_packets"], row["server_packets"]) == (4, 4)


def test_a_reused_port_with_a_new_number_is_a_new_connection(wire, mined) -> None:
    first = wire().open().close()
    second = wire(client_seq=900_000, time_ns=first.time_ns).open()
    assert len(rows(mined(first.frames + second.frames))) == 2


def test_a_syn_sent_again_is_not(wire, mined) -> None:
    conversation = wire().send(up=True, flags=SYN).open()
    (row,) = rows(mined(conversation.frames))
    assert (row["syns"], row["established"]) == (2, True)


def test_without_the_last_ack_it_is_not_established(wire, mined) -> None:
    conversation = wire()
    conversation.send(up=True, flags=SYN).send(up=False, flags=SYN | ACK, ack=1001)
    (row,) = rows(mined(conversation.frames))
    assert not row["established"]
    assert row["handshake_end_ns"] is None


def test_a_reset_ends_the_handshake(wire, mined) -> None:
    conversation = wire()
    conversation.send(up=True, flags=SYN).send(up=False, flags=RST | ACK, ack=1001)
    (row,) = rows(mined(conversation.frames))
    assert (row["close"], row["closed_by"], row["established"]) == ("rst", "server", False)
    assert row["handshake_end_ns"] == row["end_ns"] == conversation.frames[1][0]


def test_one_fin_is_half_a_close(wire, mined) -> None:
    conversation = wire().open().send(up=True, flags=FIN | ACK)
    (row,) = rows(mined(conversation.frames))
    assert (row["close"], row["closed_by"]) == ("half", "client")


def test_without_a_syn_the_client_is_a_guess(wire, mined) -> None:
    conversation = wire().say(b"from the server", up=False)
    (row,) = rows(mined(conversation.frames))
    assert not row["client_known"]
    assert row["server_port"] == 80
    assert row["syn_ns"] is None


def test_a_syn_ack_alone_tells_the_server(wire, mined) -> None:
    conversation = wire(server_port=60000)
    conversation.send(up=False, flags=SYN | ACK, ack=1001)
    (row,) = rows(mined(conversation.frames))
    assert row["client_known"]
    assert row["server_port"] == 60000


def test_simultaneous_open_is_one_connection(wire, mined) -> None:
    conversation = wire()
    conversation.send(up=True, flags=SYN).send(up=False, flags=SYN)
    conversation.send(up=True, flags=SYN | ACK, ack=5001)
    conversation.send(up=False, flags=SYN | ACK, ack=1001)
    (row,) = rows(mined(conversation.frames))
    assert (row["syns"], row["synacks"]) == (2, 2)


def test_sequence_numbers_wrap(wire, mined) -> None:
    conversation = wire(client_seq=2**32 - 20).open().say(b"z" * 5000, up=True, size=700)
    (row,) = rows(mined(conversation.frames))
    assert (row["client_bytes"], row["gap_bytes"]) == (5000, 0)


def test_missing_bytes_are_counted(wire, mined) -> None:
    conversation = wire().open()
    conversation.advance(up=True, count=100)
    conversation.say(b"later", up=True)
    (row,) = rows(mined(conversation.frames))
    assert (row["gap_bytes"], row["client_bytes"], row["out_of_order"]) == (100, 5, 1)


@pytest.mark.parametrize("limit", [1, 1000])
def test_the_limit_of_waiting_bytes_flags_the_connection(wire, mined, limit) -> None:
    conversation = wire().open()
    conversation.advance(up=True, count=1)
    conversation.say(b"x" * 5000, up=True, size=100)
    (row,) = rows(mined(conversation.frames, limits=Limits(held_bytes=limit)))
    assert row["limit_reached"]
    assert row["gap_bytes"] == 1


def test_both_ends_alike_is_still_one_connection(wire, mined, craft) -> None:
    land = wire(client=craft.server, client_port=80).send(up=True, flags=SYN)
    assert len(rows(mined(land.frames))) == 1
