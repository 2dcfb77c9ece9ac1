"""The FALTCON archive (section 3.3): a hash table for each CPU, its nodes lists of objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faltcon.model.state import FKey, FRequestSock, FSynack
    from faltcon.model.window import Window

__all__ = ["Archive", "Node"]


@dataclass(slots=True, eq=False)
class Node:
    """One f-key on one CPU: a candidate, or an f-pair with its kept objects.

    Fields as in `kernel/policy.md`. `counting` is the window that connections
    are counted in: the node's own or, counted globally, one for all CPUs.
    """

    key: FKey
    cpu: int
    window: Window
    counting: Window
    requests: int = 0
    last_established: int = 0
    established_since_timer: int = 0
    is_f_pair: bool = False
    in_archive: bool = True
    request_socks: list[FRequestSock] = field(default_factory=list)
    synacks: list[FSynack] = field(default_factory=list)


class Archive:
    """The archives of all CPUs. Only the timer looks at more than one of them."""

    def __init__(self, cpus: int) -> None:
        self.tables: list[dict[FKey, Node]] = [{} for _ in range(cpus)]
        self.nodes = 0

    def f_lookup(self, cpu: int, key: FKey) -> Node | None:
        """The node of this f-key on this CPU (step 3 of Figure 2b)."""
        return self.tables[cpu].get(key)

    def f_pull(self, node: Node) -> FRequestSock | None:
        """Take the request kept last, if one is kept (step 4 of Figure 2b)."""
        return node.request_socks.pop() if node.request_socks else None

    def f_pull_synack(self, node: Node) -> FSynack | None:
        """Take the SYNACK kept last, if one is kept (step 4 of Figure 2b)."""
        return node.synacks.pop() if node.synacks else None

    def f_push(self, node: Node, sock: FRequestSock) -> None:
        """Put a request into its node's list (step 7 of Figure 2b)."""
        node.request_socks.append(sock)

    def f_push_synack(self, node: Node, skb: FSynack) -> None:
        """Put a SYNACK into its node's list (step 7 of Figure 2b)."""
        node.synacks.append(skb)

    def add(self, node: Node) -> None:
        """Hang a node into its CPU's table."""
        self.tables[node.cpu][node.key] = node
        self.nodes += 1

    def remove(self, node: Node) -> None:
        """Take a node out; requests that remember it see that it is gone."""
        del self.tables[node.cpu][node.key]
        node.in_archive = False
        self.nodes -= 1

    def __iter__(self) -> Iterator[Node]:
        """All nodes; a list of them is walked, so that they may be removed meanwhile."""
        for table in self.tables:
            yield from list(table.values())
