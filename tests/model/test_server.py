from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from faltcon.errors import UsageError
from faltcon.model import (
    Counted,
    Eliminate,
    FKey,
    Policy,
    Request,
    Scope,
    Segment,
    Server,
    WindowKind,
)

KEY = FKey("tcp", "10.0.0.1", "10.0.1.1", 80)

policies = st.builds(
    Policy,
    k_t=st.integers(0, 3),
    window_ns=st.integers(1, 20),
    timer_ns=st.integers(1, 40),
    max_pairs=st.integers(0, 6),
    max_objects=st.integers(0, 6),
    window_kind=st.sampled_from(WindowKind),
    scope=st.sampled_from(Scope),
    counted=st.sampled_from(Counted),
    eliminate=st.sampled_from(Eliminate),
    f_state_keeper=st.booleans(),
)

segments = st.builds(Segment, st.integers(0, 65535), st.integers(0, 2**32 - 2))


class AnyTraffic(RuleBasedStateMachine):
    """Whatever happens, under any policy, the books balance."""

    fresh = Bundle("fresh")

    @initialize(policy=policies, cpus=st.integers(1, 3))
    def start(self, policy: Policy, cpus: int) -> None:
        self.server = Server(policy, cpus)
        self.now = 0
        self.alive: list[Request] = []

    @rule(passed=st.integers(0, 30))
    def wait(self, passed: int) -> None:
        self.now += passed

    @rule(client=st.integers(0, 3), cpu=st.integers(0, 2), syn=segments, target=fresh)
    def syn(self, client: int, cpu: int, syn: Segment) -> Request:
        key = FKey("tcp", f"10.0.0.{client}", "10.0.1.1", 80)
        request = self.server.syn(self.now, key, cpu % self.server.cpus, syn)
        assert request.sock.ir_rmt_port == syn.client_port
        assert request.sock.rcv_nxt == syn.sequence + 1
        assert request.sock.sk_daddr == key.client_ip
        self.alive.append(request)
        return request

    @rule(request=fresh)
    def again(self, request: Request) -> None:
        self.server.synack_again(self.now, request)

    @rule(request=fresh)
    def sent(self, request: Request) -> None:
        if request.synacks:
            self.server.synack_sent(self.now, request)

    @rule(request=fresh, cpu=st.integers(0, 2))
    def ack(self, request: Request, cpu: int) -> None:
        self.server.established(self.now, request, cpu % self.server.cpus)

    @rule(request=consumes(fresh), cpu=st.integers(0, 2), target=fresh)
    def release(self, request: Request, cpu: int) -> object:
        while request.synacks:
            self.server.synack_sent(self.now, request)
        self.server.release(self.now, request, cpu % self.server.cpus)
        self.alive.remove(request)
        return multiple()

    @rule()
    def timer(self) -> None:
        self.server.timer(self.now)

    @invariant()
    def books_balance(self) -> None:
        server = self.server
        counters, policy = server.counters, server.policy
        nodes = list(server.archive)
        assert counters.lookups == counters.hits + counters.misses
        assert counters.hits == counters.pulls
        assert counters.misses == counters.requests_made
        assert counters.nodes == server.archive.nodes == len(nodes)
        assert counters.nodes <= counters.nodes_peak <= policy.max_pairs
        assert counters.f_pairs == sum(node.is_f_pair for node in nodes)
        assert counters.f_pairs == counters.f_pairs_made - counters.f_pairs_eliminated
        assert counters.objects == sum(len(node.request_socks) for node in nodes)
        assert counters.synacks == sum(len(node.synacks) for node in nodes)
        assert counters.objects <= counters.objects_peak <= policy.max_objects
        assert counters.synacks <= policy.max_objects

    @invariant()
    def candidates_keep_nothing(self) -> None:
        for node in self.server.archive:
            assert node.is_f_pair or not (node.request_socks or node.synacks)

    @invariant()
    def nodes_know_their_requests(self) -> None:
        for node in self.server.archive:
            assert node.requests == sum(request.node is node for request in self.alive)
            assert node.requests <= node.window.peak_now

    @invariant()
    def no_object_is_in_two_places(self) -> None:
        kept = [id(sock) for node in self.server.archive for sock in node.request_socks]
        used = [id(request.sock) for request in self.alive]
        assert len(set(kept + used)) == len(kept) + len(used)
        kept = [id(skb) for node in self.server.archive for skb in node.synacks]
        used = [id(skb) for request in self.alive for skb in request.synacks]
        assert len(set(kept + used)) == len(kept) + len(used)


