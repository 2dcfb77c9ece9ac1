"""The f-struct keeper (section 3.1): whom to keep for, how much to keep, whom to eliminate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.model.archive import Archive, Node
from faltcon.model.policy import Eliminate, Policy, Scope
from faltcon.model.window import Window

if TYPE_CHECKING:
    from faltcon.model.counters import Counters
    from faltcon.model.state import FKey, FRequestSock, FSynack

__all__ = ["FStructKeeper"]


class FStructKeeper:
    """Keeping and elimination policy over one archive."""

    def __init__(self, policy: Policy, archive: Archive, counters: Counters) -> None:
        self.policy = policy
        self.archive = archive
        self.counters = counters
        self._shared: dict[FKey, Window] = {}
        self._nodes_of: dict[FKey, int] = {}

    def roll(self, node: Node, now: int) -> None:
        """Let a new window begin where one is due (3.1.1)."""
        node.window.roll(now, node.requests)
        if node.counting is not node.window:
            node.counting.roll(now, 0)

    def count_connection(self, node: Node | None, key: FKey, cpu: int, now: int) -> Node | None:
        """Count a connection; more than k_t in a window make an f-pair (3.1.1).

        node: what f_lookup found, already rolled. Returns the node of the pair,
        which may be new, or None when the archive is full.
        """
        if node is None:
            node = self._make_candidate(key, cpu, now)
            if node is None:
                return None
        node.counting.add(now)
        node.last_established = now
        node.established_since_timer += 1
        if node.counting.count > self.policy.k_t and not node.is_f_pair:
            node.is_f_pair = True
            self.counters.f_pairs += 1
            self.counters.f_pairs_made += 1
        return node

    def _make_candidate(self, key: FKey, cpu: int, now: int) -> Node | None:
        if self.archive.nodes >= self.policy.max_pairs:
            self.counters.drops_max_pairs += 1
            return None
        own = Window(self.policy, now)
        counting = own
        if self.policy.scope is Scope.GLOBAL:
            counting = self._shared.setdefault(key, Window(self.policy, now))
            counting.roll(now, 0)
            self._nodes_of[key] = self._nodes_of.get(key, 0) + 1
        node = Node(key, cpu, own, counting)
        self.archive.add(node)
        self.counters.nodes += 1
        self.counters.nodes_peak = max(self.counters.nodes_peak, self.counters.nodes)
        return node

    def request_begins(self, node: Node) -> None:
        """One more request of this node is alive."""
        node.requests += 1
        node.window.observe(node.requests)

    def request_ends(self, node: Node) -> None:
        """One request of this node less is alive."""
        node.requests -= 1

    def keep(self, node: Node, sock: FRequestSock) -> bool:
        """Keep a request that would be freed, if the keeping policy wants it (3, 3.1.1)."""
        if not self._wants(node, len(node.request_socks), self.counters.objects):
            return False
        self.archive.f_push(node, sock)
        self.counters.pushes += 1
        self.counters.objects += 1
        self.counters.objects_peak = max(self.counters.objects_peak, self.counters.objects)
        return True

    def keep_synack(self, node: Node, skb: FSynack) -> bool:
        """Keep a SYNACK that would be freed, under the same limits on a list of its own."""
        if not self._wants(node, len(node.synacks), self.counters.synacks):
            return False
        self.archive.f_push_synack(node, skb)
        self.counters.skb_pushes += 1
        self.counters.synacks += 1
        return True

    def _wants(self, node: Node, kept: int, total: int) -> bool:
        return (
            node.in_archive
            and node.is_f_pair
            and kept < node.window.objects
            and total < self.policy.max_objects
        )

    def eliminate(self, now: int) -> None:
        """One firing of the global timer: drop who had no connection in its interval (3.1.2)."""
        for node in self.archive:
            if self._is_idle(node, now):
                self._remove(node)
            else:
                node.established_since_timer = 0

    def _is_idle(self, node: Node, now: int) -> bool:
        if self.policy.eliminate is Eliminate.AT_MOST_ONE:
            return node.established_since_timer <= 1
        return node.last_established <= now - self.policy.timer_ns

    def _remove(self, node: Node) -> None:
        self.archive.remove(node)
        counters = self.counters
        counters.nodes -= 1
        if node.is_f_pair:
            counters.f_pairs -= 1
            counters.f_pairs_eliminated += 1
        counters.objects -= len(node.request_socks)
        counters.synacks -= len(node.synacks)
        if self.policy.scope is Scope.GLOBAL:
            self._nodes_of[node.key] -= 1
            if not self._nodes_of[node.key]:
                del self._nodes_of[node.key], self._shared[node.key]
