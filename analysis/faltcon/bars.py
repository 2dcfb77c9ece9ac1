"""What the kernel series must hold: limits set for it, and what the recordings say.

The limits are the project's own, but for those that are the paper's. A limit that is
missed is shown as missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from faltcon import bounds, handshake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faltcon.handshake import Boot
    from faltcon.stats import Estimate

__all__ = ["Bar", "counted", "instructions", "table"]

# The paper's level of the sysctl, and the one beyond it.
PAPERS, EXTENDED = "level2", "level3"


@dataclass(frozen=True)
class Bar:
    """One limit, and what was found.

    value, low, high: the result and its 95 % interval, or the least and the most of
    all boots where events were counted; n: boots an arm. unit: `share` for a change or
    a rate, else what is counted. kind: whether the limit is the most or the least that
    is allowed, or the most of a change in either direction.
    """

    what: str
    limit: float
    kind: Literal["at most", "at least", "within"]
    unit: str
    value: float
    low: float
    high: float
    n: int

    @property
    def held(self) -> bool:
        """Whether the result is on the right side of the limit."""
        return self._allows(self.value)

    @property
    def certain(self) -> bool:
        """Whether all of its interval is on the side that the result is on."""
        return self._allows(self.low) == self._allows(self.high) == self.held

    def _allows(self, value: float) -> bool:
        if self.kind == "within":
            return abs(value) <= self.limit
        return value <= self.limit if self.kind == "at most" else value >= self.limit


def _change(what: str, limit: float, found: Estimate, *, within: bool = False) -> Bar:
    kind: Literal["within", "at most"] = "within" if within else "at most"
    return Bar(what, limit, kind, "share", found.value, found.low, found.high, found.n)


def instructions(repeated: Sequence[Boot], strangers: Sequence[Boot]) -> list[Bar]:
    """The limits on instructions, as changes against the stock kernel.

    repeated: recordings of figure 3 in one configuration; strangers: those of the
    experiment of that name. Raises UsageError where an arm is missing.
    """
    table = handshake.parts(repeated)
    window = handshake.changes(handshake.of_parts(table, "route in others"))
    objects = {
        name: handshake.changes(handshake.joined(handshake.of_parts(table, name)))
        for name in handshake.ATTRIBUTIONS
    }
    paths = handshake.changes(handshake.with_paths(repeated))
    server = handshake.changes(handshake.of_server(repeated))
    unknown = handshake.changes(handshake.of_server(strangers))
    return [
        _change("SYN to SYNACK, level 2", -0.31, window[PAPERS, "total"]),
        _change("SYN to SYNACK, level 3", -0.40, window[EXTENDED, "total"]),
        _change(
            "both objects and FALTCON's operations, level 2",
            -0.50,
            objects["route in others"][PAPERS, "objects"],
        ),
        _change(
            "the same with the route look-up, level 2",
            -0.60,
            objects["route in SYNACK"][PAPERS, "objects"],
        ),
        _change(
            "SYN to SYNACK and every path that allocates, frees or keeps the objects, level 2",
            -0.20,
            paths[PAPERS, "total"],
        ),
        _change(
            "the server's kernel, a whole connection, series switched off",
            0.005,
            server["level0", "total"],
            within=True,
        ),
        _change(
            "the server's kernel, a connection of a stranger, accounting and elimination "
            "included, level 2",
            0.02,
            unknown[PAPERS, "total"],
        ),
    ]


def _of_boots(
    what: str,
    limit: float,
    values: pd.Series,
    *,
    least: bool = False,
    unit: str = "objects",
) -> Bar:
    """The worst boot decides."""
    worst = float(values.min() if least else values.max())
    kind: Literal["at least", "at most"] = "at least" if least else "at most"
    return Bar(
        what, limit, kind, unit, worst, float(values.min()), float(values.max()), len(values)
    )


def counted(root: Path | None = None) -> list[Bar]:
    """The limits on events, of the worst recorded boot; root as of `bounds.load`."""
    table = bounds.load(root)
    rates = bounds.rates(table)
    found = [
        _of_boots(f"hit rate of a warm pair, {label}", 0.999, rates[name], least=True, unit="share")
        for name, label in (("requests", "requests"), ("skbs", "SYNACKs"))
    ]
    kept = table["idle.after_f_request_socks"] + table["idle.after_f_synacks"]
    found.append(_of_boots("kept after the elimination timer without traffic", 0, kept))
    for flood, label in (("flood_syn", "SYN flood"), ("flood_connect", "flood that connects")):
        pairs, objects = int(table[f"{flood}.max_pairs"].max()), table[f"{flood}.max_objects"]
        found += [
            _of_boots(f"{label}: pairs held", pairs, table[f"{flood}.most_nodes"], unit="pairs"),
            _of_boots(
                f"{label}: requests kept",
                int(objects.max()),
                table[f"{flood}.most_f_request_socks"],
            ),
            _of_boots(
                f"{label}: legitimate pair's hit rate meanwhile",
                0.99,
                rates[flood],
                least=True,
                unit="share",
            ),
            _of_boots(
                f"{label}: the same one window later",
                0.999,
                rates[f"{flood}.after"],
                least=True,
                unit="share",
            ),
        ]
    return found


def table(found: Sequence[Bar]) -> pd.DataFrame:
    """The bars as a reader sees them: what, limit, result with its range, n, whether it holds."""
    rows = []
    for bar in found:
        value, low, high = (_shown(x, bar.unit, bar.kind) for x in (bar.value, bar.low, bar.high))
        reach = f" ({low} to {high})" if low != high else ""
        rows.append(
            {
                "What": bar.what,
                "Limit": f"{bar.kind} {_shown(bar.limit, bar.unit, bar.kind)}",
                "Here": f"{value}{reach}",
                "Boots": bar.n,
                "Held": ("yes" if bar.held else "missed")
                + ("" if bar.certain else " by the median; the interval reaches past the limit"),
            }
        )
    return pd.DataFrame(rows)


def _shown(value: float, unit: str, kind: str) -> str:
    space = "\N{NO-BREAK SPACE}"
    if unit != "share":
        return f"{value:,.0f}{space}{unit}"
    if kind == "at least":
        return f"{100 * value:.2f}{space}%"
    digits = 1 if abs(100 * value) >= 1 else 2
    sign = "+" if value > 0 else ""
    return f"{sign}{100 * value:.{digits}f}{space}%".replace("-", "\N{MINUS SIGN}")