AnyTraffic.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase


def made_at_by_times_alone(policy: Policy, times: list[int]) -> int | None:
    """When an f-pair is made, from the times of its connections."""
    start, count = times[0], 0
    for now in times:
        if now - start >= policy.window_ns:
            start, count = now, 0
        count += 1
        if count > policy.k_t:
            return now
    return None


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=50).map(sorted),
    st.integers(0, 5),
    st.integers(1, 50),
)
def test_f_pair__is_made_when_a_count_of_times_says_so(
    times: list[int], k_t: int, window_ns: int
) -> None:
    policy = Policy(k_t=k_t, window_ns=window_ns)
    server = Server(policy)
    made_at = None
    for now in times:
        connect(server, now)
        if server.counters.f_pairs and made_at is None:
            made_at = now
    assert made_at == made_at_by_times_alone(policy, times)


def connect(server: Server, now: int, cpu: int = 0, key: FKey = KEY) -> None:
    request = server.syn(now, key, cpu)
    server.synack_sent(now, request, cpu)
    server.established(now, request, cpu)
    server.release(now, request, cpu)


def test_scope__global_counts_on_all_cpus() -> None:
    made = {}
    for scope in Scope:
        server = Server(Policy(k_t=2, scope=scope), cpus=4)
        for now in range(8):
            connect(server, now, now % 4)
        made[scope] = server.counters.f_pairs_made
    # Globally the third connection crosses, and each later one on its CPU.
    assert made == {Scope.CPU: 0, Scope.GLOBAL: 4}


def test_scope__global_count_ends_with_the_last_node() -> None:
    server = Server(Policy(k_t=1, scope=Scope.GLOBAL, window_ns=1000, timer_ns=10), cpus=2)
    connect(server, 0, 0)
    connect(server, 1, 1)
    assert server.counters.f_pairs_made == 1
    server.timer(20)
    assert server.counters.nodes == 0
    connect(server, 21, 0)
    assert server.counters.f_pairs_made == 1


def test_counted__syn_counts_what_is_never_established() -> None:
    for counted, made in ((Counted.SYN, 1), (Counted.ESTABLISHED, 0)):
        server = Server(Policy(k_t=2, counted=counted))
        for now in range(3):
            server.syn(now, KEY)
        assert server.counters.f_pairs_made == made


def test_eliminate__at_most_one_drops_a_pair_with_one_connection() -> None:
    for eliminate, left in ((Eliminate.NONE, 1), (Eliminate.AT_MOST_ONE, 0)):
        server = Server(Policy(k_t=0, timer_ns=10, eliminate=eliminate))
        connect(server, 1)
        connect(server, 2)
        server.timer(10)
        assert server.counters.f_pairs == 1
        connect(server, 11)
        server.timer(20)
        assert server.counters.f_pairs == left


def test_release__elsewhere_is_counted_as_going_home() -> None:
    server = Server(Policy(k_t=0), cpus=2)
    connect(server, 0)
    request = server.syn(1, KEY)
    server.synack_sent(1, request)
    server.release(2, request, cpu=1)
    assert server.counters.went_home == 1
    assert list(server.kept(KEY)) == [1, 0]


def test_events__impossible_ones_are_refused() -> None:
    server = Server(cpus=2)
    request = server.syn(5, KEY)
    with pytest.raises(UsageError, match="sort them"):
        server.syn(4, KEY)
    with pytest.raises(UsageError, match="there is no CPU 2"):
        server.syn(5, KEY, cpu=2)
    with pytest.raises(UsageError, match="give it back first"):
        server.release(5, request)
    server.synack_sent(5, request)
    with pytest.raises(UsageError, match="holds no SYNACK"):
        server.synack_sent(5, request)
    server.release(5, request)
    with pytest.raises(UsageError, match="has been released"):
        server.established(6, request)
    with pytest.raises(UsageError, match="serves nobody"):
        Server(cpus=0)


@pytest.mark.parametrize(
    "changes", [{"k_t": -1}, {"window_ns": 0}, {"timer_ns": -1}, {"max_objects": -1}], ids=str
)
def test_policy__refuses_nonsense(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes))):
        Policy(**changes)
