from __future__ import annotations

import json

import perf_rendering as rendering
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.perf.breakdown import break_down, summary, weight_unit
from faltcon.perf.classify import Classifier
from faltcon.perf.report import notes, tables
from faltcon.perf.rules import load
from faltcon.perf.samples import Frame, Sample
from faltcon.perf.tables import (
    CLASSES,
    SAMPLES,
    classes_table,
    layer_shares,
    phase_shares,
    samples_table,
)

VARIANTS = list(load().variants)
POLL = "tcp_v4_do_rcv tcp_v4_rcv ip_rcv net_rx_action"
STACKS = {
    f"tcp_conn_request tcp_rcv_state_process {POLL}": 4,
    f"tcp_rcv_established {POLL}": 3,
    f"tcp_fin tcp_rcv_state_process {POLL}": 1,
    f"tcp_ack tcp_rcv_state_process {POLL}": 1,
    f"{POLL}": 2,
    "ip_rcv net_rx_action": 5,
    "tcp_sendmsg": 6,
    "ip_output __tcp_transmit_skb tcp_sendmsg": 2,
    "mystery": 1,
}


def sample(stack: str, period: int | None = 10, event: str = "cycles") -> Sample:
    frames = tuple(Frame(0, name, None, "[kernel.kallsyms]") for name in stack.split())
    return Sample("c", 1, 1, 0, 1.0, event, period, frames)


def made() -> list[Sample]:
    return [sample(stack) for stack, count in STACKS.items() for _ in range(count)]


def classifier(variant: str = "innermost") -> Classifier:
    return Classifier(load().variant(variant))


def test_break_down__sums() -> None:
    result = break_down(made(), classifier(), file="f")
    assert (result.samples, result.weight, result.weight_unit) == (25, 250, "cycles")
    assert result.by("direction") == {"rx": 160, "tx": 80, "none": 10}
    assert result.by("layer", "tx") == {"tcp": 60, "ip": 20}
    assert result.by("phase") == {
        "establishment": 40, "data": 30, "shutdown": 20, "shared": 20, "none": 140,
    }  # fmt: skip
    assert result.residual == {"mystery": 10}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("innermost", {"establishment": 4 / 9, "data": 3 / 9, "shutdown": 2 / 9}),
        (
            "shared-counted",
            {"establishment": 4 / 11, "data": 3 / 11, "shutdown": 2 / 11, "shared": 2 / 11},
        ),
        ("ack-as-data", {"establishment": 4 / 9, "data": 4 / 9, "shutdown": 1 / 9}),
        ("shared-and-ack-as-data", {"establishment": 4 / 11, "data": 6 / 11, "shutdown": 1 / 11}),
    ],
)  # fmt: skip
def test_phase_shares__by_variant(variant: str, expected: dict[str, float]) -> None:
    shares = break_down(made(), classifier(variant), file="f").phase_shares()
    assert shares == pytest.approx(expected)


def test_summary__names_every_denominator() -> None:
    document = json.loads(json.dumps(summary(break_down(made(), classifier(), file="f"))))
    assert document["tx"]["tcp"] == {"weight": 60, "share": 0.75, "of": "weight of tx samples"}
    assert document["rx"]["share"] == pytest.approx(160 / 250)
    assert document["layers"]["unclassified"]["weight"] == 10
    assert document["unclassified"]["innermost"] == {"mystery": 10}
    assert document["phases"]["establishment"]["share"] == pytest.approx(4 / 11)
    assert document["phases"]["establishment"]["share_by_rule"] == pytest.approx(4 / 9)
    assert document["backlog"]["tcp"]["share"] is None

    def shares(node: object) -> list[dict[str, object]]:
        if not isinstance(node, dict):
            return []
        own = [node] if "share" in node else []
        return own + [found for value in node.values() for found in shares(value)]

    assert all(isinstance(node["of"], str) for node in shares(document))


def test_break_down__takes_one_event_and_counts_the_others() -> None:
    mixed = [sample("tcp_sendmsg"), sample("tcp_sendmsg", event="faults"), sample("tcp_sendmsg")]
    result = break_down(mixed, classifier(), file="f")
    assert (result.event, result.samples, dict(result.other_events)) == ("cycles", 2, {"faults": 1})
    assert break_down(mixed, classifier(), file="f", event="faults").samples == 1


@pytest.mark.parametrize(
    ("event", "with_period", "unit"),
    [
        ("cpu-clock:uhH", True, "ns"),
        ("cpu-clock", False, "samples"),
        ("cycles:ppp", True, "cycles"),
        ("page-faults", True, "events"),
        (None, True, "events"),
    ],
)
def test_weight_unit(event: str | None, with_period: bool, unit: str) -> None:
    assert weight_unit(event, with_period=with_period) == unit


@given(made=st.lists(rendering.samples(), max_size=8), variant=st.sampled_from(VARIANTS))
def test_break_down__class_sums_equal_the_total(made: list[Sample], variant: str) -> None:
    result = break_down(made, classifier(variant), file="f")
    taken = [one for one in made if one.event == result.event]
    assert result.samples == len(taken)
    assert result.samples + result.other_events.total() == len(made)
    assert result.weight == sum(one.weight for one in taken)
    for part in ("direction", "layer", "phase"):
        assert result.by(part).total() == result.weight
    shares = result.phase_shares()
    assert not shares or sum(shares.values()) == pytest.approx(1)
    document = summary(result)
    layers = sum(entry["weight"] for entry in document["layers"].values())
    ways = ("tx", "rx", "backlog", "call", "deferred", "none")
    assert layers == sum(document[way]["weight"] for way in ways) == result.weight


def test_tables__follow_their_schemas() -> None:
    result = break_down(made(), classifier(), file="f")
    classes = classes_table([result, result])
    CLASSES.validate(classes)
    assert classes["weight"].sum() == 2 * result.weight
    assert classes["share"].sum() == pytest.approx(2)
    rows = samples_table([*made(), Sample("x", None, 2, None, None, None, None, ())], classifier())
    SAMPLES.validate(rows)
    assert len(rows) == 26
    assert rows["stack"].iloc[0].endswith("tcp_rcv_state_process;tcp_conn_request")
    assert rows["pid"].isna().sum() == 1


def test_tables__shares_of_runs() -> None:
    result = break_down(made(), classifier(), file="f")
    layers = layer_shares({"one": result, "two": result})
    sums = layers.groupby(["run", "direction"])["share"].sum()
    assert sums.to_numpy() == pytest.approx(1)
    phases = phase_shares({"one": result})
    assert dict(zip(phases["phase"], phases["share"], strict=True)) == result.phase_shares()


def test_report__shows_all_directions_and_the_residual() -> None:
    result = break_down(made(), classifier(), file="f")
    result.skipped["odd"] = 3
    document = summary(result)
    assert len(list(tables(document))) == 2
    text = "\n".join(str(note) for note in notes(document))
    assert "mystery" in text
    assert "skipped: 3 odd" in text
