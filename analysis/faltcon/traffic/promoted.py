"""A connection that the compiled code began, as the reference implementation goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.traffic import fast_layout as at
from faltcon.traffic.fast_head import METHOD_NAMES
from faltcon.traffic.http1 import MessageReader, Transaction
from faltcon.traffic.http1_head import Body
from faltcon.traffic.ip import Segment
from faltcon.traffic.rows import names_of
from faltcon.traffic.tcp import Connection
from faltcon.traffic.tls import HelloReader

if TYPE_CHECKING:
    from faltcon.traffic.state import State

__all__ = ["ends_of", "promoted"]

BODIES = {
    at.AT_HEAD: Body.NONE,
    at.IN_LENGTH: Body.LENGTH,
    at.IN_CHUNKS: Body.CHUNKED,
    at.IN_TRAILER: Body.CHUNKED,
    at.TO_CLOSE: Body.UNTIL_CLOSE,
}
WORD = (1 << 64) - 1


def ends_of(row: list[int]) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    """Address and port of side 0 and of side 1."""
    ports = row[at.KEY_4]
    size = 4 if ports >> 32 == 4 else 16
    halves = [
        (((high & WORD) << 64 | low & WORD).to_bytes(16, "big")[-size:], port)
        for high, low, port in (
            (row[at.KEY_0], row[at.KEY_1], ports >> 16 & 0xFFFF),
            (row[at.KEY_2], row[at.KEY_3], ports & 0xFFFF),
        )
    ]
    return (halves[1], halves[0]) if row[at.FLAGS] & at.F_SWAPPED else (halves[0], halves[1])


def _seen(time_ns: int) -> int | None:
    return None if time_ns == at.UNSET else time_ns


def promoted(state: State, number: int, max_held_bytes: int) -> tuple[Connection, list[int]]:
    """The connection of a row, and the numbers of its transactions within it.

    The transactions leave the compiled code's memory; those that were handed
    out before are counted.
    """
    row = state.conn[number].tolist()
    flags = row[at.FLAGS]
    (source, source_port), (target, target_port) = ends_of(row)
    first = Segment(source, target, source_port, target_port, 0, 0, 0, 0, b"", 0)
    one = Connection(row[at.NUMBER], first, row[at.FIRST_NS], max_held_bytes)
    one.last_ns = row[at.LAST_NS]
    one.client, one.client_known = int(bool(flags & at.F_CLIENT)), bool(flags & at.F_CLIENT_KNOWN)
    one.syn_ns, one.synack_ns = _seen(row[at.SYN_NS]), _seen(row[at.SYNACK_NS])
    one.ack_ns, one.end_ns = _seen(row[at.ACK_NS]), _seen(row[at.END_NS])
    one.handshake_over_ns, one.synack_seq = _seen(row[at.HANDSHAKE_NS]), row[at.SYNACK_SEQ]
    one.syns, one.synacks = row[at.SYNS], row[at.SYNACKS]
    one.reset_by = 0 if flags & at.F_RESET else None
    if flags & at.F_CLOSED:
        one.closed_by = int(bool(flags & at.F_CLOSED_BY))
    for side in range(2):
        mine = at.SIDE + side * at.SIDE_FIELDS
        one.fins[side] = bool(flags & at.F_FIN << side)
        one.packets[side] = row[mine + at.PACKETS]
        if flags & at.F_BASE << side:
            one.base_seq[side] = row[at.BASE_SEQ + side]
        direction = one.directions[side]
        if flags & at.F_START << side:
            position = row[mine + at.NEXT]
            direction.resume((row[mine + at.EXPECTED] - position) & at.MASK, position)
        direction.acked = row[mine + at.ACKED]
        direction.overlap_bytes = row[at.OVERLAP + side]
        direction.cut_bytes = row[at.CUT + side]
    protocol = flags >> at.PROTOCOL_SHIFT & 3
    ordinals: list[int] = []
    if protocol == at.HTTP1:
        ordinals = _http1(state, row, one)
    elif protocol == at.TLS:
        _tls(state, row, one)
    return one, ordinals


def _body(row: list[int], side: int) -> int:
    return row[at.FLAGS] >> at.BODY_SHIFT + 4 * side & 15


def _http1(state: State, row: list[int], one: Connection) -> list[int]:
    one.application.start("http1", 0)
    conversation = one.application.http1[0]
    held: dict[int, Transaction] = {}
    ordinals: dict[int, int] = {}
    number = row[at.OPEN_TX]
    while number >= 0:
        held[number] = _transaction(state, number, ordinals)
        number = int(state.tx[number, at.TX_OPEN_NEXT])
    current = row[at.CURRENT_TX : at.CURRENT_TX + 2]
    for number in current:
        if number >= 0 and number not in held:
            held[number] = _transaction(state, number, ordinals)
    order = sorted(held, key=ordinals.__getitem__)
    taken = row[at.TX_COUNT] - len(order)
    last = row[at.LAST_METHOD]
    conversation.resume(
        [held[number] for number in order],
        row[at.REQUEST_HEADS],
        METHOD_NAMES[last].encode() if last >= 0 else b"",
        taken,
    )
    conversation.taken_complete = row[at.COMPLETE] - sum(one.complete for one in held.values())
    for side, number in enumerate(current):
        reader = one.application.sides[side].reader
        assert isinstance(reader, MessageReader)  # noqa: S101  start() made it
        body = _body(row, side)
        reader.resume(
            BODIES[body], row[at.LEFT + side], held.get(number), in_trailer=body == at.IN_TRAILER
        )
    count = int(state.ctl[at.TX_FREE_COUNT])
    state.tx_free[count : count + len(order)] = order
    state.ctl[at.TX_FREE_COUNT] += len(order)
    return [ordinals[number] for number in order]


def _transaction(state: State, number: int, ordinals: dict[int, int]) -> Transaction:
    tx = state.tx[number].tolist()
    ordinals[number] = tx[at.TX_ORDINAL]
    method = METHOD_NAMES[tx[at.TX_METHOD]] if tx[at.TX_METHOD] >= 0 else ""
    return Transaction(
        "http1",
        tx[at.TX_STREAM],
        method,
        tx[at.TX_STATUS],
        _seen(tx[at.TX_REQUEST]),
        _seen(tx[at.TX_RESPONSE]),
        complete=bool(tx[at.TX_COMPLETE]),
    )


def _tls(state: State, row: list[int], one: Connection) -> None:
    one.application.start("tls", 0)
    hellos = one.application.tls
    assert hellos is not None  # noqa: S101  start() made it
    hellos.client_seen = bool(row[at.FLAGS] & at.F_TLS_CLIENT)
    hellos.server_name, hellos.alpn = names_of(state, row[at.NAMES])
    for side in range(2):
        reader = one.application.sides[side].reader
        if _body(row, side) == at.HELLO_DONE and isinstance(reader, HelloReader):
            reader.resume()
