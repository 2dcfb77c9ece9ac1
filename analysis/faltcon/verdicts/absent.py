"""Claims that no data in this project can test, each with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.verdicts.finding import Finding, untested
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    from faltcon.claims import Claim
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

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
}  # fmt: skip


@answers(*REASONS)
def reason(claim: Claim, _evidence: Evidence) -> Finding:
    """Nothing to compare with, and why."""
    return untested(REASONS[claim.id])
