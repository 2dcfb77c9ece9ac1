"""The reproduction report's picture: the paper's numbers beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

from faltcon.errors import UsageError
from faltcon.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "paper_and_ours"]

COLOURS = {
    "reproduced": style.PALETTE["green"],
    "partly": style.PALETTE["blue"],
    "not reproduced": style.PALETTE["black"],
}
_MARKERS = {"reproduced": "o", "partly": "D", "not reproduced": "s"}


def paper_and_ours(rows: pd.DataFrame, *, origin: str, n: int | str) -> Figure:
    """One line a claim with a share: the paper's number, ours, and our interval.

    rows: columns label, paper, ours (per cent), low, high (per cent, NaN
    without an interval) and verdict (reproduced, partly, not reproduced), in
    the order to draw. Raises UsageError for a missing column, an unknown
    verdict or no rows.
    """
    for column in ("label", "paper", "ours", "low", "high", "verdict"):
        if column not in rows.columns:
            raise UsageError(f"verdicts figure: the table lacks the column {column}")
    if rows.empty:
        raise UsageError("verdicts figure: the table has no rows")
    strange = sorted(set(rows["verdict"]) - set(COLOURS))
    if strange:
        raise UsageError(f"verdicts figure: no colour for the verdict {strange[0]!r}")
    style.apply()
    figure, axes = plt.subplots(figsize=(7.2, 1.6 + 0.42 * len(rows)))
    axes.hlines(
        range(len(rows)), rows["paper"], rows["ours"], color=style.GREYS["light"], linewidth=2
    )
    axes.plot(
        rows["paper"], range(len(rows)), "|", color=style.PAPER, markersize=16,
        markeredgewidth=3, label="paper",
    )  # fmt: skip
    shown: set[str] = set()
    for place, verdict in enumerate(rows["verdict"]):
        low, ours, high = rows[["low", "ours", "high"]].to_numpy()[place]
        axes.plot([low, high], [place, place], color=COLOURS[verdict], linewidth=3)
        axes.plot(
            [ours], [place], _MARKERS[verdict], color=COLOURS[verdict], markersize=7,
            label=None if verdict in shown else f"ours, {verdict}",
        )  # fmt: skip
        shown.add(verdict)
    axes.set_yticks(range(len(rows)), list(rows["label"]))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share (%)")
    axes.set_title("What the paper says, and what we found")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
    style.stamp(figure, origin, n, note="line: 95 % interval of the median")
    return figure
