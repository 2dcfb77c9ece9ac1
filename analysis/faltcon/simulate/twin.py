"""The compiled twin of `replay`: the same rules over arrays, for millions of connections.

One row of integers stands for a node (`faltcon.model.archive.Node`), one for
each pair of f-key and CPU that was ever seen; an eliminated node's row waits
for the pair's return. The tests hold the twin equal to the plain model in
every counter, for every choice of parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import UsageError
from faltcon.model import Counted, Counters, Eliminate, Policy, Scope, WindowKind
from faltcon.model.state import NOT_REUSABLE, REUSABLE, FRequestSock, FSynack
from faltcon.simulate import twin_loop
from faltcon.simulate.replay import SERIES, Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.simulate.trace import Cpus, Trace

__all__ = ["run"]

MOST_RING_ENTRIES = 2**28
ROW_BYTES = 64
KINDS = {WindowKind.TUMBLING: 0, WindowKind.GRID: 1, WindowKind.SLIDING: 2}


def run(trace: Trace, cpus: Cpus, policy: Policy | None = None, *, sample_ns: int = 0) -> Result:
    """What `faltcon.simulate.replay.replay` returns, two hundred times as fast.

    Raises UsageError when sliding windows of so large a k_t would not fit in memory.
    """
    policy = policy if policy is not None else Policy()
    sliding = policy.window_kind is WindowKind.SLIDING
    is_global = policy.scope is Scope.GLOBAL
    pairs = min(len(trace), len(trace.keys) * cpus.count)
    rings = (len(trace.keys) if is_global else pairs) if sliding else 0
    if rings * (policy.k_t + 1) > MOST_RING_ENTRIES:
        raise UsageError(f"sliding windows with k_t {policy.k_t} need too much memory here")
    samples = 0
    if sample_ns and len(trace):
        last = min(int(trace.release_ns.max()), trace.end_ns)
        samples = max((last - int(trace.syn_ns[0])) // sample_ns + 1, 0)
    counters = np.zeros(len(twin_loop.COUNTERS), np.int64)
    by_cpu = np.zeros((cpus.count, 2), np.int64)
    series = np.zeros((samples, len(SERIES)), np.int64)
    if len(trace):
        samples, _ = twin_loop.loop(
            (trace.syn_ns, trace.sent_ns, trace.ack_ns, trace.release_ns, trace.key),
            (cpus.syn, cpus.ack, cpus.release),
            (
                policy.k_t,
                policy.window_ns,
                policy.timer_ns,
                policy.max_pairs,
                policy.max_objects,
                sample_ns,
                trace.end_ns,
            ),
            (
                KINDS[policy.window_kind],
                policy.counted is Counted.SYN,
                policy.eliminate is Eliminate.AT_MOST_ONE,
            ),
            _rows(pairs + 1),
            _rows(len(trace.keys) if is_global else 0),
            np.zeros((rings, policy.k_t + 1 if sliding else 1), np.int64),
            counters,
            by_cpu,
            series,
        )
    named = dict(zip(twin_loop.COUNTERS, counters.tolist(), strict=True))
    return Result(
        _complete(named, int(by_cpu[:, 0].sum()), policy),
        by_cpu[:, 0],
        by_cpu[:, 1],
        series[:samples],
    )


def _complete(counted: dict[str, int], lookups: int, policy: Policy) -> Counters:
    """All counters, from those that the loop counts."""
    hits, skb_pulls = counted["hits"], counted["skb_pulls"]
    reused = hits * len(REUSABLE[FRequestSock]) + skb_pulls * len(REUSABLE[FSynack])
    kinds = (FRequestSock, FSynack)
    states = lookups * sum(len(REUSABLE[kind]) + len(NOT_REUSABLE[kind]) for kind in kinds)
    if not policy.f_state_keeper:
        reused = 0
    return Counters(
        **counted,
        lookups=lookups,
        misses=lookups - hits,
        pulls=hits,
        requests_made=lookups - hits,
        synacks_made=lookups - skb_pulls,
        states_set=states - reused,
        states_reused=reused,
    )


def _rows(count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Room for nodes, each on a cache line of its own: two views of one memory, of both widths."""
    memory = np.zeros((count + 1) * ROW_BYTES, np.uint8)
    start = -memory.ctypes.data % ROW_BYTES
    aligned = memory[start : start + count * ROW_BYTES]
    return aligned.view(np.int64).reshape(-1, 8), aligned.view(np.int32).reshape(-1, 16)
