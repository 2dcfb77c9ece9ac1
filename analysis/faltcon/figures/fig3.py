"""Figure 3 of the paper (section 4.2): the work from SYN to SYNACK, Linux beside FALTCON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

from faltcon.errors import UsageError
from faltcon.figures import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from faltcon.stats import Estimate

__all__ = ["changes_figure", "levels_figure", "parts_figure"]

COLOURS = {
    "request_sock": style.PALETTE["blue"],
    "synack": style.PALETTE["orange"],
    "faltcon": style.PALETTE["purple"],
    "others": style.GREYS["light"],
}
LABELS = {
    "request_sock": "request_sock", "synack": "SYNACK skb", "faltcon": "FALTCON operations",
    "others": "others", "total": "in all",
}  # fmt: skip
_HATCHES = {"request_sock": "", "synack": "//", "faltcon": "xx", "others": ""}


def parts_figure(
    tables: Mapping[str, pd.DataFrame],
    arms: Mapping[str, str],
    *,
    unit: str,
    origin: str,
) -> Figure:
    """Figure 3: a stacked bar an arm; one panel for each way to count the route look-up.

    tables: name of the attribution to a table with columns arm, layout, part
    (request_sock, synack, faltcon, others) and instructions. arms: arm to its
    label, in the order to draw. unit: of the height, "instructions". Bars are
    medians over layouts; the whole bar's height is written above it. Raises
    UsageError for an arm or a part that the tables do not have.
    """
    _check(tables, arms)
    style.apply()
    figure, panels = plt.subplots(
        1, len(tables), figsize=(1.2 + 4.0 * len(tables), 4.4), sharey=True, squeeze=False
    )
    layouts = 0
    for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
        medians = table.groupby(["arm", "part"])["instructions"].median()
        for place, arm in enumerate(arms):
            bottom = 0.0
            for part, colour in COLOURS.items():
                height = float(medians.get((arm, part), 0.0))
                axes.bar(
                    place, height, bottom=bottom, width=0.68, color=colour, hatch=_HATCHES[part],
                    edgecolor="white", linewidth=0.8, label=None if place else LABELS[part],
                )  # fmt: skip
                bottom += height
            axes.text(place, bottom, f"{bottom:.0f}", ha="center", va="bottom", fontsize="small")
        axes.set_xticks(range(len(arms)), list(arms.values()))
        axes.set_title(title)
        axes.grid(visible=False, axis="x")
        layouts = table["layout"].nunique()
    panels[0][0].set_ylabel(f"{unit} a handshake")
    figure.legend(
        *panels[0][0].get_legend_handles_labels(), loc="outside upper left", ncols=4,
        fontsize="small",
    )  # fmt: skip
    style.stamp(figure, origin, f"{layouts} layouts an arm", note="bar: median")
    return figure


def _check(tables: Mapping[str, pd.DataFrame], arms: Mapping[str, str]) -> None:
    """Raise UsageError for what cannot be drawn, before anything is."""
    for table in tables.values():
        strange = set(table["part"]) - set(COLOURS)
        if strange:
            raise UsageError(f"figure 3: no colour for the part {min(strange)!r}")
        missing = [arm for arm in arms if arm not in set(table["arm"])]
        if missing:
            raise UsageError(f"figure 3: no recording of {missing[0]}")


def changes_figure(
    found: Mapping[str, Mapping[str, Estimate]],
    paper: Mapping[str, float],
    *,
    origin: str,
) -> Figure:
    """How much each part changes against stock, beside the paper's numbers.

    found: name of the series (arm and attribution) to part to the change (a
    share, -0.31 for 31 % less) with its interval. paper: part to the paper's
    change, as a share.
    """
    style.apply()
    parts = [part for part in ("total", *COLOURS) if part in paper]
    figure, axes = plt.subplots(figsize=(7.2, 1.8 + 0.75 * len(parts)))
    colours = [style.PALETTE[name] for name in ("blue", "green", "purple", "black")]
    step = 0.7 / max(1, len(found))
    for number, (name, of_part) in enumerate(found.items()):
        offset, colour = step * (number - (len(found) - 1) / 2), colours[number % len(colours)]
        axes.plot([], [], "o-", color=colour, label=name)
        for place, part in enumerate(parts):
            if part in of_part:
                estimate, height = of_part[part], place + offset
                reach = [100 * estimate.low, 100 * estimate.high]
                axes.plot(reach, [height] * 2, color=colour, linewidth=3)
                axes.plot([100 * estimate.value], [height], "o", color=colour)
    for place, part in enumerate(parts):
        axes.plot(
            [100 * paper[part]] * 2, [place - 0.42, place + 0.42], color=style.PAPER, linewidth=3,
            label=None if place else "paper (up to)",
        )  # fmt: skip
    axes.axvline(0, color=style.GREYS["mid"], linewidth=1)
    axes.set_yticks(range(len(parts)), [LABELS[part] for part in parts])
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.set_xlabel("change against stock (%)")
    axes.grid(visible=False, axis="y")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize="small"
    )
    n = {e.n for of_part in found.values() for e in of_part.values()}
    style.stamp(
        figure, origin, f"{' or '.join(map(str, sorted(n)))} layouts",
        note="point: median, line: 95 % interval",
    )  # fmt: skip
    return figure


def levels_figure(
    found: Mapping[str, Mapping[str, Estimate]],
    arms: Mapping[str, str],
    *,
    origin: str,
) -> Figure:
    """The ablation: how much each arm changes the whole stretch, one row an arm.

    found: name of the series (a configuration) to arm to its change against
    stock, a share, with its interval. arms: arm to its label, from the top
    down; a series may lack some. Raises UsageError for an arm that no series has.
    """
    for arm in arms:
        if not any(arm in of_arm for of_arm in found.values()):
            raise UsageError(f"figure 3: no recording of {arm}")
    style.apply()
    figure, axes = plt.subplots(figsize=(7.2, 1.6 + 0.55 * len(arms)))
    colours, markers = [style.PALETTE[name] for name in ("blue", "orange", "purple")], "osD"
    for number, (name, of_arm) in enumerate(found.items()):
        colour, marker = colours[number % 3], markers[number % 3]
        axes.plot([], [], marker, color=colour, label=name)
        for place, arm in enumerate(arms):
            if arm not in of_arm:
                continue
            estimate, height = of_arm[arm], place + 0.26 * (number - (len(found) - 1) / 2)
            axes.plot([100 * estimate.low, 100 * estimate.high], [height] * 2, color=colour)
            axes.plot([100 * estimate.value], [height], marker, color=colour)
            axes.annotate(
                f"{100 * estimate.value:+.1f}", (100 * estimate.value, height), (7, 0),
                textcoords="offset points", va="center", fontsize="small",
            )  # fmt: skip
    axes.axvline(0, color=style.GREYS["mid"], linewidth=1)
    axes.set_yticks(range(len(arms)), list(arms.values()))
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_xlabel("change of instructions from SYN to SYNACK against stock (%)")
    axes.grid(visible=False, axis="y")
    if len(found) > 1:
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper left", ncols=3,
            fontsize="small",
        )  # fmt: skip
    n = {estimate.n for of_arm in found.values() for estimate in of_arm.values()}
    style.stamp(
        figure, origin, f"{' or '.join(map(str, sorted(n)))} layouts",
        note="point: median, line: 95 % interval",
    )  # fmt: skip
    return figure
