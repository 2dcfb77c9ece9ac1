"""Packets to connections, compiled: the common link, IP and TCP forms.

What is not common stops the loop (`STOP_SLOW`): the caller lets the reference
implementation find the segment. A connection whose payload needs the reference
(a hole, a head in two segments, HTTP/2) is marked hard from that payload on;
what its packets hold is collected in the `out` rows.
"""

from __future__ import annotations

from faltcon.traffic.fast_find import ROW_BYTES, fetch, find
from faltcon.traffic.fast_frame import ip_place
from faltcon.traffic.fast_headers import SLOW, read_headers
from faltcon.traffic.fast_layout import (
    ACK_NS,
    ACKED,
    B_ACK,
    B_FIELDS,
    B_FLAGS,
    B_HASH,
    B_HELD,
    B_KEY_0,
    B_KEY_1,
    B_KEY_2,
    B_KEY_3,
    B_KEY_4,
    B_NS,
    B_PAYLOAD,
    B_RECORD,
    B_SECOND,
    B_SEQ,
    B_WIRE,
    BLOCK_SEGMENTS,
    BODY_SHIFT,
    CUT,
    DONE_COUNT,
    DONE_ROOM,
    END_NS,
    EXPECTED,
    F_CLIENT,
    F_CLIENT_KNOWN,
    F_CLOSED,
    F_CLOSED_BY,
    F_DEFERRED,
    F_ESTABLISHED,
    F_FIN,
    F_HARD,
    F_RESET,
    F_START,
    FIRST_TCP,
    FLAGS,
    FREE_COUNT,
    HALF,
    HANDSHAKE_NS,
    HTTP1,
    IN_LENGTH,
    LAST_NS,
    LEFT,
    MASK,
    NAMES_FREE_COUNT,
    NEXT,
    OUT_ACK,
    OUT_BYTES,
    OUT_COUNT,
    OUT_FIELDS,
    OUT_FLAGS,
    OUT_KIND,
    OUT_LINK,
    OUT_NS,
    OUT_PLACE,
    OUT_ROOM,
    OUT_ROW,
    OUT_SEQ,
    OUT_SIDE,
    OUT_WINDOW,
    OUT_WIRE,
    OVERLAP,
    P_BLOCK,
    P_CONN,
    P_OUT,
    PACKETS,
    PAYLOAD,
    PORTS_SHIFT,
    PROTOCOL_SHIFT,
    PUT_OFF,
    R_BYTES,
    R_LINK,
    R_PLACE,
    RECORD_FIELDS,
    SIDE,
    SIDE_FIELDS,
    STOP,
    STOP_DONE,
    STOP_FULL,
    STOP_SLOW,
    SYN_NS,
    SYNACK_NS,
    SYNACK_SEQ,
    SYNACKS,
    SYNS,
    TCP,
    TX_FREE_COUNT,
    UNSET,
    WHOLE,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import be16, get, put
from faltcon.traffic.fast_payload import cut_off, take_piece
from faltcon.traffic.ip import ACK, FIN, RST, SYN
from faltcon.traffic.jit import compiled, inlined
from faltcon.traffic.pcap import MAX_RECORD_BYTES
from faltcon.traffic.reassembly import MAX_WINDOW

__all__ = ["SHORTEST_MESSAGE_BYTES", "track"]

# No HTTP/1 message is shorter, so a segment cannot hold more messages than room is kept for.
SHORTEST_MESSAGE_BYTES = 16


@compiled
def track(ctl: int, data: int, records: int, first: int, count: int, base: int) -> int:
    """Track the packets `first` to `count` of a batch; the number of the packet it stopped at.

    `records`: rows of place, captured bytes, time in ns, link type; places are
    counted from `data`, which stands at `base` in the file. Why it stopped is
    in the control block. The headers of some packets are read before any is
    accounted for, so that their rows are on the way from memory meanwhile.
    """
    block = get(ctl, P_BLOCK)
    put(ctl, STOP, STOP_DONE)
    while first < count and get(ctl, STOP) == STOP_DONE:
        segments = 0
        messages = 2
        while first < count and segments < BLOCK_SEGMENTS:
            record = records + first * RECORD_FIELDS * WORD_BYTES
            size = get(record, R_BYTES)
            messages += min(size, MAX_RECORD_BYTES) // SHORTEST_MESSAGE_BYTES + 2
            if (
                get(ctl, FREE_COUNT) <= segments
                or get(ctl, NAMES_FREE_COUNT) <= segments
                or get(ctl, TX_FREE_COUNT) < messages
                or get(ctl, DONE_COUNT) + messages > get(ctl, DONE_ROOM)
                or get(ctl, OUT_COUNT) + segments >= get(ctl, OUT_ROOM)
            ):
                put(ctl, STOP, STOP_FULL)
                break
            link_type = get(record, R_LINK)
            place = data + get(record, R_PLACE)
            end = place + size
            if link_type == 1 and size >= 54 and be16(place + 12) == 0x0800:
                ip = place + 14
            else:
                ip = ip_place(place, end, link_type)
            found = SLOW
            if ip and size <= MAX_RECORD_BYTES:
                found = read_headers(ctl, ip, end, record, block + segments * B_FIELDS * WORD_BYTES)
            if found == SLOW:
                put(ctl, STOP, STOP_SLOW)
                break
            segments += found
            first += 1
        fresh = 0
        for i in range(segments):
            one = block + i * B_FIELDS * WORD_BYTES
            fresh += fetch(ctl, get(one, B_HASH), get(one, B_FLAGS), fresh)
        for i in range(segments):
            _take(ctl, block + i * B_FIELDS * WORD_BYTES, data, base)
    return first


@inlined
def _take(ctl: int, one: int, data: int, base: int) -> None:
    """Account for a segment of the block."""
    record = get(one, B_RECORD)
    flags, ns, seq, ack = get(one, B_FLAGS), get(one, B_NS), get(one, B_SEQ), get(one, B_ACK)
    put(ctl, TCP, get(ctl, TCP) + 1)
    if ns < get(ctl, FIRST_TCP):
        put(ctl, FIRST_TCP, ns)
    row, side = find(
        ctl,
        get(one, B_KEY_0),
        get(one, B_KEY_1),
        get(one, B_KEY_2),
        get(one, B_KEY_3),
        get(one, B_KEY_4),
        get(one, B_HASH),
        get(one, B_SECOND),
        flags,
        seq,
        ack,
        ns,
        base + get(record, R_PLACE),
    )
    payload, held, wire = get(one, B_PAYLOAD), get(one, B_HELD), get(one, B_WIRE)
    known = get(row, FLAGS)
    if not known & (F_DEFERRED | F_HARD):
        _segment(ctl, row, side, flags, seq, ack, ns, payload, held, wire, base - data)
    elif known & F_DEFERRED:
        out = _out(ctl, row, PUT_OFF, side, ns)
        put(out, OUT_PLACE, base + get(record, R_PLACE))
        put(out, OUT_BYTES, get(record, R_BYTES))
        put(out, OUT_LINK, get(record, R_LINK))
    else:
        put(row, LAST_NS, max(get(row, LAST_NS), ns))
        _note_close(row, flags, side, ns)
        out = _out(ctl, row, WHOLE, side, ns)
        put(out, OUT_SEQ, seq)
        put(out, OUT_ACK, ack)
        put(out, OUT_FLAGS, flags)
        # The window is in front of the checksum and the urgent pointer: 14 bytes into the header.
        put(out, OUT_WINDOW, 0)
        put(out, OUT_PLACE, base + payload - data)
        put(out, OUT_BYTES, held)
        put(out, OUT_WIRE, wire)


@compiled
def _out(ctl: int, row: int, kind: int, side: int, ns: int) -> int:
    """The next row for the reference, begun."""
    count = get(ctl, OUT_COUNT)
    put(ctl, OUT_COUNT, count + 1)
    out = get(ctl, P_OUT) + count * OUT_FIELDS * WORD_BYTES
    put(out, OUT_ROW, (row - get(ctl, P_CONN)) // ROW_BYTES)
    put(out, OUT_KIND, kind)
    put(out, OUT_SIDE, side)
    put(out, OUT_NS, ns)
    return out


@inlined
def _segment(
    ctl: int,
    row: int,
    side: int,
    flags: int,
    seq: int,
    ack: int,
    ns: int,
    payload: int,
    held: int,
    wire: int,
    shift: int,
) -> None:
    """Account for a segment of a plain connection."""
    put(row, LAST_NS, max(get(row, LAST_NS), ns))
    mine = row + (SIDE + side * SIDE_FIELDS) * WORD_BYTES
    put(mine, PACKETS, get(mine, PACKETS) + 1)
    if flags & SYN or (not get(row, FLAGS) & F_ESTABLISHED and not flags & RST):
        _handshake(row, flags, seq, ack, side, ns)
    if flags & SYN:
        seq = (seq + 1) & MASK
        _start(row, mine, side, seq)
    if flags & ACK and get(row, FLAGS) & (F_START << (1 - side)):
        # What the peer has although the capture missed it; only that matters.
        other = row + (SIDE + (1 - side) * SIDE_FIELDS) * WORD_BYTES
        ahead = (ack - get(other, EXPECTED)) & MASK
        if 0 < ahead < MAX_WINDOW:
            put(other, ACKED, max(get(other, ACKED), get(other, NEXT) + ahead))
    if wire and not flags & RST:
        _start(row, mine, side, seq)
        _payload(ctl, row, mine, side, seq, ns, payload, held, wire, shift)
    if flags & (RST | FIN):
        _note_close(row, flags, side, ns)


@inlined
def _start(row: int, mine: int, side: int, seq: int) -> None:
    """Fix the sequence number of a side's first byte, unless it is fixed already."""
    if not get(row, FLAGS) & (F_START << side):
        put(row, FLAGS, get(row, FLAGS) | F_START << side)
        put(mine, EXPECTED, seq)


@inlined
def _note_close(row: int, flags: int, side: int, ns: int) -> None:
    known = get(row, FLAGS)
    if flags & RST:
        known |= F_RESET
        if get(row, HANDSHAKE_NS) == UNSET:
            put(row, HANDSHAKE_NS, ns)
    if flags & FIN:
        known |= F_FIN << side
    if flags & (RST | FIN) and not known & F_CLOSED:
        known |= F_CLOSED | (F_CLOSED_BY if side else 0)
        put(row, END_NS, ns)
    put(row, FLAGS, known)


@inlined
def _handshake(row: int, flags: int, seq: int, ack: int, side: int, ns: int) -> None:
    kind = flags & (SYN | ACK | RST)
    known = get(row, FLAGS)
    client = 1 if known & F_CLIENT else 0
    if kind == SYN:
        put(row, SYNS, get(row, SYNS) + 1)
        if get(row, SYN_NS) == UNSET:
            put(row, SYN_NS, ns)
            known = (known & ~F_CLIENT) | F_CLIENT_KNOWN | (F_CLIENT if side else 0)
    elif kind == SYN | ACK:
        put(row, SYNACKS, get(row, SYNACKS) + 1)
        if not known & F_CLIENT_KNOWN:
            client = 1 - side
            known |= F_CLIENT_KNOWN | (F_CLIENT if client else 0)
        if get(row, SYNACK_NS) == UNSET and side != client:
            put(row, SYNACK_NS, ns)
            put(row, SYNACK_SEQ, seq)
    elif kind == ACK and known & F_CLIENT_KNOWN and side == client:
        answered = get(row, SYN_NS) != UNSET and get(row, SYNACK_NS) != UNSET
        ahead = (ack - get(row, SYNACK_SEQ)) & MASK
        if not known & F_ESTABLISHED and answered and 0 < ahead < HALF:
            put(row, ACK_NS, ns)
            put(row, HANDSHAKE_NS, ns)
            known |= F_ESTABLISHED
    put(row, FLAGS, known)


@inlined
def _payload(
    ctl: int,
    row: int,
    mine: int,
    side: int,
    seq: int,
    ns: int,
    place: int,
    held: int,
    wire: int,
    shift: int,
) -> None:
    """Take a segment's bytes if they come next or came before; the rest is for the reference."""
    ahead = (seq - get(mine, EXPECTED)) & MASK
    good = True
    if ahead and ahead < HALF:
        good = False
    elif ahead:
        known = MASK + 1 - ahead
        if known >= wire:
            put(row, OVERLAP + side, get(row, OVERLAP + side) + wire)
            return
        put(row, OVERLAP + side, get(row, OVERLAP + side) + known)
        seq, place, held, wire = (seq + known) & MASK, place + known, held - known, wire - known
    if good:
        held = max(min(held, wire), 0)
        read = held
        known = get(row, FLAGS)
        plain = HTTP1 << PROTOCOL_SHIFT | IN_LENGTH << (BODY_SHIFT + 4 * side)
        if known & (3 << PROTOCOL_SHIFT | 15 << (BODY_SHIFT + 4 * side)) == plain and held < get(
            row, LEFT + side
        ):
            put(row, LEFT + side, get(row, LEFT + side) - held)
        elif held:
            read = take_piece(ctl, row, place, place + held, ns, side, (known >> PORTS_SHIFT) & 7)
        lost = wire - held
        good = read == held
        if good and lost:
            good = cut_off(ctl, row, side, lost)
            if good:
                put(row, CUT + side, get(row, CUT + side) + lost)
                read += lost
        put(mine, NEXT, get(mine, NEXT) + read)
        put(mine, EXPECTED, (get(mine, EXPECTED) + read) & MASK)
        seq, place, held, wire = (seq + read) & MASK, place + read, held - read, wire - read
    if not good:
        put(row, FLAGS, get(row, FLAGS) | F_HARD)
        out = _out(ctl, row, PAYLOAD, side, ns)
        put(out, OUT_SEQ, seq)
        put(out, OUT_PLACE, place + shift)
        put(out, OUT_BYTES, max(held, 0))
        put(out, OUT_WIRE, wire)
