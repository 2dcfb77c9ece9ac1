"""The look that all figures share, and the line under each that says where its data come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import seaborn as sns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GREYS", "PALETTE", "PAPER", "apply", "stamp"]

# Okabe and Ito's eight colours: told apart with every common colour blindness.
PALETTE = {
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "black": "#000000",
}
GREYS = {"dark": "#4D4D4D", "mid": "#8C8C8C", "light": "#D0D0D0"}
# What the paper reports is always drawn in this colour: vermilion, dark enough for text on white.
PAPER = "#B34E00"

_ORIGINS = {
    "measured-here": "measured for this book",
    "published": "published by others",
    "synthetic": "synthetic, not measured",
}


def apply() -> None:
    """Set the look for the figures made after this call.

    Figures stand on a white card, so that they read the same on a light and on
    a dark page.
    """
    sns.set_theme(context="notebook", style="whitegrid", palette=list(PALETTE.values()))
    mpl.rcParams.update(
        {
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "legend.frameon": False,
            "font.family": "DejaVu Sans",
            "svg.fonttype": "none",
            "svg.hashsalt": "faltcon",
        }
    )


def stamp(figure: Figure, origin: str, n: int | str | None = None, *, note: str = "") -> None:
    """Write under a figure where its data come from and how many repetitions it shows.

    origin: as in provenance.json (`measured-here`, `published`, `synthetic`), or
    words of the caller's. n: number of repetitions, or words such as `3 to 10`;
    None where nothing was repeated.
    """
    text = f"Data: {_ORIGINS.get(origin, origin)}"
    if n is not None:
        text = f"{text}; n = {n}"
    if note:
        text = f"{text}; {note}"
    figure.supxlabel(text, fontsize="x-small", color=GREYS["dark"], x=0.01, ha="left")
