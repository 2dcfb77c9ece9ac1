"""Figures of the chapter on repetition in HTTP traffic. Tables in, figures out.

Source: section 2.2.1 of the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "connections_per_page",
    "f_pairs_by_threshold",
    "single_transaction_shares",
    "transactions_per_connection",
]

PALETTE = "colorblind"
SIZE_IN = (6.4, 3.6)
PAPER_COLOUR = "0.35"


def _axes(origin: str) -> tuple[Figure, Axes]:
    """An empty figure whose foot says where its data comes from."""
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    axes = figure.subplots()
    figure.supxlabel(f"data: {origin}", x=0.99, ha="right", fontsize="x-small", color=PAPER_COLOUR)
    return figure, axes


def transactions_per_connection(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Share of connections that carry at most so many transactions, a curve a variant.

    `frame`: a row a connection; columns `variant` (string) and `transactions`
    (count, at least 1). `origin` is printed below.
    """
    figure, axes = _axes(origin)
    sns.ecdfplot(data=frame, x="transactions", hue="variant", palette=PALETTE, ax=axes)
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
    in 0..1, with an interval). `paper`: label to the paper's share.
    """
    figure, axes = _axes(origin)
    places = np.arange(len(frame))
    errors = np.stack([frame["share"] - frame["low"], frame["high"] - frame["share"]])
    colours = sns.color_palette(PALETTE, max(len(frame), 1))
    axes.bar(places, frame["share"], yerr=errors, color=colours, capsize=3, label="_ours")
    for label, share in paper.items():
        axes.axhline(share, color=PAPER_COLOUR, linestyle="--", linewidth=1)
        axes.annotate(
            label,
            (1.0, share),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize="small",
            color=PAPER_COLOUR,
        )
    axes.set_xticks(places, list(frame["variant"]))
    axes.set(ylabel="connections with one transaction", ylim=(0, 1.05))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def connections_per_page(frame: pd.DataFrame, *, origin: str) -> Figure:
    """TCP connections that a browser opened for a page, a point a page load.

    `frame`: a row a page load; columns `variant`, `page` and `connections`.
    """
    figure, axes = _axes(origin)
    sns.pointplot(
        data=frame,
        x="page",
        y="connections",
        hue="variant",
        palette=PALETTE,
        dodge=0.3,
        linestyle="none",
        errorbar=("pi", 100),
        ax=axes,
    )
    axes.set(xlabel="page", ylabel="TCP connections")
    axes.set_ylim(bottom=0)
    return figure


def f_pairs_by_threshold(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Number of f-pairs as the threshold `k_t` grows, a line a kind of window and of count.

    `frame`: columns `k_t`, `f_pairs`, `window_kind`, `count`.
    """
    figure, axes = _axes(origin)
    sns.lineplot(
        data=frame,
        x="k_t",
        y="f_pairs",
        hue="window_kind",
        style="count",
        markers=True,
        palette=PALETTE,
        errorbar=None,
        ax=axes,
    )
    axes.set(xlabel="threshold $k_t$ (connections in a window)", ylabel="f-pairs")
    axes.set_ylim(bottom=0)
    return figure
