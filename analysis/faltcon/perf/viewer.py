"""One HTML file with a flame graph in it: no network, no other file, as good from file://."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["page"]

# Narrower frames are joined into their parent: a browser could not show them.
_SMALLEST_SHARE = 0.0002


@dataclass
class _Node:
    value: float = 0
    change: float = 0
    children: dict[str, _Node] = field(default_factory=dict)


def page(
    stacks: Mapping[str, float],
    *,
    title: str,
    note: str,
    changes: Mapping[str, float] | None = None,
    marked: Collection[str] = (),
) -> bytes:
    """The file.

    stacks: folded stack to weight. note: a line under the graph. changes: for a
    comparison, folded stack to the change of its share (0 to 1) from the first
    set of recordings to the second. marked: names of frames whose change is
    beyond chance.
    """
    root = _Node()
    whole = sum(stacks.values())
    for stack, weight in stacks.items():
        change = 0.0 if changes is None else changes[stack]
        node = root
        node.value += weight
        node.change += change
        for part in stack.split(";"):
            node = node.children.setdefault(part, _Node())
            node.value += weight
            node.change += change
    names: dict[str, int] = {}
    packed = _packed("all", root, names, _SMALLEST_SHARE * whole, frozenset(marked))
    largest = max((abs(change) for change in _changes(root)), default=0.0)
    profile: dict[str, Any] = {"names": list(names), "root": packed}
    if changes is not None:
        profile["change"] = largest or 1.0
    # "</script>" inside a name would end the element; bytes that are no text get a mark.
    text = json.dumps(profile, ensure_ascii=False, separators=(",", ":")).replace("</", r"<\/")
    template = resources.files("faltcon.perf").joinpath("viewer.html").read_text("utf-8")
    before, after = template.split("@PROFILE@")
    before = before.replace("@TITLE@", html.escape(title)).replace("@NOTE@", html.escape(note))
    return (before + text + after).encode("utf-8", "replace")


def _changes(root: _Node) -> list[float]:
    found, waiting = [], list(root.children.values())
    while waiting:
        node = waiting.pop()
        found.append(node.change)
        waiting += node.children.values()
    return found


def _packed(
    name: str, root: _Node, names: dict[str, int], smallest: float, marked: frozenset[str]
) -> list[Any]:
    """[name, value, children, change, mark], deep stacks without recursion."""
    top: list[Any] = []
    waiting = [(name, root, top)]
    while waiting:
        name, node, into = waiting.pop()
        children: list[Any] = []
        number = names.setdefault(name, len(names))
        into.append([number, node.value, children, round(node.change, 6), int(name in marked)])
        wide = [one for one in node.children.items() if one[1].value >= smallest]
        # The last in is the first out, so the names come in their order.
        wide.sort(key=lambda one: one[0], reverse=True)
        waiting += [(part, child, children) for part, child in wide]
    packed: list[Any] = top[0]
    return packed
