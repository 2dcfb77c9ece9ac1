"""IP and TCP headers of a packet, compiled, as a row of the block that is looked at together."""

from __future__ import annotations

import numpy as np

from faltcon.traffic.fast_find import hash_of
from faltcon.traffic.fast_layout import (
    B_ACK,
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
    ICMP,
    ICMPV6,
    P_TABLE,
    QUIC,
    R_NS,
    TABLE_MASK,
    UDP,
    WORD_BYTES,
)
from faltcon.traffic.fast_memory import be16, be32, be64, get, prefetch, put, u8
from faltcon.traffic.jit import compiled, inlined
from faltcon.traffic.tunnels import QUIC_VERSIONS, UDP_TUNNELS

__all__ = ["SLOW", "read_headers"]

TUNNEL_PORTS = np.zeros(65536, dtype=np.bool_)
TUNNEL_PORTS[list(UDP_TUNNELS)] = True
QUIC_TABLE = np.array(sorted(QUIC_VERSIONS), dtype=np.int64)
# What a packet is: no TCP (and counted), a segment, or one for the reference.
NO_TCP, SEGMENT, SLOW = 0, 1, -1


@inlined
def read_headers(ctl: int, ip: int, end: int, record: int, one: int) -> int:
    """Read the IP and TCP headers into a row of the block: SEGMENT, NO_TCP (counted) or SLOW."""
    left = end - ip
    if left < 20:
        return SLOW
    version = u8(ip) >> 4
    if version == 4:
        header = (u8(ip) & 15) * 4
        total = be16(ip + 2)
        if not total:
            total = left
        if header < 20 or total < header or header > left or be16(ip + 6) & 0x3FFF:
            return SLOW
        kind = u8(ip + 9)
    elif version == 6:
        header = 40
        total = be16(ip + 4) + 40
        if left < 40 or total == 40:
            return SLOW
        kind = u8(ip + 6)
    else:
        return SLOW
    body = ip + header
    end = min(end, ip + total)
    if kind != 6:
        return _no_tcp(ctl, kind, body, end)
    if body + 20 > end:
        return SLOW
    size = (u8(body + 12) >> 4) * 4
    if size < 20:
        return SLOW
    sport, dport = be16(body), be16(body + 2)
    shi, dhi, slo, dlo = 0, 0, 0, 0
    if version == 4:
        slo, dlo = be32(ip + 12), be32(ip + 16)
    else:
        shi, slo = be64(ip + 8), be64(ip + 16)
        dhi, dlo = be64(ip + 24), be64(ip + 32)
    second = 0
    if shi > dhi or (shi == dhi and (slo > dlo or (slo == dlo and sport > dport))):
        second = 1
        shi, slo, sport, dhi, dlo, dport = dhi, dlo, dport, shi, slo, sport
    key = version << 32 | sport << 16 | dport
    h = hash_of(shi, slo, dhi, dlo, key)
    prefetch(get(ctl, P_TABLE) + (h & get(ctl, TABLE_MASK)) * WORD_BYTES)
    put(one, B_KEY_0, shi)
    put(one, B_KEY_1, slo)
    put(one, B_KEY_2, dhi)
    put(one, B_KEY_3, dlo)
    put(one, B_KEY_4, key)
    put(one, B_HASH, h)
    put(one, B_SECOND, second)
    put(one, B_FLAGS, u8(body + 13) & 0x3F)
    put(one, B_SEQ, be32(body + 4))
    put(one, B_ACK, be32(body + 8))
    put(one, B_NS, get(record, R_NS))
    put(one, B_PAYLOAD, body + size)
    # A snap length may cut the header's options too.
    put(one, B_HELD, max(end - body - size, 0))
    put(one, B_WIRE, max(ip + total - body - size, 0))
    put(one, B_RECORD, record)
    return SEGMENT


@compiled
def _is_quic(version: int) -> bool:
    known = False
    for one in QUIC_TABLE:
        known |= one == version
    return known


@compiled
def _no_tcp(ctl: int, kind: int, body: int, end: int) -> int:
    """Count a datagram of another protocol; SLOW where it may be a tunnel."""
    if kind == 17:
        if body + 8 > end or be16(body + 4) < 8:
            return SLOW
        if TUNNEL_PORTS[be16(body)] or TUNNEL_PORTS[be16(body + 2)]:
            return SLOW
        if body + 8 + 7 <= end and u8(body + 8) & 0xC0 == 0xC0 and _is_quic(be32(body + 9)):
            put(ctl, QUIC, get(ctl, QUIC) + 1)
        else:
            put(ctl, UDP, get(ctl, UDP) + 1)
    elif kind == 1:
        put(ctl, ICMP, get(ctl, ICMP) + 1)
    elif kind == 58:
        put(ctl, ICMPV6, get(ctl, ICMPV6) + 1)
    else:
        return SLOW
    return NO_TCP
