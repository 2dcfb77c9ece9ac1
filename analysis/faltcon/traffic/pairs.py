"""Repetition: f-keys, f-pairs and handshakes that are open at the same time.

An f-key is (TCP, client IP, server IP, server port); an f-pair is an f-key
with more than `k_t` connections inside one window (section 3 of the paper,
which leaves the kind of window and of connection open: both are parameters
here). A connection's time is its SYN's. Everything is exact and vectorised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from faltcon.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "COUNTS",
    "WINDOW_KINDS",
    "Repetition",
    "f_pairs",
    "key_codes",
    "max_concurrent",
    "parse_duration_ns",
    "repetition",
]

WindowKind = Literal["sliding", "tumbling"]
Count = Literal["established", "syn"]
WINDOW_KINDS: tuple[str, ...] = get_args(WindowKind)
COUNTS: tuple[str, ...] = get_args(Count)
UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
DURATION = re.compile(r"(\d+)(?:\.(\d+))?(ns|us|ms|s|m|h)", re.ASCII)


def parse_duration_ns(text: str) -> int:
    """Nanoseconds of `5s`, `500ms`, `1.5m`. Raises UsageError for anything else or zero."""
    match = DURATION.fullmatch(text.strip())
    if match:
        whole, fraction, unit = (part or "" for part in match.groups())
        scale: int = 10 ** len(fraction)
        duration, rest = divmod(int(whole + fraction) * UNITS_NS[unit], scale)
        if duration > 0 and not rest:
            return duration
    raise UsageError(f"{text!r} is no duration; write a number and a unit, such as 5s or 500ms")


@dataclass(frozen=True)
class Repetition:
    """What repeats in one capture under one choice of parameters."""

    f_keys: int
    f_pairs: int
    max_concurrent_handshakes: int


def key_codes(connections: pa.Table) -> NDArray[np.int64]:
    """For each connection the number of its f-key, counted from 0."""
    codes = np.zeros(len(connections), dtype=np.int64)
    for name in ("client_ip", "server_ip", "server_port"):
        column = connections[name].combine_chunks().dictionary_encode()
        part = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, codes = np.unique(codes * (len(column.dictionary) + 1) + part, return_inverse=True)
    return codes.astype(np.int64)


def f_pairs(
    times_ns: NDArray[np.int64],
    keys: NDArray[np.int64],
    *,
    k_t: int,
    window_ns: int,
    kind: WindowKind,
    start_ns: int,
) -> int:
    """Number of f-keys that have more than `k_t` connections in one window.

    `sliding`: two connections at most one window apart share it.
    `tumbling`: windows follow one another from `start_ns`.
    """
    if kind == "tumbling":
        windows = (times_ns - start_ns) // window_ns
        order = np.lexsort((windows, keys))
        # Within one (key, window) all are equal, so only the distance in the order matters.
        values, reach = windows[order], 0
    else:
        order = np.lexsort((times_ns, keys))
        values, reach = times_ns[order], window_ns
    sorted_keys = keys[order]
    if len(order) <= k_t:
        return 0
    last, first = slice(k_t, None), slice(None, len(order) - k_t)
    together = (sorted_keys[last] == sorted_keys[first]) & (values[last] - values[first] <= reach)
    return len(np.unique(sorted_keys[last][together]))


def max_concurrent(
    starts_ns: NDArray[np.int64], ends_ns: NDArray[np.int64], keys: NDArray[np.int64]
) -> int:
    """The most intervals of one f-key that are open at the same time.

    An interval is open from its start up to, not including, its end; one that
    ends where it starts is open at that instant.
    """
    if not len(keys):
        return 0
    ends_ns = np.maximum(ends_ns, starts_ns + 1)
    times = np.concatenate((starts_ns, ends_ns))
    steps = np.concatenate((np.ones_like(starts_ns), -np.ones_like(ends_ns)))
    both = np.concatenate((keys, keys))
    # Ends come before starts of the same time; each key's steps add up to 0.
    order = np.lexsort((steps, times, both))
    return int(np.cumsum(steps[order]).max())


def repetition(
    connections: pa.Table,
    *,
    k_t: int,
    window_ns: int,
    kind: WindowKind,
    count: Count,
    start_ns: int | None,
) -> Repetition:
    """f-keys, f-pairs and concurrent handshakes of a connections table.

    `count` is which connections count: `syn`, those whose SYN was seen, or
    `established`, those of them whose handshake was seen to its end.
    `start_ns`, the time of the first TCP packet, is where tumbling windows
    begin. A handshake is open from the SYN to the client's ACK or a reset, or
    to the capture's last packet where neither came.
    """
    syn = connections["syn_ns"].combine_chunks()
    counted = syn.is_valid().to_numpy(zero_copy_only=False)
    if count == "established":
        counted &= connections["established"].to_numpy(zero_copy_only=False)
    chosen = connections.filter(counted)
    if not len(chosen):
        return Repetition(0, 0, 0)
    times = chosen["syn_ns"].to_numpy().astype(np.int64)
    keys = key_codes(chosen)
    last = int(connections["last_ns"].to_numpy().max())
    ends = chosen["handshake_end_ns"].combine_chunks().fill_null(last).to_numpy()
    start = int(times.min()) if start_ns is None else start_ns
    return Repetition(
        f_keys=len(np.unique(keys)),
        f_pairs=f_pairs(times, keys, k_t=k_t, window_ns=window_ns, kind=kind, start_ns=start),
        max_concurrent_handshakes=max_concurrent(times, ends.astype(np.int64), keys),
    )
