"""What the model counts. The kernel's counters of the same names must always agree."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["SHARED", "Counters"]

SHARED = (
    "lookups",
    "hits",
    "misses",
    "pulls",
    "pushes",
    "skb_pulls",
    "skb_pushes",
    "f_pairs_made",
    "f_pairs_eliminated",
    "drops_max_pairs",
    "nodes",
    "f_pairs",
    "objects",
    "synacks",
)
"""Counters that `kernel/policy.md` defines, so that kernel and model are compared by them."""


@dataclass(slots=True)
class Counters:
    """Events since the start, then states of now. All in pieces."""

    lookups: int = 0
    hits: int = 0
    misses: int = 0
    pulls: int = 0
    pushes: int = 0
    skb_pulls: int = 0
    skb_pushes: int = 0
    f_pairs_made: int = 0
    f_pairs_eliminated: int = 0
    drops_max_pairs: int = 0
    # States of now, all CPUs together.
    nodes: int = 0
    f_pairs: int = 0
    objects: int = 0
    synacks: int = 0
    # The model's own.
    objects_peak: int = 0
    nodes_peak: int = 0
    requests_made: int = 0
    synacks_made: int = 0
    went_home: int = 0
    states_set: int = 0
    states_reused: int = 0

    def as_dict(self) -> dict[str, int]:
        """Name to value, in the order of definition."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
