"""The design space: what a trace would see under other parameters, and under other policies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from faltcon.errors import UsageError
from faltcon.model import UNLIMITED, Policy, Steering
from faltcon.simulate import ideal, twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from faltcon.model import Counters
    from faltcon.simulate.trace import Trace

__all__ = ["AXES", "compare", "one_at_a_time", "row"]

SECOND = 1_000_000_000

AXES: Mapping[str, Sequence[float]] = {
    "k_t": (0, 1, 2, 3, 5, 8, 13, 21, 34),
    "window_s": (0.1, 0.5, 1, 2, 5, 10, 30, 60),
    "timer_s": (1, 5, 10, 30, 60, 120, 300),
    "cores": (1, 2, 4, 8, 16, 32, 64),
    "max_objects": (1, 4, 16, 64, 256, 1024, 4096),
}
"""Parameters that a sweep varies, with the values it tries."""


def row(trace: Trace, policy: Policy, cores: int, steering: Steering) -> dict[str, object]:
    """One point of the design space: its parameters, then what came of them.

    Shares are of all handshakes: hit_share of requests served by f_pull,
    synack_hit_share of SYNACKs, state_share of states not set again (Table 2).
    objects_peak and nodes_peak count pieces, kept by the whole machine.
    """
    counters = twin.run(trace, trace.steer(cores, steering), policy).counters
    return {
        "k_t": policy.k_t,
        "window_s": policy.window_ns / SECOND,
        "timer_s": policy.timer_ns / SECOND,
        "cores": cores,
        "max_objects": policy.max_objects if policy.max_objects < UNLIMITED else None,
        "scope": str(policy.scope),
        "window_kind": str(policy.window_kind),
        "steering": str(steering),
        "handshakes": counters.lookups,
        **_shares(counters),
        "f_pairs_made": counters.f_pairs_made,
        "f_pairs_eliminated": counters.f_pairs_eliminated,
        "objects_peak": counters.objects_peak,
        "nodes_peak": counters.nodes_peak,
        "went_home": counters.went_home,
    }


def _shares(counters: Counters) -> dict[str, float]:
    states = counters.states_set + counters.states_reused
    return {
        "hit_share": counters.hits / max(counters.lookups, 1),
        "synack_hit_share": counters.skb_pulls / max(counters.lookups, 1),
        "state_share": counters.states_reused / max(states, 1),
    }


def one_at_a_time(
    trace: Trace,
    policy: Policy,
    cores: int,
    *,
    steering: Steering = Steering.RSS,
    axes: Mapping[str, Sequence[float]] = AXES,
    progress: Callable[[], None] | None = None,
) -> pd.DataFrame:
    """Vary one parameter after the other around a policy; the others stay as they are.

    A row for each value: column `varied` names the parameter, `value` is its
    value, the others are `row`'s. `progress` is called after each run.
    """
    rows = []
    for name, values in axes.items():
        for value in values:
            changed = _changed(policy, name, value)
            point = row(trace, changed, int(value) if name == "cores" else cores, steering)
            rows.append({"varied": name, "value": float(value), **point})
            if progress is not None:
                progress()
    return pd.DataFrame(rows)


def _changed(policy: Policy, name: str, value: float) -> Policy:
    match name:
        case "k_t":
            return replace(policy, k_t=int(value))
        case "window_s":
            return replace(policy, window_ns=int(value * SECOND))
        case "timer_s":
            return replace(policy, timer_ns=int(value * SECOND))
        case "max_objects":
            return replace(policy, max_objects=int(value))
        case "cores":
            return policy
    raise UsageError(f"no parameter {name} to vary; there are {', '.join(AXES)}")


def compare(
    trace: Trace, policy: Policy, cores: int, steering: Steering = Steering.RSS
) -> pd.DataFrame:
    """FALTCON beside the obvious policies and the best possible one, in the memory FALTCON used.

    A row a policy: `policy`, `objects_peak`, `memory_share` and `state_share`
    (shares of handshakes served by memory used before, and by states still
    right). All but slab have one archive for each CPU, as FALTCON.
    """
    cpus = trace.steer(cores, steering)
    counters = twin.run(trace, cpus, policy).counters
    pairs = ideal.pairs_of(trace, cpus)
    room = counters.objects_peak
    faltcon = ideal.Outcome(counters.lookups, counters.hits, counters.hits, room)
    outcomes = {
        "slab cache": ideal.slab(trace),
        "FALTCON": faltcon,
        "LRU, same memory": ideal.lru(trace, pairs, room),
        "clairvoyant, same memory": ideal.clairvoyant(trace, pairs, room),
        "clairvoyant, any memory": ideal.clairvoyant(trace, pairs, len(trace)),
    }
    rows = []
    for name, outcome in outcomes.items():
        handshakes = max(outcome.handshakes, 1)
        rows.append(
            {
                "policy": name,
                "objects_peak": outcome.objects_peak,
                "memory_share": outcome.memory_reused / handshakes,
                "state_share": outcome.states_reused / handshakes,
            }
        )
    return pd.DataFrame(rows)
