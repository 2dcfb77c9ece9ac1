"""What `faltcon model` answers for one file: plain dictionaries, the same for JSON and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon.model import Policy, Steering
from faltcon.model.costs import Costs, saved
from faltcon.simulate import twin
from faltcon.simulate.replay import replay

if TYPE_CHECKING:
    from faltcon.simulate.inputs import Loaded

__all__ = ["RUN_KEYS", "Setting", "failed", "run_answer"]

RUN_KEYS = (
    "hits",
    "misses",
    "pulls",
    "pushes",
    "f_pairs_made",
    "f_pairs_eliminated",
    "objects_peak",
    "objects_end",
)
"""The contract's keys; `run_answer` adds more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a trace is run: policy, CPUs and what chooses among them, compiled or plain."""

    policy: Policy
    cores: int = 1
    steering: Steering = Steering.RSS
    compiled: bool = True
    costs: Costs | None = None


def run_answer(file: str, loaded: Loaded, setting: Setting) -> dict[str, Any]:
    """Counters of one file's trace.

    connections: those with a SYN; left_out: the others. hit_share is of all
    SYNs. lookups_by_core: SYNs that each core handled. saved: by part, in
    `saved_unit`, where costs were given.
    """
    trace = loaded.trace
    cpus = trace.steer(setting.cores, setting.steering)
    result = (twin.run if setting.compiled else replay)(trace, cpus, setting.policy)
    counters = result.counters
    answer: dict[str, Any] = {
        "file": file,
        "connections": len(trace),
        "left_out": loaded.left_out,
        "truncated": loaded.truncated,
        "f_keys": len(trace.keys),
        "lookups": counters.lookups,
        "hits": counters.hits,
        "misses": counters.misses,
        "hit_share": counters.hits / counters.lookups if counters.lookups else None,
        "pulls": counters.pulls,
        "pushes": counters.pushes,
        "skb_pulls": counters.skb_pulls,
        "skb_pushes": counters.skb_pushes,
        "f_pairs_made": counters.f_pairs_made,
        "f_pairs_eliminated": counters.f_pairs_eliminated,
        "drops_max_pairs": counters.drops_max_pairs,
        "objects_peak": counters.objects_peak,
        "objects_end": counters.objects,
        "nodes_peak": counters.nodes_peak,
        "nodes_end": counters.nodes,
        "went_home": counters.went_home,
        "lookups_by_core": result.lookups_by_cpu.tolist(),
    }
    if setting.costs is not None:
        answer["saved"] = saved(counters, setting.costs)
        answer["saved_unit"] = setting.costs.unit
    return {**answer, "error": None}


def failed(file: str, error: str) -> dict[str, Any]:
    """The answer for a file that could not be used."""
    return {"file": file, **dict.fromkeys(RUN_KEYS), "error": error}
