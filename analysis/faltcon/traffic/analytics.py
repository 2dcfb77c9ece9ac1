"""How connections repeat: gaps, reuse distances, peaks, and the share that FALTCON could serve.

All functions take arrays with one element a connection, in any order: its time
(its SYN's, in nanoseconds) and the number of its f-key (pairs.key_codes).
Nothing loops over connections in Python.

Source: sections 3.1.1 (threshold, window, number of objects) and 3.1.2 (the
elimination timer) of the paper; kernel/policy.md for what they leave open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faltcon.traffic.jit import compiled
from faltcon.traffic.pairs import key_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Words = NDArray[np.int64]

__all__ = [
    "Arrivals",
    "arrivals",
    "inter_arrivals_ns",
    "lorenz",
    "peaks",
    "reuse_distances",
    "served",
    "served_shares",
]


@dataclass(frozen=True)
class Arrivals:
    """The connections that count, in order of time: times, f-keys, and their weights."""

    times_ns: Words
    keys: Words
    ends_ns: Words
    packets: Words
    payload_bytes: Words


def arrivals(connections: pa.Table, *, established: bool) -> Arrivals:
    """Connections of a connections table whose SYN was seen (and, if asked, its handshake)."""
    counted = connections["syn_ns"].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
    if established:
        counted &= connections["established"].to_numpy()
    chosen = connections.filter(counted)
    last = int(connections["last_ns"].to_numpy().max(initial=0))
    times = chosen["syn_ns"].to_numpy().astype(np.int64)
    ends = chosen["handshake_end_ns"].combine_chunks().fill_null(last).to_numpy()
    order = np.argsort(times, kind="stable")

    def both(what: str) -> Words:
        total = chosen[f"client_{what}"].to_numpy() + chosen[f"server_{what}"].to_numpy()
        return np.asarray(total[order], dtype=np.int64)

    return Arrivals(
        times[order],
        key_codes(chosen)[order],
        ends.astype(np.int64)[order],
        both("packets"),
        both("bytes"),
    )


def inter_arrivals_ns(times_ns: Words, keys: Words) -> Words:
    """Time from each connection to the next one of its f-key, for all that have a next one."""
    order = np.lexsort((times_ns, keys))
    times, sorted_keys = times_ns[order], keys[order]
    gaps: Words = np.diff(times)[sorted_keys[1:] == sorted_keys[:-1]]
    return gaps


@compiled
def _distances(keys: Words, last: Words, tree: Words, out: Words) -> int:
    """LRU stack distances with a Fenwick tree over the order of arrival."""
    count = 0
    size = len(tree)
    for place in range(len(keys)):
        before = last[keys[place]]
        if before >= 0:
            # f-keys whose latest connection came after that one: each is a set bit.
            distance = 0
            i = place
            while i > 0:
                distance += tree[i]
                i -= i & -i
            i = before + 1
            while i > 0:
                distance -= tree[i]
                i -= i & -i
            out[count] = distance
            count += 1
            i = before + 1
            while i < size:
                tree[i] -= 1
                i += i & -i
        last[keys[place]] = place
        i = place + 1
        while i < size:
            tree[i] += 1
            i += i & -i
    return count


def reuse_distances(times_ns: Words, keys: Words) -> Words:
    """Number of other f-keys seen between two connections of one f-key, for each repetition.

    An archive of as many f-pairs, kept in order of last use, still holds the
    f-key when it comes back if it is larger than this.
    """
    order = np.argsort(times_ns, kind="stable")
    last = np.full(int(keys.max(initial=-1)) + 1, -1, dtype=np.int64)
    out = np.empty(len(keys), dtype=np.int64)
    count = _distances(keys[order], last, np.zeros(len(keys) + 1, dtype=np.int64), out)
    return out[:count]


def lorenz(keys: Words) -> pd.DataFrame:
    """Lorenz curve: share of f-keys (least repeated first) against their share of connections."""
    counts = np.sort(np.unique(keys, return_counts=True)[1])
    connections = np.concatenate(([0], np.cumsum(counts))) / max(int(counts.sum()), 1)
    f_keys = np.linspace(0.0, 1.0, len(connections)) if len(counts) else np.zeros(1)
    return pd.DataFrame({"f_keys_share": f_keys, "connections_share": connections})


def served(
    times_ns: Words, keys: Words, *, k_t: int, window_ns: int, timer_ns: int, start_ns: int
) -> NDArray[np.bool_]:
    """Whether each connection comes while its f-key is an f-pair that is kept.

    An f-key becomes an f-pair when more than `k_t` of its connections lie in
    one sliding window; the timer fires every `timer_ns` from `start_ns` on and
    forgets an f-key that had no connection since it fired before. One archive
    for all CPUs, without a limit of objects: what any real archive serves is
    less. The result is in the order of the arguments.
    """
    order = np.lexsort((times_ns, keys))
    times, sorted_keys = times_ns[order], keys[order]
    if not len(times):
        return np.zeros(0, dtype=np.bool_)
    # A tick between two connections, a whole interval after the first, ends a life of the f-key.
    tick = (times[1:] - start_ns) // timer_ns * timer_ns + start_ns
    new_life = (sorted_keys[1:] != sorted_keys[:-1]) | (tick - timer_ns >= times[:-1])
    lives = np.concatenate(([0], np.cumsum(new_life)))
    # More than k_t in one window, all in this life.
    crossing = np.zeros(len(times), dtype=np.bool_)
    last, first = slice(k_t, None), slice(None, max(len(times) - k_t, 0))
    crossing[last] = (lives[last] == lives[first]) & (times[last] - times[first] <= window_ns)
    places = np.where(crossing, np.arange(len(times)), len(times))
    starts = np.flatnonzero(np.concatenate(([True], new_life)))
    kept_from = np.minimum.reduceat(places, starts)
    answer = np.empty(len(times), dtype=np.bool_)
    answer[order] = np.arange(len(times)) > kept_from[lives]
    return answer


def served_shares(
    found: Arrivals,
    *,
    thresholds: Sequence[int],
    windows_ns: Sequence[int],
    timers_ns: Sequence[int],
    start_ns: int,
) -> pd.DataFrame:
    """Share of connections, packets and bytes that could be served, for each choice.

    Columns: k_t, window_s, timer_s, connections_share, packets_share, bytes_share.
    """
    weights = {
        "connections_share": np.ones(len(found.keys), dtype=np.int64),
        "packets_share": found.packets,
        "bytes_share": found.payload_bytes,
    }
    rows = []
    for k_t in thresholds:
        for window_ns in windows_ns:
            for timer_ns in timers_ns:
                hit = served(
                    found.times_ns,
                    found.keys,
                    k_t=k_t,
                    window_ns=window_ns,
                    timer_ns=timer_ns,
                    start_ns=start_ns,
                )
                shares = {
                    name: float(weight[hit].sum() / weight.sum()) if weight.sum() else float("nan")
                    for name, weight in weights.items()
                }
                rows.append(
                    {"k_t": k_t, "window_s": window_ns / 1e9, "timer_s": timer_ns / 1e9, **shares}
                )
    return pd.DataFrame(rows)


def peaks(
    starts_ns: Words, ends_ns: Words, keys: Words, *, window_ns: int, start_ns: int
) -> pd.DataFrame:
    """Most handshakes of an f-key open at once in each window: the objects to keep (3.1.1).

    Windows follow one another from `start_ns`; those in which a handshake of
    the f-key begins or ends are listed, with handshakes still open from before
    counted in. Columns: f_key, window, peak.
    """
    ends_ns = np.maximum(ends_ns, starts_ns + 1)
    times = np.concatenate((starts_ns, ends_ns))
    both = np.concatenate((keys, keys))
    steps = np.concatenate((np.ones_like(keys), -np.ones_like(keys)))
    windows = (times - start_ns) // window_ns
    if not len(times):
        return pd.DataFrame({"f_key": both, "window": windows, "peak": steps})
    # One event without a step where a window begins shows what is still open there.
    marks = np.unique(np.stack((both, windows)), axis=1)
    times = np.concatenate((times, marks[1] * window_ns + start_ns))
    both = np.concatenate((both, marks[0]))
    windows = np.concatenate((windows, marks[1]))
    steps = np.concatenate((steps, np.zeros(marks.shape[1], dtype=np.int64)))
    # In one instant ends come first, then the marks, then starts.
    order = np.lexsort((steps, times, both))
    both, windows, steps = both[order], windows[order], steps[order]
    # Between two ends of one instant no time passes: what is open then is no level.
    level = np.where(steps < 0, 0, np.cumsum(steps))
    changes = (both[1:] != both[:-1]) | (windows[1:] != windows[:-1])
    first = np.flatnonzero(np.concatenate(([True], changes)))
    return pd.DataFrame(
        {
            "f_key": both[first],
            "window": windows[first],
            "peak": np.maximum.reduceat(level, first),
        }
    )
