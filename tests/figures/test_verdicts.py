from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from faltcon.errors import UsageError
from faltcon.figures.verdicts import paper_and_ours

ROWS = pd.DataFrame(
    {
        "label": ["a (1)", "b (2)"],
        "paper": [46.0, 75.0],
        "ours": [37.4, 75.1],
        "low": [36.1, float("nan")],
        "high": [39.9, float("nan")],
        "verdict": ["not reproduced", "partly"],
    }
)


def test_paper_and_ours__draws_each_number_where_it_belongs() -> None:
    figure = paper_and_ours(ROWS, origin="measured-here", n=10)
    axes = figure.axes[0]
    ours = [list(line.get_xdata()) for line in axes.lines]
    assert [37.4] in ours
    assert [36.1, 39.9] in ours
    assert [46.0, 75.0] in ours
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a (1)", "b (2)"]
    # The first claim stands at the top.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    plt.close(figure)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS.drop(columns="paper"), "lacks the column paper"),
        (ROWS.iloc[:0], "no rows"),
        (ROWS.assign(verdict="perhaps"), "perhaps"),
    ],
)
def test_paper_and_ours__bad_tables_are_refused(rows: pd.DataFrame, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        paper_and_ours(rows, origin="measured-here", n=1)
