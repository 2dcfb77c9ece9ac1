from __future__ import annotations

import base64
import json
import re

import altair as alt
import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltcon import book
from faltcon.errors import UsageError

mpl.use("Agg")

FOLDED = {"swapper;idle": 50, "lighttpd;write;tcp_sendmsg": 30, "lighttpd;read": 20}


def profile_of(view: book.View) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', view.html)
    assert found is not None
    return json.loads(found[1])


def drawing() -> mpl.figure.Figure:
    shown, axes = plt.subplots()
    axes.plot([1, 2, 3])
    return shown


def test_figure__is_complete_in_itself_and_says_where_it_comes_from() -> None:
    data = pd.DataFrame({"run": [1], "share": [0.5]})
    view = book.figure(drawing(), alt='A "line"', origin="Measured here, n = 3.", data=data)
    assert "http" not in re.sub(r"data:[^\"]*", "", view.html)
    assert 'alt="A &quot;line&quot;"' in view.html
    assert "Measured here, n = 3." in view.html
    csv = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"', view.html)
    assert csv is not None
    assert base64.b64decode(csv[1]).decode() == "run,share\n1,0.5\n"
    assert view.png is not None
    assert set(view._repr_mimebundle_()) == {"text/html", "text/plain", "image/png"}
    assert plt.get_fignums() == []


def test_figure__is_the_same_bytes_for_the_same_data() -> None:
    first, second = (book.figure(drawing(), alt="A line", origin="x").html for _ in range(2))
    assert first == second


def test_figure__needs_a_text_for_those_who_cannot_see_it() -> None:
    with pytest.raises(UsageError, match="alt"):
        book.figure(drawing(), alt=" ", origin="x")
    plt.close("all")


def test_chart__names_no_host_and_shows_its_numbers() -> None:
    data = pd.DataFrame({"x": [1, 2], "y": [3.0, 4.0]})
    chart = alt.Chart(data).mark_line().encode(x="x", y="y")
    view = book.chart(chart, alt="A line", origin="Calculated.", data=data)
    assert "cdn" not in view.html
    assert profile_of(view)["mark"]["type"] == "line"
    assert '<table class="faltcon-table">' in view.html


def test_chart__text_in_data_cannot_end_the_script() -> None:
    data = pd.DataFrame({"x": ["</script><b>"], "y": [1]})
    chart = alt.Chart(data).mark_bar().encode(x="x:N", y="y")
    view = book.chart(chart, alt="A bar", origin="x", data=data)
    assert "</script><b>" not in view.html
    assert "</script>" in json.dumps(profile_of(view)["datasets"])


def test_flamegraph__holds_every_sample() -> None:
    view = book.flamegraph(
        FOLDED, title="all", alt="A profile", origin="x", groups={"TCP": ["tcp_sendmsg"]}
    )
    profile = profile_of(view)
    name, total, children = profile["root"]
    assert profile["names"][name] == "all"
    assert total == 100
    assert sum(child[1] for child in children) == 100
    assert profile["hues"] == {"tcp_sendmsg": 0}


def test_flamegraph__stands_as_a_picture_until_the_script_draws() -> None:
    view = book.flamegraph(FOLDED, title="all", alt="A <profile>", origin="x", groups={})
    canvas = view.html.split('<div class="faltcon-canvas">')[1]
    assert canvas.startswith('<img src="data:image/png;base64,')
    assert 'alt="A &lt;profile&gt;"' in canvas
    assert view.png is not None
    assert view.png.startswith(b"\x89PNG")


@settings(max_examples=20)  # each one is drawn
@given(
    st.dictionaries(
        st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5).map(";".join),
        st.integers(1, 10**6),
        min_size=1,
        max_size=40,
    )
)
def test_flamegraph__joining_narrow_frames_loses_nothing(folded: dict[str, int]) -> None:
    def check(node: list) -> None:
        assert sum(child[1] for child in node[2]) <= node[1]
        for child in node[2]:
            check(child)

    root = profile_of(book.flamegraph(folded, title="t", alt="a", origin="o", groups={}))["root"]
    assert root[1] == sum(folded.values())
    assert sum(child[1] for child in root[2]) == root[1]
    check(root)


def test_flamegraph__refuses_nothing_and_too_many_colours() -> None:
    with pytest.raises(UsageError, match="at least one stack"):
        book.flamegraph({}, title="t", alt="a", origin="o", groups={})
    groups = {str(number): ["f"] for number in range(9)}
    with pytest.raises(UsageError, match="at most 8"):
        book.flamegraph(FOLDED, title="t", alt="a", origin="o", groups=groups)


def test_table__escapes_and_aligns() -> None:
    frame = pd.DataFrame(
        {"name": ["<b>"], "count": [12345], "share": [1 / 3], "link": ["<i>x</i>"]}
    )
    shown = book.table(frame, caption="A & B", digits=2, markup=["link"]).html
    assert "&lt;b&gt;" in shown
    assert '<td class="number">12\u202f345</td>' in shown
    assert '<td class="number">0.33</td>' in shown
    assert "<i>x</i>" in shown
    assert "<caption>A &amp; B</caption>" in shown
    assert '<th scope="row">' in shown


def test_table__a_missing_value_is_an_empty_cell() -> None:
    shown = book.table(pd.DataFrame({"a": [1.0, float("nan")], "b": ["x", None]})).html
    assert "nan" not in shown.lower()
    assert "None" not in shown


def test_view__two_add_up() -> None:
    assert (book.View("<p>a</p>") + book.View("<p>b</p>")).html == "<p>a</p><p>b</p>"


def test_numbers__stay_with_their_units() -> None:
    assert book.percent(0.4567, 1) == "45.7\u00a0%"
    assert book.count(1234567.4) == "1\u202f234\u202f567"
    assert book.interval([0.5]) == "50\u00a0%"
    assert book.interval([0.5, 0.5, 0.5]) == "50\u00a0% (50\u00a0to\u00a050)"
    assert book.counted(1, "run") == "1\u00a0run"
    assert book.counted(12345, "run") == "12\u202f345\u00a0runs"


def test_interval__has_the_decimals_that_show_it() -> None:
    assert book.interval([0.07, 0.0705, 0.071]) == "7.0\u00a0% (7.0\u00a0to\u00a07.1)"
    assert book.interval([0.070, 0.0701, 0.0702]) == "7.01\u00a0% (7.00\u00a0to\u00a07.02)"
    assert book.interval([0.06, 0.07, 0.08]) == "7\u00a0% (6\u00a0to\u00a08)"
    assert book.interval([0.07, 0.07000001, 0.07000002]).count("7.00") == 3
