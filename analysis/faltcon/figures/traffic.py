"""Figures of the chapter on repetition in HTTP traffic. Tables in, figures out.

Source: section 2.2.1 of the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from faltcon.figures import style

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "connections_per_page",
    "f_pairs_by_threshold",
    "lorenz",
    "single_transaction_shares",
    "transactions_per_connection",
]

WIDTH_IN = 6.4
# Told apart without a yellow that white paper swallows.
_COLOURS = [style.PALETTE[n] for n in ("blue", "orange", "green", "purple", "sky", "vermilion")]
_COUNTS = {"established": "established connections", "syn": "SYNs"}


def _axes(origin: str, height_in: float = 3.6, *, note: str = "") -> tuple[Figure, Axes]:
    """An empty figure whose foot says where its data comes from."""
    style.apply()
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    style.stamp(figure, origin, note=note)
    return figure, figure.subplots()


def _palette(count: int) -> list[str]:
    """Colours for so many groups; from the seventh on they come again."""
    return [_COLOURS[place % len(_COLOURS)] for place in range(count)]


def _legend_above(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend over the picture, where it hides nothing, without the column's own name."""
    legend = axes.get_legend()
    if legend is None:
        return
    texts = [text.get_text() for text in legend.get_texts()]
    handles = [handle for handle in legend.legend_handles if handle is not None]
    legend.remove()
    figure.legend(handles, texts, loc="outside upper left", ncols=columns, fontsize="small")


def transactions_per_connection(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Share of connections that carry at most so many transactions, a curve a variant.

    `frame`: a row a connection; columns `variant` (string) and `transactions`
    (count, at least 1). `origin` is printed below.
    """
    figure, axes = _axes(origin)
    groups = frame["variant"].nunique()
    sns.ecdfplot(data=frame, x="transactions", hue="variant", palette=_palette(groups), ax=axes)
    _legend_above(figure, axes, 3)
    if len(frame) and frame["transactions"].max() > 20:
        axes.set_xscale("log")
    axes.set(xlabel="HTTP transactions in a connection", ylabel="share of connections")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def single_transaction_shares(
    frame: pd.DataFrame, paper: Mapping[str, float], *, origin: str
) -> Figure:
    """Share of connections with a single transaction: ours as bars, the paper's as lines.

    `frame`: a row a variant; columns `variant`, `share`, `low`, `high` (shares
    in 0..1, with an interval; no line is drawn for one without width). `paper`:
    label to the paper's share.
    """
    figure, axes = _axes(origin, 1.5 + 0.34 * len(frame))
    places = np.arange(len(frame))[::-1]
    axes.barh(places, frame["share"], height=0.7, color=style.PALETTE["blue"], label="_ours")
    columns = (frame[name].astype(float) for name in ("share", "low", "high"))
    for place, share, low, high in zip(places, *columns, strict=True):
        if high > low:
            axes.plot([low, high], [place, place], color="black", linewidth=1.6)
        # A bar of nothing cannot be seen, so each share is also written.
        axes.annotate(
            f"{share:.0%}",
            (max(share, high), float(place)),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    for label, share in paper.items():
        axes.axvline(share, color=style.PAPER, linestyle="--", linewidth=1.4)
        axes.annotate(
            label,
            (share, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize="small",
            color=style.PAPER,
        )
    axes.set_yticks(places, list(frame["variant"]), fontsize="small")
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="connections with one transaction", xlim=(0, 1.1))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def connections_per_page(frame: pd.DataFrame, *, origin: str) -> Figure:
    """TCP connections that a browser opened for a page, a point a page load.

    `frame`: a row a page load; columns `variant`, `page` and `connections`. The
    point is the median, the line goes from the least to the most.
    """
    figure, axes = _axes(origin, note="point: median of the visits, line: all of them")
    groups = frame["variant"].nunique()
    sns.pointplot(
        data=frame,
        x="page",
        y="connections",
        hue="variant",
        palette=_palette(groups),
        dodge=0.3 if groups > 1 else False,
        linestyle="none",
        estimator="median",
        errorbar=("pi", 100),
        ax=axes,
    )
    axes.set(xlabel="page", ylabel="TCP connections")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(figure, axes, 3)
    return figure


def f_pairs_by_threshold(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Number of f-pairs as the threshold `k_t` grows: a panel a count, a line a kind of window.

    `frame`: columns `k_t`, `f_pairs`, `window_kind`, `count`. Lines of different
    counts often lie on each other, so each count has a panel.
    """
    style.apply()
    counts = [count for count in _COUNTS if (frame["count"] == count).any()]
    figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
    style.stamp(figure, origin)
    panels = figure.subplots(1, max(len(counts), 1), sharey=True, squeeze=False)[0]
    looks = zip(_COLOURS, "o^s", ("-", "--", ":"), strict=False)
    kinds = list(zip(sorted(frame["window_kind"].unique()), looks, strict=False))
    for axes, count in zip(panels, counts, strict=False):
        for kind, (colour, marker, line) in kinds:
            part = frame[(frame["count"] == count) & (frame["window_kind"] == kind)]
            axes.plot(
                part["k_t"],
                part["f_pairs"],
                color=colour,
                marker=marker,
                markersize=5,
                linestyle=line,
                label=f"{kind} window",
            )
        axes.set_title(f"counting {_COUNTS[count]}", fontsize="small", fontweight="normal")
        axes.set_xlabel("threshold $k_t$")
    panels[0].set(ylabel="f-pairs")
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    if counts:
        panels[0].legend(fontsize="small")
    return figure


def lorenz(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Lorenz curve: how unevenly connections spread over f-keys; the diagonal is evenly.

    `frame`: columns `f_keys_share` and `connections_share`, both from 0 to 1.
    """
    figure, axes = _axes(origin)
    axes.plot(frame["f_keys_share"], frame["connections_share"], color=_COLOURS[0])
    axes.plot([0, 1], [0, 1], color=style.GREYS["dark"], linestyle="--", linewidth=1)
    axes.set(xlabel="share of f-keys, least repeated first", ylabel="share of connections")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure
