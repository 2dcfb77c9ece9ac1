"""Figure 1 of the paper (section 2.2.2): where the server's CPU cycles go.

1a: layers in TX and in RX. 1b: connection establishment, data and shutdown in
TCP's part of RX. The paper names no rule for either; `rule_figure` shows what
the choice does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from faltcon.errors import UsageError
from faltcon.figures import style
from faltcon.stats import median_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from faltcon.stats import Estimate

__all__ = ["layers_figure", "phases_figure", "rule_figure"]

LAYER_COLOURS = {
    "driver": style.PALETTE["sky"],
    "core": style.PALETTE["orange"],
    "ip": style.PALETTE["green"],
    "tcp": style.PALETTE["blue"],
    "socket": style.PALETTE["purple"],
    "unclassified": style.GREYS["light"],
}
PHASE_COLOURS = {
    "establishment": style.PALETTE["blue"],
    "data": style.PALETTE["green"],
    "shutdown": style.PALETTE["orange"],
    "shared": style.GREYS["mid"],
}
# TCP, the part of interest, stands at the foot, where its height can be read off the axis.
_FROM_THE_FOOT = ("tcp", "ip", "core", "driver", "socket", "unclassified")
# Hatches carry the difference where colour does not.
_HATCHES = ("", "..", "//", "\\\\", "xx", "")
_PAPER_BAR: dict[str, Any] = {
    "width": 0.38,
    "facecolor": "white",
    "edgecolor": style.PAPER,
    "linewidth": 2,
}
_LABELS = {"ip": "IP", "tcp": "TCP", "tx": "TX", "rx": "RX", "backlog": "RX, backlog"}


def layers_figure(
    shares: pd.DataFrame, paper: Mapping[str, float], *, origin: str, title: str = ""
) -> Figure:
    """Figure 1a: a stacked bar of layers for each direction.

    shares: columns run, direction (tx, rx, backlog), layer, share (0 to 1, of
    the direction's weight; one row a run, direction and layer; absent rows are
    zero). paper: direction to TCP's share in the paper (0 to 1). Bars are
    medians over runs, scaled to add up to 100 %; the interval is TCP's.
    """
    _need(shares, ("run", "direction", "layer", "share"))
    style.apply()
    directions = [way for way in ("tx", "rx", "backlog") if (shares["direction"] == way).any()]
    figure, axes = plt.subplots(figsize=(2.4 + 1.9 * len(directions), 4.2))
    ticks: dict[float, str] = {}
    for place, direction in enumerate(directions):
        part = shares[shares["direction"] == direction]
        estimates = _estimates(part, "layer", list(LAYER_COLOURS))
        left = 2.0 * place
        _stack(axes, left, estimates, label=place == 0)
        ticks[left] = f"{_LABELS[direction]}\nhere"
        if direction in paper:
            _paper_stack(axes, left + 0.75, paper[direction], label=place == 0)
            ticks[left + 0.75] = f"{_LABELS[direction]}\npaper"
    axes.set_xticks(list(ticks), list(ticks.values()))
    _finish(axes, "share of the direction's CPU time (%)", title or "Layers in TX and RX")
    style.stamp(figure, origin, shares["run"].nunique(), note="bar: median, line: 95 % interval")
    return figure


def phases_figure(
    shares: pd.DataFrame, paper: Mapping[str, float], *, origin: str, title: str = ""
) -> Figure:
    """Figure 1b: the phases of TCP's receive work beside the paper's.

    shares: columns run, phase, share (0 to 1; one row a run and phase). paper:
    phase to share in the paper. Bars are medians over runs with their 95 %
    bootstrap intervals.
    """
    _need(shares, ("run", "phase", "share"))
    style.apply()
    phases = [phase for phase in PHASE_COLOURS if (shares["phase"] == phase).any()]
    estimates = _estimates(shares, "phase", phases)
    figure, axes = plt.subplots(figsize=(5.6, 4.2))
    for place, phase in enumerate(phases):
        estimate = estimates[phase]
        axes.bar(place - 0.2, 100 * estimate.value, width=0.38, color=PHASE_COLOURS[phase])
        top = 100 * (estimate.high if np.isfinite(estimate.high) else estimate.value)
        axes.annotate(
            f"{100 * estimate.value:.0f}", (place - 0.2, top), xytext=(0, 4),
            textcoords="offset points", ha="center", fontsize="small",
        )  # fmt: skip
        _interval(axes, place - 0.2, estimate)
        if phase in paper:
            label = "paper" if not place else None
            bar = axes.bar(place + 0.2, 100 * paper[phase], label=label, **_PAPER_BAR)
            axes.bar_label(
                bar, [f"{100 * paper[phase]:.0f}"], padding=3, fontsize="small", color=style.PAPER
            )
    axes.set_xticks(range(len(phases)), phases)
    _finish(axes, "share of TCP's RX time (%)", title or "Phases of TCP's receive work")
    style.stamp(figure, origin, shares["run"].nunique(), note="bar: median, line: 95 % interval")
    return figure


def rule_figure(
    shares: pd.DataFrame, paper: float, *, origin: str, phase: str = "establishment"
) -> Figure:
    """How one phase's share moves with rule, set-up and response size.

    shares: columns run, variant, setup, response_bytes, share (0 to 1, of the
    phase). paper: the share in the paper. One row of points a rule and set-up,
    one marker a response size; the line is the 95 % interval of the median.
    """
    _need(shares, ("run", "variant", "setup", "response_bytes", "share"))
    style.apply()
    groups = sorted({(row.variant, row.setup) for row in shares.itertuples()})
    sizes = sorted(shares["response_bytes"].unique())
    colours = dict(zip(sizes, _ramp(len(sizes)), strict=True))
    figure, axes = plt.subplots(figsize=(7.2, 1.4 + 0.42 * len(groups)))
    for row, (variant, setup) in enumerate(reversed(groups)):
        for step, size in enumerate(sizes):
            part = shares[
                (shares["variant"] == variant)
                & (shares["setup"] == setup)
                & (shares["response_bytes"] == size)
            ]
            if part.empty:
                continue
            estimate = median_interval(part["share"].to_numpy())
            height = row + 0.24 * (step / max(1, len(sizes) - 1) - 0.5)
            low, high = 100 * estimate.low, 100 * estimate.high
            axes.plot([low, high], [height, height], color=colours[size], linewidth=2)
            axes.plot(100 * estimate.value, height, "o", color=colours[size], markersize=7)
    for size in sizes:
        axes.plot([], [], "o-", color=colours[size], label=f"{size:,} B")
    axes.axvline(
        100 * paper, color=style.PAPER, linestyle="--", label=f"paper: {100 * paper:.0f} %"
    )
    axes.set_yticks(range(len(groups)), [f"{v}, {s}" for v, s in reversed(groups)])
    axes.set_xlabel(f"{phase}: share of TCP's RX time (%)")
    axes.set_xlim(0, 100)
    axes.set_title(f"What the rule and the set-up do to '{phase}'")
    axes.legend(title="response size", loc="center left", bbox_to_anchor=(1, 0.5))
    runs = shares.groupby(["setup", "response_bytes"])["run"].nunique()
    least, most = int(runs.min()), int(runs.max())
    count = str(least) if least == most else f"{least} to {most}"
    style.stamp(figure, origin, f"{count} a point", note="point: median, line: 95 % interval")
    return figure


def _need(shares: pd.DataFrame, columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in shares.columns]
    if absent:
        raise UsageError(f"figure 1: the table of shares lacks the column {absent[0]}")
    if shares.empty:
        raise UsageError("figure 1: the table of shares has no rows")


def _estimates(shares: pd.DataFrame, part: str, names: Sequence[str]) -> dict[str, Estimate]:
    """Median and interval over runs for each name; a run without a row of it counts as zero."""
    wide = shares.pivot_table(index="run", columns=part, values="share", aggfunc="sum")
    wide = wide.reindex(columns=list(names)).fillna(0.0)
    return {name: median_interval(wide[name].to_numpy()) for name in names}


def _stack(axes: Axes, place: float, estimates: Mapping[str, Estimate], *, label: bool) -> None:
    # Medians of parts need not add up to the whole; scaled, the bar is 100 % again.
    whole = sum(estimate.value for estimate in estimates.values()) or 1.0
    bottom = 0.0
    for name, hatch in zip(_FROM_THE_FOOT, _HATCHES, strict=True):
        height = 100 * estimates[name].value / whole
        bar = axes.bar(
            place, height, bottom=bottom, width=0.6, color=LAYER_COLOURS[name], hatch=hatch,
            edgecolor="white", linewidth=0.8, label=_LABELS.get(name, name) if label else None,
        )  # fmt: skip
        if height >= 4:
            axes.bar_label(
                bar, [f"{height:.0f}"], label_type="center", fontsize="small",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        bottom += height
    _interval(axes, place, estimates["tcp"])


def _paper_stack(axes: Axes, place: float, tcp: float, *, label: bool) -> None:
    """The paper's bar: its text gives TCP's share and no other."""
    bar = axes.bar(place, 100 * tcp, label="TCP, paper" if label else None, **_PAPER_BAR)
    axes.bar_label(
        bar, [f"{100 * tcp:.0f}"], label_type="center", fontsize="small", color=style.PAPER
    )
    rest = "rest, not in its text" if label else None
    axes.bar(
        place, 100 - 100 * tcp, bottom=100 * tcp, width=_PAPER_BAR["width"], facecolor="none",
        edgecolor=style.GREYS["light"], linewidth=1.2, linestyle=":", label=rest,
    )  # fmt: skip


def _interval(axes: Axes, place: float, estimate: Estimate) -> None:
    if np.isfinite(estimate.low):
        middle = 100 * estimate.value
        reach = [[middle - 100 * estimate.low], [100 * estimate.high - middle]]
        axes.errorbar(
            [place], [middle], yerr=reach, color="black", capsize=4, linewidth=1.6, zorder=5
        )


def _finish(axes: Axes, label: str, title: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, 100)
    axes.set_title(title)
    axes.grid(visible=False, axis="x")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _ramp(count: int) -> list[str]:
    colours = [style.PALETTE[name] for name in ("sky", "blue", "green", "purple", "black")]
    return [colours[index % len(colours)] for index in range(count)]
