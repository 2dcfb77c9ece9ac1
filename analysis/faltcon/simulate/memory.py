"""What the archive holds at a rate of connections, by calculation (section 3.1.2's consequence).

The worst traffic for the archive is clients that connect once: each leaves a
candidate until the timer has found it idle for a whole interval. With the
timer's phase as chance has it, that is at least one interval and less than two.
Published flow statistics give the rates; the kernel gives the sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Sizes", "at_rates", "idle_nodes", "kept_objects"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a node, a request and a SYNACK (its skb and data), as the kernel allocates them."""

    node_bytes: int
    request_sock_bytes: int
    synack_bytes: int


def idle_nodes(rate: float, timer_s: float) -> tuple[float, float]:
    """Candidates that `rate` one-time clients a second leave: mean over time, and most.

    A client that came at u is removed by the first firing at or after u + timer,
    so that it stays 1.5 intervals on average; just before a firing two
    intervals' clients are there.
    """
    return 1.5 * timer_s * rate, 2 * timer_s * rate


def kept_objects(rate: float, round_trip_s: float) -> float:
    """Requests that are alive at once, on average (Little's law); the peak is what is kept."""
    return rate * round_trip_s


def at_rates(
    rates: Mapping[str, float],
    timer_s: float,
    sizes: Sizes | None = None,
    *,
    round_trip_s: float = 0.0,
) -> pd.DataFrame:
    """What is held at each named rate (connections a second), at most, if every client came once.

    Columns: name, rate, nodes_mean, nodes_most, objects (requests alive at
    once); with sizes also nodes_most_bytes and objects_bytes.
    """
    rows = []
    for name, rate in rates.items():
        mean, most = idle_nodes(rate, timer_s)
        objects = kept_objects(rate, round_trip_s)
        row = {
            "name": name,
            "rate": rate,
            "nodes_mean": mean,
            "nodes_most": most,
            "objects": objects,
        }
        if sizes is not None:
            row["nodes_most_bytes"] = most * sizes.node_bytes
            row["objects_bytes"] = objects * (sizes.request_sock_bytes + sizes.synack_bytes)
        rows.append(row)
    return pd.DataFrame(rows)
