"""Claims that no data in this project can test, each with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon import claims
from faltcon.perf.rules import DEFAULT_VARIANT
from faltcon.profiles import phase_of_all
from faltcon.stats import median_interval
from faltcon.verdicts.finding import Finding, untested
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    from faltcon.claims import Claim
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

NO_RATES = (
    "No recording of connection rates with the patched kernel; the paper's server had far more "
    "cores, and clients of their own beside it."
)
NO_TESTS = "No recorded run of the patched kernel's tests."
DEFINITION = "A definition, which the book uses as it stands; nothing to measure."
SETUP = "A statement about the authors' machines and runs."
REASONS = {
    **dict.fromkeys(
        ("no-app-change", "faltcon-control-path", "only-repeated", "lockless", "irq-off-short"),
        NO_TESTS),
    **dict.fromkeys(
        ("f-key", "keeping-window", "objects-per-pair", "elimination-timer"), DEFINITION),
    **dict.fromkeys(
        ("server-cores", "server-clock", "link-rate", "connections-per-core", "repetitions",
         "message-size"), SETUP),
    **dict.fromkeys(
        ("table1-only-control-path", "table1-compatible"),
        "A reading of other papers, printed with its sources in the chapter on the design."),
    **dict.fromkeys(
        ("request-sock-reusable", "synack-reusable"),
        "No recording of which fields Linux writes for a connection."),
    "http-in-cellular": "The trace of reference [14] is not public.",
    "socksdirect-gain": "Needs RDMA hardware; the number is reference [11]'s.",
    "keepalive-costs": "No recording of keep-alive against close under load.",
    "gain-all-cores": NO_RATES,
    "gain-small-sizes": NO_RATES,
    "saturation-size": NO_RATES,
    "gain-range-end": NO_RATES,
}  # fmt: skip


@answers(*REASONS)
def reason(claim: Claim, _evidence: Evidence) -> Finding:
    """Nothing to compare with, and why."""
    return untested(REASONS[claim.id])


@answers("gain-max-abstract", "gain-mean", "gain-2-cores", "gain-18-cores")
def gain(_claim: Claim, evidence: Evidence) -> Finding:
    """No rate was measured; Amdahl's rule says what the measured shares let one expect."""
    whole = phase_of_all(evidence.main, DEFAULT_VARIANT)
    shares = whole[whole["phase"] == "establishment"]["share"]
    cut = claims.value("saved-total") / 100
    ours = median_interval([_amdahl(share, cut) for share in shares])
    papers = claims.value("handshake-share-rx") * claims.value("tcp-share-rx") / 10_000
    return untested(
        NO_RATES,
        estimate=(
            f"First-order estimate with the paper's largest saving: {_amdahl(papers, cut):.1f}"
            f"\N{NO-BREAK SPACE}% from the paper's own Figure 1 (a server that does nothing but "
            f"receive), {ours.value:.1f}\N{NO-BREAK SPACE}% [{ours.low:.1f}, {ours.high:.1f}] from "
            f"the handshake's share in our profiles (n = {ours.n})."
        ),
    )


def _amdahl(share: float, cut: float) -> float:
    """More connections, per cent, when a part with this share of all cycles is cut so much."""
    return 100 * (1 / (1 - share * cut) - 1)
