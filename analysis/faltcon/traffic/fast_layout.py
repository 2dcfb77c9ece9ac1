"""Places in the arrays that the compiled engine keeps: plain numbers, so that numba sees them.

A connection is one row of `CONN_FIELDS` integers of 64 bits, a transaction one
of `TX_FIELDS`. `UNSET` stands for what was not seen.
"""

from __future__ import annotations

UNSET = -(1 << 62)

# Totals of a run.
C_CONNECTIONS, C_TRANSACTIONS, C_TCP, C_UDP, C_ICMP, C_ICMPV6, C_FIRST_TCP, C_STOP, C_OUT = range(9)
COUNTERS = 9
# Why the loop came back: the batch is done, a packet is not for it, or an array is full.
STOP_DONE, STOP_SLOW, STOP_FULL = range(3)

# A connection: its key (addresses, ports and version), then its state.
(
    KEY_0,
    KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    SWAPPED,  # whether side 0 is the second half of the key
    FIRST_NS,
    LAST_NS,
    SYN_NS,
    SYNACK_NS,
    ACK_NS,
    HANDSHAKE_NS,
    END_NS,
    SYN_SEQ,
    SYNACK_SEQ,
    SYNS,
    SYNACKS,
    CLIENT,  # side 0 or 1, UNSET while unknown
    RESET_BY,
    CLOSED_BY,
    FINS,  # bit 0 and bit 1
    PROTOCOL,
    OPEN_TX,  # oldest transaction without its response
    LAST_TX,
    LAST_METHOD,
    TX_COUNT,
    REQUEST_HEADS,
    COMPLETE,
    TLS_CLIENT,  # whether the client's hello was seen
    NAME_PLACE,
    NAME_BYTES,
    ALPN_PLACE,
    ALPN_BYTES,
    # Each of the two sides, at SIDE + side * SIDE_FIELDS.
    SIDE,
) = range(34)
(
    BASE_SEQ,  # of the connection, as packets show it
    PACKETS,
    START_SEQ,  # of the first byte
    NEXT,  # position of the next byte
    UNIQUE,
    OVERLAP,
    CUT,
    BODY,
    LEFT,
    CURRENT_TX,
) = range(10)
SIDE_FIELDS = 10
CONN_FIELDS = SIDE + 2 * SIDE_FIELDS

UNKNOWN, HTTP1, TLS = range(3)
AT_HEAD, IN_LENGTH, IN_CHUNKS, IN_TRAILER, TO_CLOSE, HELLO_DONE = range(6)

TX_CONNECTION, TX_STREAM, TX_METHOD, TX_STATUS, TX_REQUEST, TX_RESPONSE, TX_COMPLETE, TX_NEXT = (
    range(8)
)
TX_FIELDS = 8

# A packet that the reference implementation is to take, in a replay.
(
    OUT_CONNECTION,
    OUT_SIDE,
    OUT_SEQ,
    OUT_ACK,
    OUT_FLAGS,
    OUT_WINDOW,
    OUT_PLACE,
    OUT_BYTES,
    OUT_WIRE,
    OUT_NS,
    OUT_KEY_SIDE,
) = range(11)
OUT_FIELDS = 11
