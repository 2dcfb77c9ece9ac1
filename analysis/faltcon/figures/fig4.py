"""Figure 4 of the paper (section 4.3): more connections a second, as an argument in four panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from faltcon.errors import UsageError
from faltcon.figures import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from faltcon.stats import Estimate

__all__ = ["Argument", "Bar", "four_panels", "sizes_figure", "stages_figure"]

COLOURS = {
    "stock": style.GREYS["mid"],
    "level0": style.GREYS["dark"],
    "level2": style.PALETTE["blue"],
    "level3": style.PALETTE["green"],
}
LABELS = {
    "stock": "Linux", "level0": "series, switched off", "level2": "FALTCON (level 2)",
    "level3": "extended (level 3)",
}  # fmt: skip
# Behind words that a line would cross.
PLAIN = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
MARKERS = {"level0": "s", "level2": "o", "level3": "D"}


@dataclass(frozen=True)
class Bar:
    """One bar of the absolute check: from `low` to `high` (equal for one value), in its unit."""

    label: str
    low: float
    high: float
    papers: bool = False


@dataclass(frozen=True)
class Argument:
    """What the four panels show.

    measured: arm to its gain (a share) at one core, nginx with the paper's
    size. papers: cores to the paper's gain. mean: the paper's mean gain.
    ceilings: label of a server to label of an improvement to its gain.
    dilution: table with columns cost (stock's instructions a connection) and
    gain, low, high (shares). saved: instructions a connection, of the curve.
    bars: of the absolute check.
    """

    measured: Mapping[str, Estimate]
    papers: Mapping[int, float]
    mean: float
    ceilings: Mapping[str, Mapping[str, float]]
    dilution: pd.DataFrame
    saved: float
    bars: Sequence[Bar]
    n: str


def four_panels(argument: Argument, *, origin: str) -> Figure:
    """Draw the argument. Raises UsageError for an arm that has no colour, or nothing to draw."""
    strange = set(argument.measured) - set(MARKERS)
    if strange:
        raise UsageError(f"figure 4: no colour for {min(strange)!r}")
    if not argument.measured or argument.dilution.empty:
        raise UsageError("figure 4: nothing was measured")
    style.apply()
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(9.4, 9.0))
    _points(a, argument)
    _ceiling(b, argument)
    _dilution(c, argument)
    _absolute(d, argument)
    style.stamp(figure, origin, argument.n, note="point: median, line: 95 % interval")
    return figure


def _points(axes: Axes, argument: Argument) -> None:
    axes.axhline(0, color=style.GREYS["mid"], linewidth=1)
    for shift, (arm, estimate) in zip((0.94, 1.0, 1.06), argument.measured.items(), strict=False):
        reach = [100 * estimate.low, 100 * estimate.high]
        axes.plot([shift] * 2, reach, color=COLOURS[arm], linewidth=3)
        axes.plot(
            [shift], [100 * estimate.value], MARKERS[arm], color=COLOURS[arm], label=LABELS[arm]
        )
    cores = sorted(argument.papers)
    axes.plot(
        cores, [100 * argument.papers[n] for n in cores], "*", markersize=14, color=style.PAPER,
        linestyle="none", label="paper",
    )  # fmt: skip
    axes.axhline(
        100 * argument.mean, color=style.PAPER, linestyle=":", linewidth=1.5, label="paper's mean"
    )
    axes.set_xscale("log")
    ticks = sorted({1, *cores})
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.set_xlim(0.8, 1.25 * max(ticks))
    axes.set_ylim(-2, 22)
    axes.set_xlabel("cores of the server")
    axes.set_ylabel("more connections a second (%)")
    axes.set_title("a  measured here, and the paper's")
    axes.legend(fontsize="x-small", loc="upper right")


def _ceiling(axes: Axes, argument: Argument) -> None:
    names = list(dict.fromkeys(name for of in argument.ceilings.values() for name in of))
    height = 0.8 / max(1, len(names))
    colours = [COLOURS["level2"], COLOURS["level3"], style.PALETTE["sky"]]
    for place, of in enumerate(argument.ceilings.values()):
        for number, name in enumerate(names):
            at = place + (number - (len(names) - 1) / 2) * height
            axes.barh(
                at, 100 * of[name], height=0.9 * height, color=colours[number % len(colours)],
                hatch="//" if number == len(names) - 1 else "", edgecolor="white",
                label=None if place else name,
            )  # fmt: skip
            text = f"{100 * of[name]:.1f}"
            axes.text(100 * of[name] + 0.3, at, text, va="center", fontsize="small", bbox=PLAIN)
    for gain in sorted({*argument.papers.values(), argument.mean}):
        axes.axvline(100 * gain, color=style.PAPER, linestyle=":", linewidth=1.5)
        axes.text(
            100 * gain, len(argument.ceilings) - 0.45, f"{100 * gain:.0f}", color=style.PAPER,
            ha="center", va="bottom", fontsize="x-small", bbox=PLAIN,
        )  # fmt: skip
    axes.set_yticks(range(len(argument.ceilings)), list(argument.ceilings))
    axes.set_ylim(-0.6, len(argument.ceilings) - 0.25)
    axes.set_xlim(0, 24)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("more connections (%); dotted: paper")
    axes.set_title("b  ceiling: a handshake at no cost")
    axes.legend(fontsize="x-small", loc="lower right", frameon=True, framealpha=1)


def _dilution(axes: Axes, argument: Argument) -> None:
    rows, d = argument.dilution, argument.saved
    costs = np.geomspace(0.8 * rows["cost"].min(), 1.2 * rows["cost"].max(), 200)
    axes.plot(
        costs / 1000, 100 * d / (costs - d), color=style.GREYS["dark"], linewidth=1.5,
        label=f"d / (C \N{MINUS SIGN} d), d = {d:.0f} (model)",
    )  # fmt: skip
    for server, marker in (("accept", "o"), ("nginx", "^")):
        of = rows[rows["server"] == server]
        for cost, low, high in of[["cost", "low", "high"]].to_numpy(dtype=float):
            axes.plot(
                [cost / 1000] * 2, [100 * low, 100 * high], color=COLOURS["level2"], linewidth=3
            )
        axes.plot(
            of["cost"] / 1000, 100 * of["gain"], marker, color=COLOURS["level2"], linestyle="none",
            label=f"{server}, level 2",
        )  # fmt: skip
    for gain in sorted({*argument.papers.values(), argument.mean}):
        axes.axhline(100 * gain, color=style.PAPER, linestyle=":", linewidth=1.5)
    axes.set_xscale("log")
    ticks = [20, 50, 100, 200, 500]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.set_ylim(0, 22)
    axes.set_xlabel("Linux: thousand instructions a connection (C)")
    axes.set_ylabel("more connections a second (%)")
    axes.set_title("c  dilution by other work")
    axes.legend(
        fontsize="x-small", loc="center right", bbox_to_anchor=(1, 0.53), frameon=True, framealpha=1
    )


def _absolute(axes: Axes, argument: Argument) -> None:
    for place, bar in enumerate(argument.bars):
        colour = style.PAPER if bar.papers else COLOURS["level2"]
        low, high = bar.low / 1000, bar.high / 1000
        axes.barh(place, high, height=0.6, color=colour, alpha=0.35 if high > low else 1.0)
        if high > low:
            axes.barh(place, low, height=0.6, color=colour)
        text = f"{low:.1f} to {high:.1f}" if high > low else f"{high:.1f}"
        axes.text(high + 0.15, place, text, va="center", fontsize="small")
    axes.set_yticks(range(len(argument.bars)), [bar.label for bar in argument.bars])
    axes.tick_params(axis="y", labelsize="small")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.4 * max(bar.high for bar in argument.bars) / 1000)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("thousand cycles or instructions")
    axes.set_title("d  what the paper's link allows")


def sizes_figure(
    found: Mapping[int, Estimate], paper: tuple[int, float], full_bytes: int, *, origin: str
) -> Figure:
    """Figure 4b: gain by size of the answer (bytes), with the paper's gain and where it ends.

    paper: largest size that gains, and the gain (a share). full_bytes: from
    here on the paper's link is full.
    """
    if not found:
        raise UsageError("figure 4b: nothing was measured")
    style.apply()
    figure, axes = plt.subplots(figsize=(7.6, 4.4))
    sizes = sorted(found)
    axes.axhline(0, color=style.GREYS["mid"], linewidth=1)
    for size in sizes:
        axes.plot(
            [size] * 2, [100 * found[size].low, 100 * found[size].high], color=COLOURS["level2"],
            linewidth=3,
        )  # fmt: skip
    axes.plot(
        sizes, [100 * found[size].value for size in sizes], "o-", color=COLOURS["level2"],
        label="here: no link that could be full",
    )  # fmt: skip
    axes.plot(
        [sizes[0], paper[0]], [100 * paper[1]] * 2, color=style.PAPER, linewidth=3, label="paper"
    )
    axes.plot([full_bytes, sizes[-1]], [0, 0], color=style.PAPER, linewidth=3)
    axes.axvspan(paper[0], full_bytes, color=style.PAPER, alpha=0.12)
    axes.set_xscale("log", base=2)
    axes.set_xticks(
        sizes, [f"{s} B" if s < 1024 else f"{s // 1024} KB" for s in sizes], rotation=45
    )
    axes.set_ylim(-1, 10)
    axes.set_xlabel("size of the answer")
    axes.set_ylabel("more connections a second (%)")
    axes.legend(fontsize="small")
    n = sorted({e.n for e in found.values()})
    style.stamp(
        figure, origin, f"{' or '.join(map(str, n))} layouts",
        note="point: median, line: 95 % interval; shaded: where the paper's link fills up",
    )  # fmt: skip
    return figure


def stages_figure(tables: Mapping[str, pd.DataFrame], *, origin: str, n: str) -> Figure:
    """A server's instructions a connection by stage; one panel a server, one bar an arm.

    tables: title to a table with stages as index and arms as columns.
    """
    if not tables:
        raise UsageError("no stages to draw")
    style.apply()
    stages = list(dict.fromkeys(s for table in tables.values() for s in table.index))
    figure, panels = plt.subplots(
        1, len(tables), figsize=(2.6 + 3.9 * len(tables), 1.2 + 0.42 * len(stages)), sharey=True,
        squeeze=False,
    )  # fmt: skip
    for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
        arms = [arm for arm in ("stock", "level2", "level3") if arm in table]
        step = 0.8 / len(arms)
        for number, arm in enumerate(arms):
            heights = [float(table[arm].get(stage, 0.0)) / 1000 for stage in stages]
            places = np.arange(len(stages)) + step * (number - (len(arms) - 1) / 2)
            axes.barh(places, heights, height=0.92 * step, color=COLOURS[arm], label=LABELS[arm])
        axes.set_title(title)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("thousand instructions a connection")
    panels[0][0].set_yticks(range(len(stages)), stages)
    panels[0][0].tick_params(axis="y", labelsize="small")
    panels[0][0].invert_yaxis()
    figure.legend(
        *panels[0][0].get_legend_handles_labels(), loc="outside upper left", ncols=3,
        fontsize="small",
    )  # fmt: skip
    style.stamp(figure, origin, n, note="bar: median")
    return figure
