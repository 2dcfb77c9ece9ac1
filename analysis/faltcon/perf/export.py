"""Folded stacks in the forms that viewers read: d3-flame-graph and speedscope JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["d3_tree", "speedscope"]

_SPEEDSCOPE_UNITS = {"ns": "nanoseconds"}


def d3_tree(stacks: Mapping[str, int], name: str = "all") -> dict[str, Any]:
    """Nested `{name, value, children}`: a node's value is its whole weight, own and below.

    stacks: folded stack to weight. Children stand in the order of their names.
    """
    root: dict[str, Any] = {"name": name, "value": 0, "children": {}}
    for stack, weight in stacks.items():
        node = root
        node["value"] += weight
        for part in stack.split(";"):
            node = node["children"].setdefault(part, {"name": part, "value": 0, "children": {}})
            node["value"] += weight
    waiting = [root]
    while waiting:  # a loop, because stacks may be deeper than Python's recursion
        node = waiting.pop()
        children = [node["children"][part] for part in sorted(node["children"])]
        if children:
            node["children"] = children
            waiting += children
        else:
            del node["children"]
    return root


def speedscope(stacks: Mapping[str, int], name: str, unit: str) -> dict[str, Any]:
    """A speedscope file of one sampled profile, heaviest stacks first.

    unit: `weight_unit` of the breakdown. Format: speedscope's
    file-format-schema (SampledProfile).
    """
    numbers: dict[str, int] = {}
    samples: list[list[int]] = []
    weights: list[int] = []
    for stack, weight in sorted(stacks.items(), key=lambda item: (-item[1], item[0])):
        samples.append([numbers.setdefault(part, len(numbers)) for part in stack.split(";")])
        weights.append(weight)
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "faltcon",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": part} for part in numbers]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": _SPEEDSCOPE_UNITS.get(unit, "none"),
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }
