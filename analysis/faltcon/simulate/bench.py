"""How fast the compiled twin is: CPU time of one thread, so that neighbours do not count."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from faltcon.simulate import generate, twin

__all__ = ["measure"]


def measure(size: int, *, clients: int, cores: int, rounds: int, seed: int = 1) -> dict[str, Any]:
    """Time steering and run over a Zipf trace with half-open requests (1 %).

    Keys: connections, clients, cores, rounds, hit_share, and for each of run,
    steer and both (connections a second): <name>_per_s, the median over the
    rounds, <name>_per_s_slowest and <name>_per_s_fastest.
    """
    trace = generate.zipf(size, clients=clients, rate=50_000, half_open=0.01, seed=seed)
    few = trace.head(1000)
    twin.run(few, few.steer(cores))  # compiles
    steering, running = [], []
    for _ in range(rounds):
        begun = time.thread_time()
        cpus = trace.steer(cores)
        steered = time.thread_time()
        counters = twin.run(trace, cpus).counters
        running.append(time.thread_time() - steered)
        steering.append(steered - begun)
    both = [one + other for one, other in zip(steering, running, strict=True)]
    found: dict[str, Any] = {
        "connections": len(trace),
        "clients": len(trace.keys),
        "cores": cores,
        "rounds": rounds,
        "hit_share": counters.hits / counters.lookups,
    }
    for name, seconds in (("run", running), ("steer", steering), ("both", both)):
        found[f"{name}_per_s"] = len(trace) / median(seconds)
        found[f"{name}_per_s_slowest"] = len(trace) / max(seconds)
        found[f"{name}_per_s_fastest"] = len(trace) / min(seconds)
    return found
