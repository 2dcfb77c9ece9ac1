from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from faltcon.errors import UsageError
from faltcon.figures import fig4
from faltcon.stats import Estimate

SMALL = Estimate(0.05, 0.04, 0.06, 10)
ARGUMENT = fig4.Argument(
    measured={"level0": Estimate(0.0, -0.01, 0.01, 10), "level2": SMALL},
    papers={2: 0.19, 18: 0.09},
    mean=0.14,
    ceilings={"nginx": {"level 2": 0.02, "free": 0.07}, "smallest": {"level 2": 0.05, "free": 0.2}},
    dilution=pd.DataFrame(
        [("accept", 30_000.0, 0.05, 0.04, 0.06), ("nginx", 60_000.0, 0.02, 0.02, 0.03)],
        columns=["server", "cost", "gain", "low", "high"],
    ),
    saved=1500.0,
    bars=(fig4.Bar("asked", 6000, 11_000, papers=True), fig4.Bar("saved", 1500, 1500)),
    n="10 layouts",
)


def test_four_panels__measured_points_stand_at_one_core_and_the_papers_at_theirs() -> None:
    figure = fig4.four_panels(ARGUMENT, origin="measured-here")
    points, ceiling, dilution, absolute = figure.axes
    stars = [line for line in points.lines if line.get_label() == "paper"]
    assert list(stars[0].get_xdata()) == [2, 18]
    assert list(stars[0].get_ydata()) == [19, 9]
    ours = [line for line in points.lines if line.get_label() == "FALTCON (level 2)"]
    assert abs(float(next(iter(ours[0].get_xdata()))) - 1) < 0.1
    assert {t.get_text() for t in ceiling.texts} >= {"2.0", "7.0", "5.0", "20.0"}
    curve = dilution.lines[0]
    x, y = (list(map(float, v)) for v in (curve.get_xdata(), curve.get_ydata()))
    assert y[0] == pytest.approx(100 * 1500 / (1000 * x[0] - 1500))
    assert {t.get_text() for t in absolute.texts} == {"6.0 to 11.0", "1.5"}
    plt.close(figure)


def test_four_panels__what_it_cannot_draw_is_named() -> None:
    strange = fig4.Argument(**{**vars(ARGUMENT), "measured": {"level9": SMALL}})
    with pytest.raises(UsageError, match="level9"):
        fig4.four_panels(strange, origin="measured-here")
    with pytest.raises(UsageError, match="nothing"):
        fig4.four_panels(
            fig4.Argument(**{**vars(ARGUMENT), "measured": {}}), origin="measured-here"
        )


def test_sizes_figure__points_and_the_papers_line() -> None:
    figure = fig4.sizes_figure(
        {64: SMALL, 4096: Estimate(0.01, 0.0, 0.02, 3)}, (2048, 0.08), 4096, origin="measured-here"
    )
    axes = figure.axes[0]
    ours = next(line for line in axes.lines if str(line.get_label()).startswith("here"))
    assert list(ours.get_ydata()) == [5.0, 1.0]
    paper = next(line for line in axes.lines if line.get_label() == "paper")
    assert list(paper.get_ydata()) == [8.0, 8.0]
    plt.close(figure)
    with pytest.raises(UsageError):
        fig4.sizes_figure({}, (2048, 0.08), 4096, origin="measured-here")


def test_stages_figure__a_bar_for_each_stage_and_arm() -> None:
    table = pd.DataFrame({"stock": [4000.0, 100.0], "level2": [3000.0, 100.0]}, index=["a", "b"])
    figure = fig4.stages_figure({"nginx": table}, origin="measured-here", n="10 layouts")
    assert sorted(p.get_width() for p in figure.axes[0].patches) == [0.1, 0.1, 3.0, 4.0]
    plt.close(figure)
    with pytest.raises(UsageError):
        fig4.stages_figure({}, origin="measured-here", n="")
