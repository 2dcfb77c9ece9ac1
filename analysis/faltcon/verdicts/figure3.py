"""Claims of Figure 3: what FALTCON saves between SYN and SYNACK, from the recorded boots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon import claims, handshake
from faltcon.verdicts.finding import Finding, untested
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    from faltcon.claims import Claim
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

# The level of net.ipv4.tcp_faltcon that is the paper's design.
PAPERS_LEVEL = "level2"
PART_OF = {
    "cycles-saved-abstract": "total",
    "saved-total": "total",
    "saved-request-sock": "request_sock",
    "saved-synack": "synack",
    "saved-others": "others",
}
# The paper prints whole per cents.
HALF_DIGIT = 0.5


@answers(*PART_OF)
def saved(claim: Claim, evidence: Evidence) -> Finding:
    """Instructions saved, with the route look-up counted in both places.

    The claims say "up to", so a saving of at least that much bears them out.
    They are about cycles, and instructions were counted: at best, partly.
    """
    boots = [b for b in evidence.handshakes if b.arm in {"stock", PAPERS_LEVEL}]
    if not boots:
        return untested("No recording of the patched kernel's handshakes.")
    table = handshake.parts(boots)
    found = {
        name: handshake.changes(handshake.of_parts(table, name))[PAPERS_LEVEL, PART_OF[claim.id]]
        for name in handshake.ATTRIBUTIONS
    }
    ours = found[next(iter(handshake.ATTRIBUTIONS))]
    most = max(-100 * estimate.low for estimate in found.values())
    held = most + HALF_DIGIT >= claims.value(claim.id)
    shown = ", ".join(
        f"{-100 * estimate.value:.1f}\N{NO-BREAK SPACE}% with the {name}"
        for name, estimate in found.items()
    )
    if len({round(estimate.value, 9) for estimate in found.values()}) == 1:
        shown = f"{-100 * ours.value:.1f}\N{NO-BREAK SPACE}%"
    together = [
        f"{-100 * handshake.changes(handshake.joined(rows))[PAPERS_LEVEL, 'objects'].value:.1f}"
        "\N{NO-BREAK SPACE}%"
        for rows in (handshake.of_parts(table, name) for name in handshake.ATTRIBUTIONS)
    ]
    moved = (
        ""
        if PART_OF[claim.id] not in handshake.OBJECTS
        else " Part of its work moved to FALTCON's own operations; both objects and these "
        f"operations together: {together[0]}, or {together[1]} with the route."
    )
    return Finding(
        "partly" if held else "not reproduced",
        f"Counted in instructions, not in cycles: {shown}."
        + ("" if held else " Less than the paper's most, wherever the route is counted.")
        + moved,
        -100 * ours.value,
        -100 * ours.high,
        -100 * ours.low,
        ours.n,
        "measured here",
        tuple(f"data/raw/{handshake.EXPERIMENT}/{b.run}" for b in boots),
    )
