"""Receive-side scaling for whole traces: `faltcon.model.rss`, compiled."""
# mypy: disable-error-code="no-untyped-def,untyped-decorator,no-untyped-call"
# ruff: noqa: ANN001, ANN202, PLR0917  numba infers the types

from __future__ import annotations

import functools
import socket
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from faltcon.model.rss import MICROSOFT_KEY, Steering, indirection_table, toeplitz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.simulate.trace import Trace

__all__ = ["connection_cpus"]

LONGEST = 36
"""Bytes hashed at most: two IPv6 addresses and two ports."""
ADDRESSES = 32


def connection_cpus(trace: Trace, cpus: int, steering: Steering) -> NDArray[np.int32]:
    """CPU of each connection. Shape (n,). Equal to `faltcon.model.steer` one by one."""
    packed = bytearray()
    for key in trace.keys:
        data = _packed(key.client_ip) + _packed(key.server_ip)
        packed.append(len(data))
        packed += data.ljust(ADDRESSES, b"\0") + key.server_port.to_bytes(2, "big")
    rows = np.frombuffer(packed, np.uint8).reshape(-1, 1 + ADDRESSES + 2)
    result: NDArray[np.int32] = _cpus(
        trace.key,
        trace.client_port,
        rows,
        _byte_hashes(),
        np.array(indirection_table(cpus), np.int32),
        cpus,
        steering is Steering.RSS,
        steering is Steering.F_KEY,
    )
    return result


@functools.lru_cache(maxsize=2**16)
def _packed(address: str) -> bytes:
    # Twenty times as fast as ipaddress, and there may be millions of clients.
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@functools.cache
def _byte_hashes() -> NDArray[np.uint32]:
    """Hash of each byte value at each place; the hash of data is their XOR, as it is linear."""
    hashes = np.zeros((LONGEST, 256), np.uint32)
    for place in range(LONGEST):
        bits = [toeplitz(bytes(place) + bytes([1 << bit]), MICROSOFT_KEY) for bit in range(8)]
        for value in range(256):
            for bit in range(8):
                if value >> bit & 1:
                    hashes[place, value] ^= bits[bit]
    return hashes


@njit(cache=True, nogil=True)
def _cpus(key, client_port, rows, hashes, table, cpus, with_ports, by_f_key):
    of_keys = np.zeros(rows.shape[0], np.uint32)
    for k in range(rows.shape[0]):
        size = rows[k, 0]
        found = np.uint32(0)
        for place in range(size):
            found ^= hashes[place, rows[k, 1 + place]]
        if with_ports or by_f_key:
            found ^= hashes[size + 2, rows[k, 33]] ^ hashes[size + 3, rows[k, 34]]
        of_keys[k] = found
    result = np.empty(key.size, np.int32)
    mask = np.uint32(table.size - 1)
    for i in range(key.size):
        k = key[i]
        found = of_keys[k]
        if by_f_key:
            result[i] = (np.uint64(found) * np.uint64(cpus)) >> np.uint64(32)
            continue
        if with_ports:
            size = rows[k, 0]
            port = client_port[i]
            found ^= hashes[size, port >> 8] ^ hashes[size + 1, port & 255]
        result[i] = table[found & mask]
    return result
