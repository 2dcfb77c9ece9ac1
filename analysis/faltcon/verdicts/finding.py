"""What we found about one claim, and the rule by which a number becomes a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faltcon.claims import Claim
    from faltcon.stats import Estimate

__all__ = ["VERDICTS", "Finding", "Origin", "Verdict", "judge", "untested"]

Verdict = Literal["reproduced", "partly", "not reproduced", "cannot be tested here"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Origin = Literal["measured here", "published by others", "none"]


@dataclass(frozen=True)
class Finding:
    """The answer to one claim.

    ours: our number in the claim's unit, None where there is none; low and
    high: its 95 % interval, None where nothing was sampled; n: independent
    repetitions, 0 without a measurement. why: one sentence. origin: where the
    data come from; sources: their places under data/. estimate: what
    arithmetic on other figures lets one expect (first order), empty for none.
    """

    verdict: Verdict
    why: str
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    origin: Origin = "none"
    sources: tuple[str, ...] = ()
    estimate: str = ""

    def __post_init__(self) -> None:
        """Raise UsageError for an answer that contradicts itself."""
        if (self.origin == "none") != (not self.sources):
            raise UsageError("a finding has an origin and sources, or neither")
        if self.verdict == "cannot be tested here" and self.ours is not None:
            raise UsageError("what was not tested has no number")
        if self.verdict != "cannot be tested here" and self.origin == "none":
            raise UsageError("a verdict needs data")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the 95 % interval, or None."""
        if self.low is None or self.high is None:
            return None
        return self.low, self.high


def untested(why: str, estimate: str = "") -> Finding:
    """The answer to a claim that nothing here can test."""
    return Finding("cannot be tested here", why, estimate=estimate)


def judge(
    claim: Claim,
    estimate: Estimate,
    others: Iterable[float] = (),
    *,
    rules: str,
    sources: tuple[str, ...],
) -> Finding:
    """Compare the paper's number with ours, both in the claim's unit.

    reproduced: our 95 % interval holds the paper's number, as far as that is
    printed (half of its last digit on either side). partly: it does not, but
    the number lies among `others`, what the same recordings give under other
    named choices. not reproduced: neither. A single repetition has no
    interval; its value stands for both ends. `rules` names the choices in the
    reason. Raises UsageError for a claim in words.
    """
    if claim.value is None:
        raise UsageError(f"the claim {claim.id!r} has no number to compare with")
    low = estimate.low if math.isfinite(estimate.low) else estimate.value
    high = estimate.high if math.isfinite(estimate.high) else estimate.value
    half = _half_digit(claim.value)
    reach = [low, high, *others]
    verdict: Verdict
    if low - half <= claim.value <= high + half:
        verdict, why = "reproduced", "The paper's number lies in our interval."
    elif min(reach) - half <= claim.value <= max(reach) + half:
        verdict = "partly"
        why = (
            f"Outside our interval, but within {min(reach):.0f} to {max(reach):.0f}"
            f"\N{NO-BREAK SPACE}{claim.unit}, which {rules} give."
        )
    else:
        side = "above" if claim.value > max(reach) else "below"
        verdict = "not reproduced"
        why = (
            f"The paper's number lies {side} all that {rules} give: {min(reach):.0f} to "
            f"{max(reach):.0f}\N{NO-BREAK SPACE}{claim.unit}."
        )
    return Finding(verdict, why, estimate.value, low, high, estimate.n, "measured here", sources)


def _half_digit(value: float) -> float:
    """Half of the last digit that the number is printed with: 0.5 for 46, 0.05 for 2.1."""
    digits = f"{value:g}".partition(".")[2]
    return 0.5 * 10.0 ** -len(digits)
