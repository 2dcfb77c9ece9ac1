"""Claims of Figure 4: more connections a second, from the instructions of a server alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon import claims, connections, saturation
from faltcon.stats import interval
from faltcon.verdicts.finding import Finding, untested
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    import pandas as pd

    from faltcon.claims import Claim
    from faltcon.stats import Estimate
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

PAPERS_LEVEL = "level2"
# Section 4.3: nginx, messages of 64 bytes.
PAPERS_POINT = ("nginx", 64)
SMALLEST_SERVER = ("accept", 0)
NOT_RECORDED = "No recording of whole connections with the patched kernel."
MEASURE = (
    "Counted in instructions of the server alone, on one core, with no lock contended and no "
    "cache line moved between cores."
)
# The paper prints whole per cents.
HALF_DIGIT = 0.5
PER_CENT = "\N{NO-BREAK SPACE}%"


@answers("gain-max-abstract", "gain-mean", "gain-small-sizes")
def gain(claim: Claim, evidence: Evidence) -> Finding:
    """The gain with nginx, and the most that any server and size here gains."""
    experiment = "fig4b" if claim.id == "gain-small-sizes" else "fig4a"
    table = evidence.connection_costs(experiment)
    if table.empty:
        return untested(NOT_RECORDED)
    of_point = connections.changes(table, PAPERS_LEVEL)
    if experiment == "fig4b":
        last = claims.value("gain-range-end") * 1024
        of_point = {point: e for point, e in of_point.items() if point[1] <= last}
    ours = of_point[PAPERS_POINT]
    point, most = max(of_point.items(), key=lambda item: item[1].high)
    held = 100 * most.high + HALF_DIGIT >= claims.value(claim.id)
    free = _free_handshake(table)
    return Finding(
        "partly" if held else "not reproduced",
        f"{MEASURE} nginx with {PAPERS_POINT[1]} B completes {_percent(ours)} more. The most is "
        f"{_percent(most)}, {_named(point)}. "
        f"With a path from SYN to SYNACK that cost nothing, nginx would gain {_percent(free)}.",
        100 * ours.value,
        100 * ours.low,
        100 * ours.high,
        ours.n,
        "measured here",
        _sources(table),
    )


@answers("gain-2-cores", "gain-18-cores")
def gain_of_cores(claim: Claim, evidence: Evidence) -> Finding:
    """No more than one core was counted; one core's gain is an estimate."""
    table = evidence.connection_costs("fig4a")
    why = "Connections were counted on one core; contention between cores is not seen here."
    if table.empty:
        return untested(f"{NOT_RECORDED} {why}")
    ours = connections.changes(table, PAPERS_LEVEL)[PAPERS_POINT]
    need = 100 * saturation.to_save(1.0, claims.value(claim.id) / 100)
    have = 100 * saturation.to_save(1.0, ours.value)
    return untested(
        why,
        estimate=(
            f"The paper's gain asks for {need:.1f}{PER_CENT} of a connection's cycles to be saved; "
            f"on one core level 2 saves {have:.1f}{PER_CENT} of its instructions."
        ),
    )


@answers("gain-all-cores")
def ahead(_claim: Claim, evidence: Evidence) -> Finding:
    """Ahead on the one core that was counted, with every server and size."""
    tables = [evidence.connection_costs(name) for name in connections.EXPERIMENTS]
    found = {
        point: estimate
        for table in tables
        if not table.empty
        for point, estimate in connections.changes(table, PAPERS_LEVEL).items()
    }
    if not found:
        return untested(NOT_RECORDED)
    behind = [point for point, estimate in found.items() if estimate.low <= 0]
    ours = found[PAPERS_POINT]
    words = (
        f"Ahead with each of {len(found)} servers, sizes and amounts of other work."
        if not behind
        else f"No measurable difference {', '.join(_named(p) for p in behind)}."
    )
    return Finding(
        "not reproduced" if PAPERS_POINT in behind else "partly",
        f"On one core, in instructions. {words}",
        100 * ours.value,
        100 * ours.low,
        100 * ours.high,
        ours.n,
        "measured here",
        tuple(source for table in tables if not table.empty for source in _sources(table)),
    )


@answers("saturation-size", "gain-range-end")
def link(_claim: Claim, evidence: Evidence) -> Finding:
    """No link was filled; the paper's own numbers say what a connection would cost."""
    edges = [
        saturation.edge(
            round(1024 * claims.value(name)),
            bits_per_s=1e9 * claims.value("link-rate"),
            cycles_per_s=1e9 * claims.value("server-clock") * claims.value("server-cores"),
        )
        for name in ("gain-range-end", "saturation-size")
    ]
    asked = [saturation.to_save(e.cycles, claims.value("gain-small-sizes") / 100) for e in edges]
    saved = ""
    table = evidence.connection_costs("fig4a")
    if not table.empty:
        rows = connections.savings(table, PAPERS_LEVEL)
        ours = _at(rows, PAPERS_POINT, "saved")
        saved = f" Level 2 saves {ours.value:.0f} instructions of nginx's."
    return untested(
        "There is no link of 10 Gb/s here, and no 18 cores to fill it.",
        estimate=(
            f"First-order estimate: {edges[0].cycles / 1000:.0f} to {edges[1].cycles / 1000:.0f} "
            f"thousand cycles a connection, of which the gain of "
            f"{claims.value('gain-small-sizes'):g}{PER_CENT} asks for {asked[0] / 1000:.1f} to "
            f"{asked[1] / 1000:.1f} thousand.{saved}"
        ),
    )


def _free_handshake(table: pd.DataFrame) -> Estimate:
    """Gain of nginx if all between SYN and SYNACK cost nothing."""
    stock = table[(table["arm"] == "stock") & (table["server"] == PAPERS_POINT[0])]
    stock = stock[stock["value"] == PAPERS_POINT[1]]
    return interval(list(stock["window"] / (stock["instructions"] - stock["window"])))


def _at(rows: pd.DataFrame, point: tuple[str, int], column: str) -> Estimate:
    chosen = rows[(rows["server"] == point[0]) & (rows["value"] == point[1])]
    return interval(list(chosen[column]))


def _named(point: tuple[str, int]) -> str:
    if point == SMALLEST_SERVER:
        return "with the smallest server"
    if point[0] == "accept":
        return f"with the smallest server and {point[1]} rounds of work"
    return f"with nginx and {point[1]} B"


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f}{PER_CENT}"


def _sources(table: pd.DataFrame) -> tuple[str, ...]:
    runs = dict.fromkeys(zip(table["experiment"], table["run"], strict=True))
    return tuple(f"data/raw/{experiment}/{run}" for experiment, run in runs)
