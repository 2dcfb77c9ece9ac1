"""What a recording lacks, in the words and numbers that every view of it carries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LeftOut"]


@dataclass
class LeftOut:
    """What a recording lacks.

    skipped: reason to count of what could not be used. throttled: how often the
    kernel held sampling back.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    throttled: int = 0

    @classmethod
    def of_all(cls, parts: Iterable[LeftOut]) -> LeftOut:
        """What several recordings lack together."""
        whole = cls()
        for part in parts:
            whole.skipped.update(part.skipped)
            whole.throttled += part.throttled
        return whole

    def __bool__(self) -> bool:
        """Whether anything is missing."""
        return bool(self.skipped or self.throttled)

    def __str__(self) -> str:
        """One sentence for a reader."""
        parts = [f"{count} {reason}" for reason, count in self.skipped.items()]
        text = f"Left out: {'; '.join(parts) or 'nothing'}"
        if self.throttled:
            text += f"; sampling was held back (throttled) {self.throttled} times"
        return text + "."

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"skipped": dict(self.skipped), "throttled": self.throttled}
