from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from faltcon.perf.export import d3_tree, speedscope

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(";".join)
STACKS = st.dictionaries(NAMES, st.integers(1, 100), max_size=8)


def leaves(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    children = node.get("children", [])
    own = node["value"] - sum(child["value"] for child in children)
    if own:
        yield ";".join(path), own
    for child in children:
        yield from leaves(child, (*path, child["name"]))


def test_d3_tree__shape() -> None:
    assert d3_tree({"a;b": 2, "a": 1, "c": 3}) == {
        "name": "all",
        "value": 6,
        "children": [
            {"name": "a", "value": 3, "children": [{"name": "b", "value": 2}]},
            {"name": "c", "value": 3},
        ],
    }


@given(stacks=STACKS)
def test_d3_tree__holds_the_folded_stacks(stacks: dict[str, int]) -> None:
    assert dict(leaves(d3_tree(stacks))) == stacks


def test_d3_tree__deep_stack() -> None:
    tree = d3_tree({";".join("f" * 5000): 1})
    assert tree["value"] == 1


@given(stacks=STACKS)
def test_speedscope__holds_the_folded_stacks(stacks: dict[str, int]) -> None:
    document = speedscope(stacks, "p", "ns")
    names = [frame["name"] for frame in document["shared"]["frames"]]
    [profile] = document["profiles"]
    found = {
        ";".join(names[index] for index in stack): weight
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert found == stacks
    assert profile["endValue"] == sum(stacks.values())
    assert profile["unit"] == "nanoseconds"
    assert speedscope(stacks, "p", "cycles")["profiles"][0]["unit"] == "none"
