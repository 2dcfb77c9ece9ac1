"""How fast the compiled twin is: CPU time of one thread, so that neighbours do not count."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from faltcon.simulate import generate, twin

__all__ = ["measure"]


def measure(size: int, *, clients: int, cores: int, rounds: int, seed: int = 1) -> dict[str, Any]:
    """Time steering and run over a Zipf trace with half-open requests (1 %).

    Keys: connections, clients, cores, rounds, run_per_s, steer_per_s,
    both_per_s (connections a second, medians), hit_share.
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
    return {
        "connections": len(trace),
        "clients": len(trace.keys),
        "cores": cores,
        "rounds": rounds,
        "run_per_s": len(trace) / median(running),
        "steer_per_s": len(trace) / median(steering),
        "both_per_s": len(trace) / median(both),
        "hit_share": counters.hits / counters.lookups,
    }
