"""Connections of a part of a file into the memory of all, compiled.

The part was read without knowledge of what came before it. Its connections
join in the order in which they began; one ends what its key led to so far, as
a SYN does that starts anew.
"""

from __future__ import annotations

from faltcon.traffic.fast_find import ROW_BYTES, end, hash_of
from faltcon.traffic.fast_layout import (
    BASE_SEQ,
    CONN_FIELDS,
    CURRENT_TX,
    F_BASE,
    F_LIVE,
    F_SWAPPED,
    FLAGS,
    FREE_COUNT,
    KEY_0,
    KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    LAST_TX,
    MASK,
    NAMES,
    NAMES_FREE_COUNT,
    NAMES_WORDS,
    NUMBER,
    OPEN_TX,
    P_CONN,
    P_FREE,
    P_NAMES,
    P_NAMES_FREE,
    P_TABLE,
    P_TX,
    P_TX_FREE,
    TABLE_MASK,
    TX_CONNECTION,
    TX_FIELDS,
    TX_FREE_COUNT,
    TX_OPEN_NEXT,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import get, put
from faltcon.traffic.jit import compiled, inlined

__all__ = ["absorb", "conflict"]

TX_BYTES = TX_FIELDS * WORD_BYTES


@inlined
def _slot(ctl: int, row: int, h: int) -> int:
    """The place in the table for a row's key: that of its connection, or an empty one."""
    table, mask, conn = get(ctl, P_TABLE), get(ctl, TABLE_MASK), get(ctl, P_CONN)
    slot = h & mask
    while True:
        entry = get(table, slot)
        if entry == 0:
            return slot
        if entry >> 32 == h >> 32:
            held = conn + ((entry & MASK) - 1) * ROW_BYTES
            same = get(held, KEY_4) == get(row, KEY_4) and get(held, KEY_1) == get(row, KEY_1)
            same = same and get(held, KEY_3) == get(row, KEY_3)
            same = same and get(held, KEY_0) == get(row, KEY_0)
            if same and get(held, KEY_2) == get(row, KEY_2):
                return slot
        slot = (slot + 1) & mask


@inlined
def _hash_of_row(row: int) -> int:
    return hash_of(
        get(row, KEY_0), get(row, KEY_1), get(row, KEY_2), get(row, KEY_3), get(row, KEY_4)
    )


@compiled
def conflict(ctl: int, rows: int, count: int) -> bool:
    """Whether one of the part's connections may go on with an earlier one."""
    for i in range(count):
        row = rows + i * ROW_BYTES
        entry = get(get(ctl, P_TABLE), _slot(ctl, row, _hash_of_row(row)))
        if entry:
            held = get(ctl, P_CONN) + ((entry & MASK) - 1) * ROW_BYTES
            flags = get(held, FLAGS)
            # Side 0 of the part's connection sent the SYN.
            side = ((flags ^ get(row, FLAGS)) & F_SWAPPED) >> 1
            if not flags & (F_BASE << side) or get(held, BASE_SEQ + side) == get(row, BASE_SEQ):
                return True
    return False


@compiled
def absorb(
    ctl: int, rows: int, count: int, tx: int, names: int, first_number: int, places: int
) -> None:
    """Take the part's rows over, in order of their numbers; `places` is told their new ones.

    There must be room for all. Numbers of connections grow by `first_number`.
    """
    for i in range(count):
        row = rows + i * ROW_BYTES
        free = get(ctl, FREE_COUNT) - 1
        put(ctl, FREE_COUNT, free)
        place = get(get(ctl, P_FREE), free)
        put(places, i, place)
        mine = get(ctl, P_CONN) + place * ROW_BYTES
        for field in range(CONN_FIELDS):
            put(mine, field, get(row, field))
        put(mine, NUMBER, get(row, NUMBER) + first_number)
        put(mine, FLAGS, get(row, FLAGS) | F_LIVE)
        _transactions(ctl, mine, tx)
        if get(row, NAMES) >= 0:
            free = get(ctl, NAMES_FREE_COUNT) - 1
            put(ctl, NAMES_FREE_COUNT, free)
            held = get(get(ctl, P_NAMES_FREE), free)
            put(mine, NAMES, held)
            target = get(ctl, P_NAMES) + held * NAMES_WORDS * WORD_BYTES
            source = names + get(row, NAMES) * NAMES_WORDS * WORD_BYTES
            for field in range(NAMES_WORDS):
                put(target, field, get(source, field))
        h = _hash_of_row(row)
        slot = _slot(ctl, row, h)
        entry = get(get(ctl, P_TABLE), slot)
        if entry:
            end(ctl, get(ctl, P_CONN) + ((entry & MASK) - 1) * ROW_BYTES)
        put(get(ctl, P_TABLE), slot, (h >> 32) << 32 | (place + 1))


@inlined
def _transactions(ctl: int, row: int, tx: int) -> None:
    """Take over the transactions of a row that was copied: those open, and those with a body."""
    number, last = get(row, OPEN_TX), -1
    current_0, current_1 = get(row, CURRENT_TX), get(row, CURRENT_TX + 1)
    while number >= 0:
        new = _transaction(ctl, row, tx, number)
        if last < 0:
            put(row, OPEN_TX, new)
        else:
            put(get(ctl, P_TX) + last * TX_BYTES, TX_OPEN_NEXT, new)
        last = new
        for side in range(2):
            if (current_1 if side else current_0) == number:
                put(row, CURRENT_TX + side, new)
                if side:
                    current_1 = -1
                else:
                    current_0 = -1
        number = get(tx + number * TX_BYTES, TX_OPEN_NEXT)
    put(row, LAST_TX, last)
    if current_0 >= 0:
        put(row, CURRENT_TX, _transaction(ctl, row, tx, current_0))
    if current_1 >= 0:
        put(row, CURRENT_TX + 1, _transaction(ctl, row, tx, current_1))


@inlined
def _transaction(ctl: int, row: int, tx: int, number: int) -> int:
    free = get(ctl, TX_FREE_COUNT) - 1
    put(ctl, TX_FREE_COUNT, free)
    new = get(get(ctl, P_TX_FREE), free)
    for field in range(TX_FIELDS):
        put(get(ctl, P_TX) + new * TX_BYTES, field, get(tx + number * TX_BYTES, field))
    put(get(ctl, P_TX) + new * TX_BYTES, TX_CONNECTION, get(row, NUMBER))
    return new
