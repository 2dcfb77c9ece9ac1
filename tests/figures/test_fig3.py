from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from faltcon.errors import UsageError
from faltcon.figures import fig3
from faltcon.stats import Estimate

ARMS = {"stock": "Linux", "level2": "FALTCON"}
TABLE = pd.DataFrame(
    [
        (arm, layout, part, value + layout)
        for arm, values in {"stock": (100, 200, 0, 700), "level2": (20, 50, 60, 500)}.items()
        for part, value in zip(("request_sock", "synack", "faltcon", "others"), values, strict=True)
        for layout in (1, 2, 3)
    ],
    columns=["arm", "layout", "part", "instructions"],
)


def test_parts_figure__bars_add_up_to_the_medians() -> None:
    figure = fig3.parts_figure({"a": TABLE}, ARMS, unit="instructions", origin="measured-here")
    axes = figure.axes[0]
    tops = {text.get_position()[0]: text.get_text() for text in axes.texts}
    assert tops == {0: "1008", 1: "638"}
    heights = [patch.get_height() for patch in axes.patches]
    assert sum(heights) == pytest.approx(1008 + 638)
    plt.close(figure)


def test_parts_figure__what_it_cannot_draw_is_named() -> None:
    with pytest.raises(UsageError, match="level3"):
        fig3.parts_figure(
            {"a": TABLE}, {"level3": "x"}, unit="instructions", origin="measured-here"
        )
    strange = TABLE.assign(part="route")
    with pytest.raises(UsageError, match="route"):
        fig3.parts_figure({"a": strange}, ARMS, unit="instructions", origin="measured-here")


def test_changes_figure__each_estimate_with_its_interval_beside_the_papers() -> None:
    found = {"level 2": {"total": Estimate(-0.34, -0.36, -0.33, 10)}}
    figure = fig3.changes_figure(found, {"total": -0.31, "synack": -0.75}, origin="measured-here")
    lines = [[float(x) for x in line.get_xdata()] for line in figure.axes[0].lines]
    assert [-34.0] in lines
    assert [-36.0, -33.0] in lines
    assert [-31.0, -31.0] in lines
    assert [-75.0, -75.0] in lines
    plt.close(figure)


def test_levels_figure__one_row_an_arm_and_what_is_missing_is_named() -> None:
    labels = {"level1": "structures", "shared_level1": "structures, one lock"}
    found = {
        "minimal": {
            "level1": Estimate(-0.05, -0.06, -0.04, 10),
            "shared_level1": Estimate(-0.03, -0.04, -0.02, 10),
        },
        "debian": {"level1": Estimate(-0.07, -0.08, -0.06, 10)},
    }
    figure = fig3.levels_figure(found, labels, origin="measured-here")
    assert [text.get_text() for text in figure.axes[0].texts] == ["-5.0", "-3.0", "-7.0"]
    plt.close(figure)
    with pytest.raises(UsageError, match="level2"):
        fig3.levels_figure(found, labels | {"level2": "state"}, origin="measured-here")
