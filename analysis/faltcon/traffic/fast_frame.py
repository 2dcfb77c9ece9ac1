"""Where the IP header of a frame is, compiled: the common link forms."""

from __future__ import annotations

from faltcon.traffic.fast_memory import be16, u8
from faltcon.traffic.jit import compiled

__all__ = ["ip_place"]


@compiled
def ip_place(place: int, end: int, link_type: int) -> int:
    """Address of the IP header of a frame of a common link type; 0 for anything else."""
    if link_type == 1:
        place += 12
    elif link_type == 113:
        place += 14
    elif link_type == 276:
        if place + 20 > end or (be16(place) != 0x0800 and be16(place) != 0x86DD):
            return 0
        return place + 20
    elif link_type in (12, 14, 101, 228, 229):
        return place
    elif link_type == 0 or link_type == 108:
        if place + 4 > end or not (
            (u8(place) == 2 and u8(place + 3) == 0) or (u8(place) == 0 and u8(place + 3) == 2)
        ):
            return 0
        return place + 4 if u8(place + 1) == 0 and u8(place + 2) == 0 else 0
    else:
        return 0
    for _ in range(3):
        if place + 2 > end:
            return 0
        kind = be16(place)
        place += 2
        if kind == 0x0800 or kind == 0x86DD:
            return place
        if kind != 0x8100 and kind != 0x88A8:
            return 0
        place += 2
    return 0
