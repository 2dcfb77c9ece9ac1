"""A flame graph as a plain picture, for paper and for browsers without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from faltcon.figures import style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["icicle"]

WIDTH_IN = 8.0
ROW_IN = 0.19
SMALLEST_SHARE = 0.002
LETTER_IN = 0.065  # mean width of a letter at the size used
LEAST_LETTERS = 3


def icicle(root: Sequence[Any], names: Sequence[str], colours: Sequence[str]) -> Figure:
    """Draw a tree of samples: outermost functions above, width by weight.

    root: [index into names, weight, children], the children of the same shape.
    colours: one for each name. Frames under 0.2 % of all samples are left out,
    and a name is written where it fits.
    """
    style.apply()
    cells = list(_cells(root, 0, 0.0, SMALLEST_SHARE * root[1]))
    rows = 1 + max(row for row, _, _, _ in cells)
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * rows))
    figure.set_layout_engine("none")  # the frames fill the whole picture
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, root[1]), ylim=(rows, 0))
    axes.axis("off")
    for row in range(rows):
        mine = [(left, weight, name) for at, left, weight, name in cells if at == row]
        axes.broken_barh(
            [(left, weight) for left, weight, _ in mine],
            (row, 1),
            facecolors=[colours[name] for _, _, name in mine],
            edgecolor="white",
            linewidth=0.5,
        )
        for left, weight, name in mine:
            letters = int(WIDTH_IN * weight / root[1] / LETTER_IN)
            if letters >= LEAST_LETTERS:
                text = names[name] if len(names[name]) <= letters else names[name][: letters - 1]
                text = text if text == names[name] else f"{text}…"
                axes.text(
                    left + weight / 2, row + 0.5, text, ha="center", va="center", fontsize=6.5
                )
    return figure


def _cells(
    node: Sequence[Any], row: int, left: float, smallest: float
) -> Iterator[tuple[int, float, int, int]]:
    """(row, left edge, weight, name) of each frame that is wide enough."""
    yield row, left, node[1], node[0]
    for child in node[2]:
        if child[1] >= smallest:
            yield from _cells(child, row + 1, left, smallest)
        left += child[1]
