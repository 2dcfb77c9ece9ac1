from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from faltcon.model import (
    Counted,
    Eliminate,
    FKey,
    Policy,
    Scope,
    WindowKind,
)
from faltcon.simulate.trace import NEVER, NO_END, Cpus, Trace

KEYS = [FKey("tcp", f"10.0.0.{client}", "10.0.1.1", 80) for client in range(4)]

# Small numbers everywhere, so that ties, full archives and window edges are common.
policies = st.builds(
    Policy,
    k_t=st.integers(0, 3),
    window_ns=st.integers(1, 12),
    timer_ns=st.integers(1, 25),
    max_pairs=st.integers(0, 6),
    max_objects=st.integers(0, 5),
    window_kind=st.sampled_from(WindowKind),
    scope=st.sampled_from(Scope),
    counted=st.sampled_from(Counted),
    eliminate=st.sampled_from(Eliminate),
    f_state_keeper=st.booleans(),
)
gaps = st.one_of(st.integers(0, 3), st.integers(0, 60))
rows = st.tuples(
    gaps, gaps, st.one_of(st.none(), gaps), gaps, st.integers(0, 3), st.integers(1, 65535)
)


@st.composite
def traces(draw: st.DrawFn, min_size: int = 0, max_size: int = 40) -> Trace:
    drawn = draw(st.lists(rows, min_size=min_size, max_size=max_size))
    syn = np.cumsum([row[0] for row in drawn], dtype=np.int64)
    sent = syn + np.array([row[1] for row in drawn], np.int64)
    wait = np.array([0 if row[2] is None else row[2] for row in drawn], np.int64)
    made = np.array([row[2] is not None for row in drawn], bool)
    ack = np.where(made, sent + wait, NEVER)
    release = sent + wait + np.array([row[3] for row in drawn], np.int64)
    key = np.array([row[4] for row in drawn], np.int32)
    port = np.array([row[5] for row in drawn], np.int32)
    end = draw(st.one_of(st.just(NO_END), st.integers(0, 500)))
    return Trace(syn, sent, ack, release, key, port, KEYS, end)


@st.composite
def cpus_of(draw: st.DrawFn, trace: Trace) -> Cpus:
    count = draw(st.integers(1, 3))
    size = len(trace)
    one = st.lists(st.integers(0, count - 1), min_size=size, max_size=size)
    columns = [np.array(draw(one), np.int32) for _ in range(3)]
    if draw(st.booleans()):
        columns = [columns[0]] * 3  # as RSS has it
    return Cpus(count, columns[0], columns[1], columns[2])
