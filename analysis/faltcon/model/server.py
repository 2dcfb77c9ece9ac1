"""The control path of Figure 2b: one method for each thing that happens to a handshake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import UsageError
from faltcon.model import state
from faltcon.model.archive import Archive, Node
from faltcon.model.counters import Counters
from faltcon.model.keeper import FStructKeeper
from faltcon.model.policy import Counted, Policy
from faltcon.model.state import FKey, FRequestSock, FSynack, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Request", "Server"]


@dataclass(slots=True, eq=False)
class Request:
    """A connection request from its SYN until its last reference is dropped.

    node: the node it remembers, None on the stock path. synacks: what the
    device still holds; each holds a reference to the request.
    """

    key: FKey
    syn: Segment
    node: Node | None
    sock: FRequestSock
    synacks: list[FSynack]
    released: bool = False


NO_DETAIL = Segment()


class Server:
    """A server with FALTCON on `cpus` CPUs. Times are integers (ns) that never run backwards.

    Methods raise UsageError for events that no kernel could meet: a time before
    the last one, an unknown CPU, a request that is used after its release.
    """

    def __init__(self, policy: Policy | None = None, cpus: int = 1) -> None:
        if cpus < 1:
            raise UsageError(f"a server with {cpus} CPUs serves nobody; name 1 or more")
        self.policy = policy if policy is not None else Policy()
        self.cpus = cpus
        self.counters = Counters()
        self.archive = Archive(cpus)
        self.keeper = FStructKeeper(self.policy, self.archive, self.counters)
        self.now = 0

    def syn(self, now: int, key: FKey, cpu: int = 0, syn: Segment = NO_DETAIL) -> Request:
        """A SYN arrives: look up, then pull or allocate (steps 1 to 5 of Figure 2b)."""
        self._at(now, cpu)
        self.counters.lookups += 1
        node = self.archive.f_lookup(cpu, key)
        if node is not None:
            self.keeper.roll(node, now)
        if self.policy.counted is Counted.SYN:
            node = self.keeper.count_connection(node, key, cpu, now)
        sock = self._take_request_sock(node, key, syn)
        request = Request(key, syn, node, sock, [])
        if node is not None:
            self.keeper.request_begins(node)
        request.synacks.append(self._take_synack(request, now))
        return request

    def synack_again(self, now: int, request: Request, cpu: int = 0) -> None:
        """The SYNACK is sent once more, as a buffer of its own (its timer has run out)."""
        self._at(now, cpu, request)
        request.synacks.append(self._take_synack(request, now))

    def synack_sent(self, now: int, request: Request, cpu: int = 0) -> None:
        """The device gives the oldest SYNACK back: keep it or free it (step 7)."""
        self._at(now, cpu, request)
        if not request.synacks:
            raise UsageError("the device holds no SYNACK of this request; it has given all back")
        skb = request.synacks.pop(0)
        if request.node is not None:
            self.keeper.keep_synack(request.node, skb)

    def established(self, now: int, request: Request, cpu: int = 0) -> None:
        """The handshake's ACK is accepted (step 6): the f-struct keeper counts (3.1.1)."""
        self._at(now, cpu, request)
        node = self.archive.f_lookup(cpu, request.key)
        if node is not None:
            self.keeper.roll(node, now)
        if self.policy.counted is Counted.ESTABLISHED:
            self.keeper.count_connection(node, request.key, cpu, now)

    def release(self, now: int, request: Request, cpu: int = 0) -> None:
        """The last reference is dropped (accepted, reset, timed out): keep or free (step 7)."""
        self._at(now, cpu, request)
        if request.synacks:
            raise UsageError("a SYNACK in the device holds a reference; give it back first")
        request.released = True
        node = request.node
        if node is None or not node.in_archive:
            return
        if cpu != node.cpu:
            # Lists are touched by their own CPU alone (3.3), so the request travels.
            self.counters.went_home += 1
        self.keeper.keep(node, request.sock)
        self.keeper.request_ends(node)

    def timer(self, now: int) -> None:
        """The one global timer fires (3.1.2)."""
        self._at(now, 0)
        self.keeper.eliminate(now)

    def kept(self, key: FKey) -> Sequence[int]:
        """Requests kept for this f-key, by CPU."""
        nodes = (table.get(key) for table in self.archive.tables)
        return [0 if node is None else len(node.request_socks) for node in nodes]

    def _take_request_sock(self, node: Node | None, key: FKey, syn: Segment) -> FRequestSock:
        """f_pull, or allocation by the f-struct keeper; then the f-state keeper's part."""
        sock = self.archive.f_pull(node) if node is not None else None
        if sock is not None:
            self.counters.hits += 1
            self.counters.pulls += 1
            self.counters.objects -= 1
        else:
            self.counters.misses += 1
            self.counters.requests_made += 1
        if sock is not None and self.policy.f_state_keeper:
            state.renew_request_sock(sock, syn)
            self._note_states(FRequestSock, reused=True)
            return sock
        sock = sock if sock is not None else FRequestSock()
        state.initialise_request_sock(sock, key, syn)
        self._note_states(FRequestSock, reused=False)
        return sock

    def _take_synack(self, request: Request, now: int) -> FSynack:
        """The same for the SYNACK."""
        node = request.node
        if node is not None and not node.in_archive:
            node = None
        skb = self.archive.f_pull_synack(node) if node is not None else None
        if skb is not None:
            self.counters.skb_pulls += 1
            self.counters.synacks -= 1
        else:
            self.counters.synacks_made += 1
        if skb is not None and self.policy.f_state_keeper:
            state.renew_synack(skb, request.syn, now)
            self._note_states(FSynack, reused=True)
            return skb
        skb = skb if skb is not None else FSynack()
        state.initialise_synack(skb, request.key, request.syn, now)
        self._note_states(FSynack, reused=False)
        return skb

    def _note_states(self, kind: type[FRequestSock | FSynack], *, reused: bool) -> None:
        self.counters.states_set += len(state.NOT_REUSABLE[kind])
        if reused:
            self.counters.states_reused += len(state.REUSABLE[kind])
        else:
            self.counters.states_set += len(state.REUSABLE[kind])

    def _at(self, now: int, cpu: int, request: Request | None = None) -> None:
        if now < self.now:
            raise UsageError(f"an event at {now} ns follows one at {self.now} ns; sort them")
        if not 0 <= cpu < self.cpus:
            raise UsageError(f"there is no CPU {cpu}; the server has {self.cpus}, from 0 on")
        if request is not None and request.released:
            raise UsageError("this request has been released; nothing more can happen to it")
        self.now = now
