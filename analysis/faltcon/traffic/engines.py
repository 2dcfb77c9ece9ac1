"""The two implementations of mining, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faltcon.traffic.mining import Mined
    from faltcon.traffic.tcp import Limits

__all__ = ["ENGINES", "Miner", "engine_of"]

ENGINES = ("compiled", "dpkt")


class Miner(Protocol):
    """A function that reads a capture and makes its tables."""

    def __call__(
        self,
        file: str | Path,
        *,
        limits: Limits | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Mined:
        """Read `file`; mining.mine says what the arguments mean and what is raised."""


def engine_of(name: str) -> Miner:
    """The engine of this name, imported only when it is asked for. Raises UsageError."""
    if name == "compiled":
        from faltcon.traffic import compiled  # noqa: PLC0415  numba takes a second to load

        return compiled.mine
    if name == "dpkt":
        from faltcon.traffic import mining  # noqa: PLC0415  so that neither loads the other's

        return mining.mine
    raise UsageError(f"no engine {name!r}; engines: {', '.join(ENGINES)}")
