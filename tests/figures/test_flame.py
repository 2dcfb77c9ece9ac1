from __future__ import annotations

import io

from faltcon.figures import flame

NAMES = ["all", "a_function_with_a_name", "b", "tiny"]
TREE = [0, 1000, [[1, 600, [[2, 300, []]]], [2, 399, []], [3, 1, []]]]


def bars(figure) -> list[list[tuple[float, float]]]:
    """Left and right edge of each bar, a list a row."""
    (axes,) = figure.axes
    return [
        [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in row.get_paths()]
        for row in axes.collections
    ]


def test_icicle__width_is_weight_and_a_child_lies_under_its_parent() -> None:
    figure = flame.icicle(TREE, NAMES, ["red"] * 4)
    assert bars(figure) == [[(0, 1000)], [(0, 600), (600, 999)], [(0, 300)]]
    figure.savefig(io.BytesIO(), format="png")


def test_icicle__writes_names_where_they_fit() -> None:
    tree = [0, 1000, [[1, 100, []], [2, 900, []]]]
    (axes,) = flame.icicle(tree, NAMES, ["red"] * 4).axes
    written = [text.get_text() for text in axes.texts]
    assert written[0] == "all"
    assert written[1].startswith("a_func")
    assert written[1].endswith("…")
    assert written[2] == "b"


def test_icicle__each_frame_has_its_functions_colour() -> None:
    (axes,) = flame.icicle(TREE, NAMES, ["red", "lime", "blue", "red"]).axes
    second = axes.collections[1].get_facecolors()
    assert [tuple(colour[:3]) for colour in second] == [(0, 1, 0), (0, 0, 1)]
