"""What FALTCON saves, from what was measured: costs of a handshake times the model's counts.

The model knows how often a handshake is served from the archive; how many
cycles or instructions each kind of handshake takes has to be measured (section
4.2). This module holds no figure of its own: costs are read from a recording.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from faltcon.model.counters import Counters

__all__ = ["KINDS", "Costs", "read_costs", "saved"]

KINDS = ("stock", "miss", "hit")
"""Handshakes without FALTCON, with FALTCON on the stock path, served from the archive."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one handshake, SYN to request freed.

    unit: "cycles" or "instructions". parts: name of the part (Figure 3:
    request_sock, SYNACK skb, FALTCON operations, others) to its cost by kind.
    origin: where the figures were recorded.
    """

    unit: str
    origin: str
    parts: Mapping[str, Mapping[str, float]]

    def total(self, kind: str) -> float:
        """All parts of one kind of handshake together."""
        return sum(part[kind] for part in self.parts.values())


def read_costs(file: Path) -> Costs:
    """Read costs from JSON: {"unit", "origin", "parts": {part: {stock, miss, hit}}}.

    Raises InputError or FormatError naming the file and the field.
    """
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FormatError(file, f"is not JSON ({error})") from error
    try:
        parts = {
            str(name): {kind: float(part[kind]) for kind in KINDS}
            for name, part in document["parts"].items()
        }
        costs = Costs(str(document["unit"]), str(document["origin"]), parts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        mend = "costs are unit, origin and parts, each part with stock, miss and hit"
        raise FormatError(file, f"{type(error).__name__}: {error}", mend=mend) from error
    if costs.unit not in {"cycles", "instructions"}:
        raise FormatError(file, f"unit {costs.unit!r}", mend="cycles or instructions")
    return costs


def saved(counters: Counters, costs: Costs) -> dict[str, float]:
    """What the counted handshakes cost less than on the stock path, by part; can be negative."""
    return {
        name: counters.lookups * part["stock"]
        - counters.misses * part["miss"]
        - counters.hits * part["hit"]
        for name, part in costs.parts.items()
    }
