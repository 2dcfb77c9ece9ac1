"""Which function answers which claim."""

from __future__ import annotations

from collections.abc import Callable

from faltcon.claims import Claim
from faltcon.errors import UsageError
from faltcon.verdicts.evidence import Evidence
from faltcon.verdicts.finding import Finding

__all__ = ["ANSWERS", "Answer", "answers"]

Answer = Callable[[Claim, Evidence], Finding]
ANSWERS: dict[str, Answer] = {}


def answers(*ids: str) -> Callable[[Answer], Answer]:
    """Register a function as the one that answers these claims. Raises UsageError for a second."""

    def register(function: Answer) -> Answer:
        for name in ids:
            if name in ANSWERS:
                raise UsageError(f"two functions answer {name}")
            ANSWERS[name] = function
        return function

    return register
