"""Claims of Figure 1 and of section 3's account of Linux, from the recorded profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faltcon import profiles
from faltcon.perf import tables
from faltcon.perf.rules import DEFAULT_VARIANT
from faltcon.stats import median_interval
from faltcon.verdicts.finding import Finding, judge
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faltcon.claims import Claim
    from faltcon.profiles import Profile
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

RULES = "our rule variants and response sizes"
PHASES_OF = {
    "handshake-share-intro": ("establishment",),
    "handshake-share-rx": ("establishment",),
    "data-share-intro": ("data",),
    "data-share-rx": ("data",),
    "shutdown-share-rx": ("shutdown",),
    "control-share-rx": ("establishment", "shutdown"),
}
# Section 3 of the paper: what Linux does for each connection, by the functions that do it
# (net/ipv4/tcp_input.c, tcp_output.c, inet_connection_sock.c; the inner name lies in the outer).
STOCK_PATH = {
    "allocates the request": ("tcp_conn_request", "inet_reqsk_alloc"),
    "allocates the SYNACK's skb": ("tcp_make_synack", "__alloc_skb"),
    "drops the request": ("tcp_v4_rcv", "__inet_csk_reqsk_queue_drop"),
}


@answers(*PHASES_OF)
def phase_share(claim: Claim, evidence: Evidence) -> Finding:
    """A phase's share of TCP's receive work."""
    wanted = PHASES_OF[claim.id]

    def of(runs: Sequence[Profile], variant: str) -> list[float]:
        rows = profiles.shares(runs, [variant])
        return list(_summed(rows[rows["phase"].isin(wanted)], runs))

    return _compare(claim, evidence, of)


@answers("tcp-share-tx", "tcp-share-rx")
def tcp_share(claim: Claim, evidence: Evidence) -> Finding:
    """TCP's share of the work in one direction."""
    direction = claim.id.rpartition("-")[2]

    def of(runs: Sequence[Profile], variant: str) -> list[float]:
        rows = tables.layer_shares({p.run: p.breakdowns[variant] for p in runs})
        chosen = rows[(rows["direction"] == direction) & (rows["layer"] == "tcp")]
        return list(_summed(chosen, runs))

    return _compare(claim, evidence, of)


@answers("control-as-much-as-data")
def control_against_data(_claim: Claim, evidence: Evidence) -> Finding:
    """Control path over data path, in TCP's receive work: "as much" asks for at least 1."""
    rows = profiles.shares(evidence.main, [DEFAULT_VARIANT])
    control = _summed(rows[rows["phase"].isin(["establishment", "shutdown"])], evidence.main)
    ratio = median_interval(list(control / _summed(rows[rows["phase"] == "data"], evidence.main)))
    others = [
        float((_by(s, size, "establishment", "shutdown") / _by(s, size, "data")).median())
        for _, s in profiles.shares(evidence.profiles).groupby("variant")
        for size in s["response_bytes"].unique()
    ]
    every, some = min(ratio.low, *others) >= 1, ratio.high >= 1
    return Finding(
        "reproduced" if every else "partly" if some else "not reproduced",
        f"Control over data in TCP's receive work, {ratio.value:.1f} times with the default rule; "
        f"{min(others):.1f} to {max(others):.1f} times over {RULES}.",
        ratio.value,
        ratio.low,
        ratio.high,
        ratio.n,
        "measured here",
        _sources(evidence.main),
    )


@answers("linux-control-path")
def linux_control_path(_claim: Claim, evidence: Evidence) -> Finding:
    """The functions that section 3 speaks of, seen at work in every repetition."""
    missing = [
        f"{step} ({inner} within {outer}) in {p.run}"
        for p in evidence.main
        for step, (outer, inner) in STOCK_PATH.items()
        if not any(_within(stack.split(";"), outer, inner) for stack in p.stacks)
    ]
    steps = ", ".join(f"{inner} within {outer}" for outer, inner in STOCK_PATH.values())
    return Finding(
        "partly" if missing else "reproduced",
        f"Not sampled: {'; '.join(missing)}." if missing else f"Seen in every profile: {steps}.",
        n=len(evidence.main),
        origin="measured here",
        sources=_sources(evidence.main),
    )


def _within(frames: Sequence[str], outer: str, inner: str) -> bool:
    return outer in frames and inner in frames[frames.index(outer) :]


def _compare(
    claim: Claim, evidence: Evidence, of: Callable[[Sequence[Profile], str], list[float]]
) -> Finding:
    """Judge the default rule on the main recordings; the other rules and sizes give the range."""
    main = median_interval([100 * share for share in of(evidence.main, DEFAULT_VARIANT)])
    sizes = sorted({p.response_bytes for p in evidence.profiles})
    others = [
        100 * float(pd.Series(of(runs, variant)).median())
        for size in sizes
        if (runs := [p for p in evidence.profiles if p.response_bytes == size])
        for variant in runs[0].breakdowns
    ]
    return judge(claim, main, others, rules=RULES, sources=_sources(evidence.main))


def _summed(rows: pd.DataFrame, runs: Sequence[Profile]) -> pd.Series[float]:
    """The rows' shares added up for each run; a run without a row has none."""
    return rows.groupby("run")["share"].sum().reindex([p.run for p in runs], fill_value=0.0)


def _by(rows: pd.DataFrame, size: int, *phases: str) -> pd.Series[float]:
    chosen = rows[(rows["response_bytes"] == size) & rows["phase"].isin(phases)]
    return chosen.groupby("run")["share"].sum()


def _sources(runs: Sequence[Profile]) -> tuple[str, ...]:
    return tuple(f"data/raw/bottleneck/{p.run}" for p in runs)
