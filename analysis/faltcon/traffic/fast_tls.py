"""TLS hellos, compiled: server name and ALPN of a hello that is whole in one piece.

The rules are those of tls.py. Names are copied into a place of their own,
because the bytes that they stand in are read once.
"""

from __future__ import annotations

from faltcon.traffic.fast_layout import (
    ALPN_BYTES,
    ALPN_PLACE,
    F_TLS_CLIENT,
    FLAGS,
    MAX_ALPN_BYTES,
    MAX_NAME_BYTES,
    NAME_BYTES,
    NAME_PLACE,
    NAMES,
    NAMES_FREE_COUNT,
    NAMES_WORDS,
    P_NAMES,
    P_NAMES_FREE,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import be16, get, put, put_u8, u8
from faltcon.traffic.jit import compiled

__all__ = ["read_hello"]


@compiled
def read_hello(ctl: int, row: int, place: int, end: int) -> bool:
    """A side's first TLS record; False where only the reference can read it."""
    if end - place < 6 or u8(place) & 0x80:
        return False
    if u8(place) != 22:
        return True
    size = be16(place + 3)
    start = place + 5
    if size < 4 or start + size > end:
        return False
    length = u8(start + 1) << 16 | be16(start + 2)
    if length + 4 > size:
        return False
    stop = start + 4 + length
    good = True
    if u8(start) == 1:
        good = _client_hello(ctl, row, start, stop)
        if good:
            put(row, FLAGS, get(row, FLAGS) | F_TLS_CLIENT)
    elif u8(start) == 2 and start + 38 < stop:
        good = _extensions(ctl, row, start + 39 + u8(start + 38) + 3, stop, False)
    return good


@compiled
def _client_hello(ctl: int, row: int, start: int, stop: int) -> bool:
    place = start + 38
    if place >= stop:
        return True
    place += 1 + u8(place)
    if place + 2 > stop:
        return True
    place += 2 + be16(place)
    if place >= stop:
        return True
    return _extensions(ctl, row, place + 1 + u8(place), stop, True)


@compiled
def _extensions(ctl: int, row: int, place: int, stop: int, offered: bool) -> bool:
    if place + 2 > stop:
        return True
    end = min(place + 2 + be16(place), stop)
    place += 2
    while place + 4 <= end:
        kind, size = be16(place), be16(place + 2)
        held = min(size, stop - place - 4)
        good = True
        if kind == 0 and offered and held > 5:
            good = held - 5 <= MAX_NAME_BYTES
            if good:
                _keep(ctl, row, NAME_BYTES, NAME_PLACE, place + 9, held - 5)
        elif kind == 16 and not offered and held > 3:
            good = held - 2 <= MAX_ALPN_BYTES
            if good:
                _keep(ctl, row, ALPN_BYTES, ALPN_PLACE, place + 6, held - 2)
        if not good:
            return False
        place += 4 + size
    return True


@compiled
def _keep(ctl: int, row: int, size_field: int, place_field: int, source: int, size: int) -> None:
    number = get(row, NAMES)
    if number < 0:
        free = get(ctl, NAMES_FREE_COUNT) - 1
        put(ctl, NAMES_FREE_COUNT, free)
        number = get(get(ctl, P_NAMES_FREE), free)
        put(row, NAMES, number)
        names = get(ctl, P_NAMES) + number * NAMES_WORDS * WORD_BYTES
        put(names, NAME_BYTES, 0)
        put(names, ALPN_BYTES, 0)
    names = get(ctl, P_NAMES) + number * NAMES_WORDS * WORD_BYTES
    put(names, size_field, size)
    for i in range(size):
        put_u8(names + place_field * WORD_BYTES + i, u8(source + i))
