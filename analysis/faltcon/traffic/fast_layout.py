"""Places in the memory that the compiled engine keeps: plain numbers, so that numba sees them.

A connection is a row of `CONN_FIELDS` words of 64 bits, ordered so that a usual
packet touches its first two cache lines alone. A transaction is a row of
`TX_FIELDS` words. Compiled code reaches a row by its address, Python by its
number. `UNSET` stands for a time that was not seen.
"""

from __future__ import annotations

UNSET = -(1 << 62)
MASK = 0xFFFFFFFF
HALF = 0x80000000
WORD_BYTES = 8

# The control block: where everything else is, and the totals of a run.
(
    P_TABLE,
    TABLE_MASK,
    P_CONN,
    P_FREE,  # numbers of free rows, a stack
    FREE_COUNT,
    P_TX,
    P_TX_FREE,
    TX_FREE_COUNT,
    P_NAMES,
    P_NAMES_FREE,
    NAMES_FREE_COUNT,
    P_OUT,
    OUT_COUNT,
    OUT_ROOM,
    P_ENDED,  # numbers of rows whose connection is over, in order of their ends
    ENDED_COUNT,
    ENDED_HARD,  # how many of those looked at are the reference's; their numbers come first
    P_DONE,  # transactions that can no longer change
    DONE_COUNT,
    DONE_ROOM,
    P_MEMO,
    KEEP_TRANSACTIONS,
    SPECULATIVE,  # whether connections that began before this part are put off
    CONNECTIONS,  # how many there were so far: the number of the next one
    TCP,
    UDP,
    ICMP,
    ICMPV6,
    QUIC,
    FIRST_TCP,
    STOP,
    P_ANSWER,
    P_BLOCK,
    CTL_FIELDS,
) = range(34)
# Why the loop came back: the batch is done, a packet is not for it, or something is full.
STOP_DONE, STOP_SLOW, STOP_FULL = range(3)

# A packet of a batch: where its bytes are, how many, when, and the link type.
R_PLACE, R_BYTES, R_NS, R_LINK = range(4)
RECORD_FIELDS = 4

# A segment of the block that is looked at together: what its headers say.
(
    B_KEY_0,
    B_KEY_1,
    B_KEY_2,
    B_KEY_3,
    B_KEY_4,
    B_HASH,
    B_SECOND,
    B_FLAGS,
    B_SEQ,
    B_ACK,
    B_NS,
    B_PAYLOAD,  # address
    B_HELD,
    B_WIRE,
    B_RECORD,  # address
    B_FIELDS,
) = range(16)
BLOCK_SEGMENTS = 32

(
    # First line: the key (addresses, ports and version), and what each packet changes.
    KEY_0,
    KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    FLAGS,
    LAST_NS,
    NUMBER,
    # Second line: each side's part of that, at SIDE + side * SIDE_FIELDS.
    SIDE,
) = range(9)
EXPECTED, NEXT, PACKETS, ACKED = range(4)
SIDE_FIELDS = 4
(
    # Third line: times.
    FIRST_NS,
    SYN_NS,
    SYNACK_NS,
    ACK_NS,
    HANDSHAKE_NS,
    END_NS,
    SYNACK_SEQ,
    FIRST_PLACE,  # of the first packet in the file
    # Fourth line: opening, and HTTP.
    SYNS,
    SYNACKS,
    BASE_SEQ,  # of side 0; the next is of side 1
    BASE_SEQ_1,
    OPEN_TX,  # oldest request without its response, -1 for none
    LAST_TX,
    TX_COUNT,
    COMPLETE,
    # Fifth line: bodies, at LEFT + side and CURRENT_TX + side.
    LEFT,
    LEFT_1,
    CURRENT_TX,
    CURRENT_TX_1,
    LAST_METHOD,
    REQUEST_HEADS,
    NAMES,  # number of the place for names, -1 for none
    SPARE,
    # Sixth line: what is rarely not 0, at OVERLAP + side and CUT + side.
    OVERLAP,
    OVERLAP_1,
    CUT,
    CUT_1,
) = range(SIDE + 2 * SIDE_FIELDS, SIDE + 2 * SIDE_FIELDS + 28)
CONN_FIELDS = 48

# FLAGS of a connection. Those of a side are shifted left by its number.
F_LIVE = 1 << 0  # its key leads to it
F_SWAPPED = 1 << 1  # side 0 is the second half of the key
F_BASE = 1 << 2  # BASE_SEQ is known; and of side 1
F_START = 1 << 4  # EXPECTED is known; and of side 1
F_FIN = 1 << 6  # and of side 1
F_RESET = 1 << 8
F_CLIENT_KNOWN = 1 << 9
F_CLIENT = 1 << 10  # side 1 is the client
F_CLOSED = 1 << 11
F_CLOSED_BY = 1 << 12  # side 1 closed first
F_ESTABLISHED = 1 << 13
F_TLS_CLIENT = 1 << 14  # the client's hello was seen
F_HARD = 1 << 15  # the reference implementation has it
F_DEFERRED = 1 << 16  # it may have begun in an earlier part
F_EVICTED = 1 << 17
BOTH_FINS = F_FIN | F_FIN << 1
PROTOCOL_SHIFT = 20
BODY_SHIFT = 24  # and 4 bits more for side 1
PORTS_SHIFT = 32  # what the ports say, 3 bits

UNKNOWN, HTTP1, TLS = range(3)
AT_HEAD, IN_LENGTH, IN_CHUNKS, IN_TRAILER, TO_CLOSE, HELLO_DONE = range(6)

# A transaction: the connection's number and its own in it, what it says, and whether
# request and response are over.
(
    TX_CONNECTION,
    TX_ORDINAL,
    TX_STREAM,
    TX_METHOD,
    TX_STATUS,
    TX_REQUEST,
    TX_RESPONSE,
    TX_COMPLETE,
    TX_ANSWERED,
    TX_OPEN_NEXT,
) = range(10)
TX_FIELDS = 10

# Names from TLS hellos: two lengths, then the bytes.
NAME_BYTES, ALPN_BYTES, NAME_PLACE, ALPN_PLACE = 0, 1, 2, 30
NAMES_WORDS = 34
MAX_NAME_BYTES = (ALPN_PLACE - NAME_PLACE) * WORD_BYTES
MAX_ALPN_BYTES = (NAMES_WORDS - ALPN_PLACE) * WORD_BYTES

# A packet that the reference implementation is to take, wholly or its payload alone, or one
# that is put off.
(
    OUT_ROW,
    OUT_KIND,
    OUT_SIDE,
    OUT_SEQ,
    OUT_ACK,
    OUT_FLAGS,
    OUT_WINDOW,
    OUT_PLACE,
    OUT_BYTES,
    OUT_WIRE,
    OUT_NS,
    OUT_LINK,
) = range(12)
OUT_FIELDS = 12
WHOLE, PAYLOAD, PUT_OFF = range(3)
