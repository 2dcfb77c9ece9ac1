"""The two profiles of the lab on rules: synthetic stacks, and a function that became slow."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from faltcon.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["expected", "write"]

_PHASES = {
    "establishment": ("tcp_conn_request", "tcp_check_req", "tcp_make_synack"),
    "shutdown": ("tcp_fin", "tcp_time_wait", "tcp_close"),
    "other": ("tcp_rcv_established", "tcp_sendmsg", "ip_queue_xmit"),
}
_LEAVES = (
    "kmem_cache_alloc", "kfree", "_raw_spin_lock", "memcpy", "inet_reqsk_alloc", "skb_clone",
    "tcp_v4_send_check", "ip_route_output_flow",
)  # fmt: skip
_Stacks = dict[tuple[str, ...], int]


def write(before: str | Path, after: str | Path, seed: int) -> None:
    """Write both profiles of a seed as folded stacks: the same seed gives the same bytes."""
    for file, stacks in zip((before, after), _make(seed)[:2], strict=True):
        lines = [f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items())]
        write_text(file, "".join(lines))


def expected(seed: int) -> dict[str, Any]:
    """What right answers find in the profiles of a seed, known from their making."""
    _, _, sums, slow = _make(seed)
    return {"sums": sums, "bottleneck": slow}


def _make(seed: int) -> tuple[_Stacks, _Stacks, dict[str, int], str]:
    chance = random.Random(seed)  # noqa: S311  data, not secrets
    before: _Stacks = {}
    sums = dict.fromkeys(_PHASES, 0)
    weights = dict(zip(chance.sample(_LEAVES, len(_LEAVES)), range(1, 9), strict=True))
    for phase, names in _PHASES.items():
        for name in names:
            for leaf in _LEAVES:
                # What a rule names further out must not count.
                outer = chance.choice([(), (), ("tcp_close",), ("tcp_check_req",)])
                outer = () if phase == "other" else outer
                stack = ("tcp_v4_rcv", *outer, name, leaf)
                before[stack] = weights[leaf] * chance.randint(90, 110)
                sums[phase] += before[stack]
    # A light one: neither its count nor its growth in samples is the largest.
    slow = min(chance.sample(_LEAVES, len(_LEAVES) - 2), key=lambda leaf: weights[leaf])
    # A longer recording, in which every count has grown and one share.
    times = chance.randint(3, 6)
    after = {s: n * times * (2 if s[-1] == slow else 1) for s, n in before.items()}
    return before, after, sums, slow
