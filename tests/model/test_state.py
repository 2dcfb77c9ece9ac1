from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from faltcon.model import FKey, FRequestSock, FSynack, Policy, Segment, Server, state

words = st.integers(0, 2**32 - 1)
segments = st.builds(Segment, st.integers(0, 65535), words, words)
keys = st.builds(
    FKey,
    st.just("tcp"),
    st.ip_addresses().map(str),
    st.ip_addresses().map(str),
    st.integers(0, 65535),
)


def test_table2__each_field_is_reusable_or_not() -> None:
    for kind in (FRequestSock, FSynack):
        names = {field.name for field in fields(kind)}
        assert set(state.REUSABLE[kind]) | set(state.NOT_REUSABLE[kind]) == names
        assert not set(state.REUSABLE[kind]) & set(state.NOT_REUSABLE[kind])


@given(keys, segments, segments, words)
def test_renew__a_kept_object_becomes_what_a_new_one_would_be(
    key: FKey, before: Segment, now: Segment, time: int
) -> None:
    kept, new = FRequestSock(), FRequestSock()
    state.initialise_request_sock(kept, key, before)
    state.renew_request_sock(kept, now)
    state.initialise_request_sock(new, key, now)
    assert kept == new
    kept_skb, new_skb = FSynack(), FSynack()
    state.initialise_synack(kept_skb, key, before, 0)
    state.renew_synack(kept_skb, now, time)
    state.initialise_synack(new_skb, key, now, time)
    assert kept_skb == new_skb


@given(keys, segments, segments)
def test_renew__sets_exactly_what_is_not_reusable(key: FKey, before: Segment, now: Segment) -> None:
    sock = FRequestSock()
    state.initialise_request_sock(sock, key, before)
    reusable = [getattr(sock, name) for name in state.REUSABLE[FRequestSock]]
    for name in state.NOT_REUSABLE[FRequestSock]:
        setattr(sock, name, "stale")
    state.renew_request_sock(sock, now)
    assert [getattr(sock, name) for name in state.REUSABLE[FRequestSock]] == reusable
    assert "stale" not in [getattr(sock, name) for name in state.NOT_REUSABLE[FRequestSock]]


def states(*, f_state_keeper: bool) -> tuple[int, int]:
    server = Server(Policy(k_t=0, f_state_keeper=f_state_keeper))
    key = FKey("tcp", "10.0.0.1", "10.0.1.1", 80)
    for now in range(3):
        request = server.syn(now, key)
        server.synack_sent(now, request)
        server.established(now, request)
        server.release(now, request)
    assert server.counters.hits == 1
    return server.counters.states_set, server.counters.states_reused


def test_f_state_keeper__off_sets_all_states_of_kept_objects_again() -> None:
    every = sum(len(fields(kind)) for kind in (FRequestSock, FSynack))
    reusable = sum(len(names) for names in state.REUSABLE.values())
    assert states(f_state_keeper=False) == (3 * every, 0)
    assert states(f_state_keeper=True) == (3 * every - reusable, reusable)
