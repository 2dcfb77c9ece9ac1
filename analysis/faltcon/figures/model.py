"""Figures of the model: the design space, policies compared, archives over time, memory.

Tables in, figures out. Source: section 3 of the paper, played by
`faltcon.simulate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from faltcon.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["archive_over_time", "design_space", "memory_at_rates", "policies_compared"]

BLUE, VERMILION = style.PALETTE["blue"], style.PALETTE["vermilion"]
GREEN, GREY = style.PALETTE["green"], style.GREYS["dark"]
AXIS_NAMES = {
    "k_t": "threshold $k_t$",
    "window_s": "window (s)",
    "timer_s": "timer (s)",
    "cores": "cores",
    "max_objects": "most objects",
}


def _new(width_in: float, height_in: float, rows: int, columns: int) -> tuple[Figure, NDArray]:  # type: ignore[type-arg]
    style.apply()
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def design_space(frame: pd.DataFrame, *, origin: str) -> Figure:
    """One panel for each parameter: share of handshakes served, and objects kept, as it varies.

    `frame`: columns `varied`, `value`, `hit_share` (0..1), `objects_peak`
    (pieces), as `faltcon.simulate.sweep.one_at_a_time` makes it. The upper row
    shares its axis, so does the lower. A value that the others stand at is the
    one that the whole row has in common.
    """
    names = list(dict.fromkeys(frame["varied"]))
    figure, axes = _new(1.5 * len(names) + 1.0, 4.4, 2, len(names))
    top = max(float(frame["objects_peak"].max()), 1.0) * 1.08
    for column, name in enumerate(names):
        part = frame[frame["varied"] == name]
        places = np.arange(len(part))
        upper, lower = axes[0, column], axes[1, column]
        upper.plot(places, part["hit_share"], "o-", color=BLUE, markersize=4)
        lower.plot(places, part["objects_peak"], "s-", color=VERMILION, markersize=4)
        upper.set_ylim(0, 1.02)
        upper.yaxis.set_major_formatter(PercentFormatter(1.0))
        lower.set_ylim(0, top)
        lower.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        labels = [f"{value:g}" for value in part["value"]]
        for panel in (upper, lower):
            panel.set_xticks(places, labels, rotation=45, fontsize="x-small")
            panel.grid(visible=True, axis="y", linewidth=0.5, alpha=0.5)
            panel.tick_params(labelleft=column == 0)
        lower.set_xlabel(AXIS_NAMES.get(name, name))
    axes[0, 0].set_ylabel("handshakes served\nby f_pull")
    axes[1, 0].set_ylabel("objects kept\nat once (most)")
    style.stamp(figure, origin)
    return figure


def policies_compared(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Bars: share of handshakes that each policy serves with memory and with states used before.

    `frame`: columns `policy`, `memory_share`, `state_share` (0..1),
    `objects_peak`, as `faltcon.simulate.sweep.compare` makes it.
    """
    figure, axes = _new(6.4, 0.55 * len(frame) + 1.4, 1, 1)
    panel: Axes = axes[0, 0]
    places = np.arange(len(frame))[::-1]
    panel.barh(
        places + 0.19,
        frame["memory_share"],
        0.36,
        color=style.GREYS["light"],
        label="memory used before",
    )
    panel.barh(places - 0.19, frame["state_share"], 0.36, color=BLUE, label="states still right")
    for place, share in zip(places, frame["state_share"], strict=True):
        panel.annotate(
            f"{share:.1%}",
            (share, place - 0.19),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    labels = [
        f"{name}\n({peak:,} objects)"
        for name, peak in zip(frame["policy"], frame["objects_peak"], strict=True)
    ]
    panel.set_yticks(places, labels, fontsize="small")
    panel.set(xlim=(0, 1.12), xlabel="share of handshakes")
    panel.xaxis.set_major_formatter(PercentFormatter(1.0))
    panel.set_xticks(np.linspace(0, 1, 6))
    panel.grid(visible=False, axis="y")
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize="small")
    style.stamp(figure, origin)
    return figure


def archive_over_time(frame: pd.DataFrame, *, origin: str) -> Figure:
    """What the archive holds as time goes by, above; share of handshakes served, below.

    `frame`: columns `time_s`, `nodes`, `f_pairs`, `objects`, `synacks` (pieces)
    and `hit_share` (0..1, of the handshakes since the row before; missing where
    there were none).
    """
    figure, axes = _new(6.4, 4.4, 2, 1)
    held, served = axes[:, 0]
    for name, colour, dashes in (
        ("nodes", GREY, ":"),
        ("f_pairs", GREEN, "--"),
        ("objects", BLUE, "-"),
        ("synacks", VERMILION, "-."),
    ):
        held.step(
            frame["time_s"],
            frame[name],
            where="post",
            color=colour,
            linestyle=dashes,
            label=name.replace("_", "-"),
        )
    held.set(ylabel="in the archive\n(pieces)", ylim=(0, None))
    held.legend(frameon=False, fontsize="small", ncols=4, loc="lower right")
    served.plot(frame["time_s"], frame["hit_share"], color=BLUE)
    served.set(xlabel="time (s)", ylabel="handshakes served\nby f_pull", ylim=(0, 1.02))
    served.yaxis.set_major_formatter(PercentFormatter(1.0))
    style.stamp(figure, origin)
    return figure


def memory_at_rates(frame: pd.DataFrame, *, origin: str) -> Figure:
    """Most memory of the archive's nodes at several rates of connections.

    `frame`: columns `name`, `rate` (connections a second), `nodes_most_bytes`,
    as `faltcon.simulate.memory.at_rates` makes it.
    """
    figure, axes = _new(6.4, 3.6, 1, 1)
    panel: Axes = axes[0, 0]
    panel.loglog(frame["rate"], frame["nodes_most_bytes"], "o", color=BLUE)
    for name, rate, size in zip(
        frame["name"], frame["rate"], frame["nodes_most_bytes"], strict=True
    ):
        panel.annotate(
            str(name),
            (rate, size),
            xytext=(-6, 4),
            textcoords="offset points",
            ha="right",
            fontsize="small",
        )
    panel.yaxis.set_major_formatter(FuncFormatter(_bytes))
    panel.set(xlabel="new clients a second", ylabel="memory of nodes, at most")
    panel.margins(x=0.3, y=0.2)
    panel.grid(visible=True, linewidth=0.5, alpha=0.5)
    style.stamp(figure, origin)
    return figure


def _bytes(value: float, _place: int) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:g} {unit}"
        value /= 1000
    return f"{value:g} TB"
