"""What the chapter on the design is made of."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from faltcon import design, paths
from faltcon.errors import FormatError, InputError
from faltcon.model import FRequestSock, FSynack, Policy, state


def test_related_work__is_the_papers_table() -> None:
    frame = design.related_work().set_index("Work")
    assert len(frame) == 8
    assert list(frame.index)[:2] == ["FALTCON", "StackMap [15]"]
    control = frame[frame["Control path"] == "yes"]
    assert list(control.index) == ["FALTCON"]
    assert (frame["Approach"] == "Kernel-based").sum() == 5
    assert list(frame.index[frame["Remark"] != ""]) == ["FastSocket [12]", "SocksDirect [11]"]


def test_states__table_2_is_what_the_model_does() -> None:
    frame = design.states()
    assert frame.groupby("Structure")["Share (%)"].sum().tolist() == [100, 100]
    kinds = {"f_request_sock": FRequestSock, "f_SYNACK": FSynack}
    tables = {"reusable": state.REUSABLE, "not reusable": state.NOT_REUSABLE}
    for row in frame.to_dict("records"):
        named = {f.lstrip("_") for f in row["Fields that the paper names"].split(", ")}
        assert named <= set(tables[row["States"]][kinds[row["Structure"]]])


def test_walk__tells_what_the_model_does() -> None:
    frame = design.walk("0 CONNECT A 1\n1 CONNECT A 2\n2 CONNECT A 3\n60000 TIMER", k_t=0)
    told = frame["What FALTCON does"].tolist()
    assert told[:4] == [
        "f_lookup, new request, new SYNACK",
        "frees it",
        "counts, a candidate, now an f-pair",
        "frees it",
    ]
    assert told[8] == "f_lookup, f_pull: request, f_pull: SYNACK"
    assert told[-1] == "forgets 1"
    assert frame["Requests kept"].tolist()[-2:] == [1, 0]
    with pytest.raises(FormatError, match="no event NOPE"):
        design.walk("0 SYN A 1\n0 NOPE 1")


def test_window_counts__the_kinds_differ() -> None:
    frame = design.window_counts([0, 4, 6, 8], Policy(k_t=2))
    assert frame["Tumbling"].tolist() == ["1", "2", "1", "2"]
    assert frame["Sliding"].tolist() == ["1", "2", "2", "3: f-pair"]


def test_recorded__names_what_is_missing() -> None:
    with pytest.raises(InputError, match="no-such-recording"):
        design.recorded("no-such-recording")


def test_over_time__adds_up() -> None:
    trace = design.recorded("h1close-clients")
    frame = design.over_time(trace, Policy(k_t=0), 1, every_s=5)
    assert frame["time_s"].tolist() == [5 * row for row in range(len(frame))]
    assert frame["lookups"].is_monotonic_increasing
    assert frame["hit_share"].iloc[1:].between(0, 1).all()
    assert (frame["f_pairs"] <= frame["nodes"]).all()


@pytest.mark.parametrize("name", ["control-path-linux", "control-path-faltcon"])
def test_diagrams__have_words_for_who_cannot_see_them(name: str) -> None:
    file = paths.project_root() / "book" / "_diagrams" / f"{name}.svg"
    root = ET.fromstring(file.read_text("utf-8"))  # noqa: S314  a file of this project
    namespace = "{http://www.w3.org/2000/svg}"
    labels = root.attrib["aria-labelledby"].split()
    title, description = root.find(f"{namespace}title"), root.find(f"{namespace}desc")
    assert [title.attrib["id"], description.attrib["id"]] == labels
    assert root.attrib["role"] == "img"
    assert len(description.text) > 100
    numbers = "".join("".join(text.itertext()) for text in root.iter(f"{namespace}text"))
    assert all(number in numbers for number in "①②③④⑤⑥⑦")
