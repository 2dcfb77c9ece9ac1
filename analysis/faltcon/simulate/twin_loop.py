"""The compiled loop of the twin. Numbers for names; `replay` and `faltcon.model` say it in words.

Numba compiles plain functions over arrays best, so the model's objects are rows
here: a node is a row of 64 bytes; a counting window that all CPUs
share is a row with the same columns.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator,no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917  numba infers the types

from __future__ import annotations

import numpy as np
from numba import njit

from faltcon.simulate.twin_queue import pop, push

__all__ = ["COUNTERS", "loop"]

COUNTERS = (
    "hits",
    "pushes",
    "skb_pulls",
    "skb_pushes",
    "f_pairs_made",
    "f_pairs_eliminated",
    "drops_max_pairs",
    "nodes",
    "f_pairs",
    "objects",
    "synacks",
    "objects_peak",
    "nodes_peak",
    "went_home",
)
"""What the loop counts; the other counters follow from these."""
(
    HITS,
    PUSHES,
    SKB_PULLS,
    SKB_PUSHES,
    F_PAIRS_MADE,
    F_PAIRS_ELIMINATED,
    DROPS_MAX_PAIRS,
    NODES,
    F_PAIRS,
    OBJECTS,
    SYNACKS,
    OBJECTS_PEAK,
    NODES_PEAK,
    WENT_HOME,
) = range(len(COUNTERS))

# Columns of a node, 64 bytes: two of 64 bits in `times`, then twelve of 32 bits in `nodes`,
# which is the same memory. A shared counting window uses START, COUNT, RING_NEXT, SHARERS.
START, LAST_ESTABLISHED = range(2)
(
    COUNT,
    PEAK_NOW,
    PEAK_LAST,
    REQUESTS,
    KEPT,
    KEPT_SKB,
    IS_F_PAIR,
    SINCE_TIMER,
    LIVES,  # odd: in the archive
    KEY,
    CPU,
    RING_NEXT,
) = range(4, 16)
SHARERS = REQUESTS
TUMBLING, GRID, SLIDING = 0, 1, 2
NEVER = -1
SENT_NEXT, ACK_NEXT, RELEASE_NEXT = 0, 1, 2
AHEAD = 32
"""Connections that loads run ahead of their need."""


@njit(cache=True, nogil=True)
def _home(table, pair):
    """Where the search for a pair begins."""
    # Fibonacci hashing: the product's high bits depend on all of the pair's bits.
    return ((pair * -7046029254386353131) >> 24) & (table.shape[0] - 1)


@njit(cache=True, nogil=True)
def _find(table, pair):
    """Place of a pair in the hash table (rows of pair and slot), or of the gap where it goes."""
    mask = table.shape[0] - 1
    at = _home(table, pair)
    while table[at, 1] != NEVER and table[at, 0] != pair:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def _grown(table):
    """The same hash table with twice the room."""
    larger = np.full((2 * table.shape[0], 2), NEVER, np.int64)
    for row in range(table.shape[0]):
        if table[row, 1] != NEVER:
            at = _find(larger, table[row, 0])
            larger[at, 0] = table[row, 0]
            larger[at, 1] = table[row, 1]
    return larger


@njit(cache=True, nogil=True)
def _roll(both, slot, now, requests, window_ns, kind):
    """`Window.roll`."""
    times, nodes = both
    start = now - now % window_ns if kind == GRID else now
    elapsed = start - times[slot, START]
    if elapsed < window_ns:
        return
    nodes[slot, PEAK_LAST] = nodes[slot, PEAK_NOW] if elapsed < 2 * window_ns else requests
    nodes[slot, PEAK_NOW] = requests
    nodes[slot, COUNT] = 0
    times[slot, START] = start


@njit(cache=True, nogil=True)
def _begin(both, slot, now, window_ns, kind):
    """A fresh `Window`."""
    times, nodes = both
    times[slot, START] = now - now % window_ns if kind == GRID else now
    nodes[slot, COUNT] = 0
    nodes[slot, RING_NEXT] = 0


@njit(cache=True, nogil=True)
def _count(windows, at, rings, now, k_t, window_ns, kind):
    """`Window.add`: whether more than k_t connections are in the window now."""
    if kind != SLIDING:
        windows[at, COUNT] += 1
        return windows[at, COUNT] > k_t
    # The ring holds the last k_t + 1 times; all of them are needed to cross k_t.
    size = rings.shape[1]
    rings[at, windows[at, RING_NEXT] % size] = now
    windows[at, RING_NEXT] += 1
    if windows[at, RING_NEXT] < size:
        return False
    return now - rings[at, windows[at, RING_NEXT] % size] <= window_ns


@njit(cache=True, nogil=True)
def _fire(both, shared, alive, now, timer_ns, eliminates_one, counters):
    """`FStructKeeper.eliminate`."""
    times, nodes = both
    place = 0
    while place < counters[NODES]:
        slot = alive[place]
        if eliminates_one:
            idle = nodes[slot, SINCE_TIMER] <= 1
        else:
            idle = times[slot, LAST_ESTABLISHED] <= now - timer_ns
        if not idle:
            nodes[slot, SINCE_TIMER] = 0
            place += 1
            continue
        nodes[slot, LIVES] += 1
        counters[F_PAIRS] -= nodes[slot, IS_F_PAIR]
        counters[F_PAIRS_ELIMINATED] += nodes[slot, IS_F_PAIR]
        counters[OBJECTS] -= nodes[slot, KEPT]
        counters[SYNACKS] -= nodes[slot, KEPT_SKB]
        if shared.shape[0]:
            shared[nodes[slot, KEY], SHARERS] -= 1
        counters[NODES] -= 1
        alive[place] = alive[counters[NODES]]


@njit(cache=True, nogil=True)
def _wants(nodes, slot, kept, total, max_objects):
    """`FStructKeeper._wants` for a node in the archive."""
    peak = max(nodes[slot, PEAK_LAST], nodes[slot, PEAK_NOW])
    return nodes[slot, IS_F_PAIR] and nodes[slot, kept] < peak and total < max_objects


@njit(cache=True, nogil=True)
def loop(trace, cpus, limits, choices, own, common, rings, counters, by_cpu, series):  # noqa: C901, PLR0912, PLR0915  one loop over local variables: calls would pass the state a hundred million times
    """Play the whole trace; counters, by_cpu and series are filled in. Returns the samples' number.

    own: rows of nodes, one more than there are pairs: the last stands for strangers.
    common: rows of counting windows that CPUs share, none where they count apart.
    """
    times, nodes = own
    shared = common[1]
    syn_ns, sent_ns, ack_ns, release_ns, key = trace
    syn_cpu, ack_cpu, release_cpu = cpus
    k_t, window_ns, timer_ns, max_pairs, max_objects, sample_ns, end_ns = limits
    kind, counts_syn, eliminates_one = choices
    cpu_count = by_cpu.shape[0]
    is_global = shared.shape[0] > 0
    n = syn_ns.size
    stranger = nodes.shape[0] - 1
    table = np.full((1024, 2), NEVER, np.int64)
    slots = 0
    alive = np.empty(nodes.shape[0], np.int32)
    slot_of = np.empty(n, np.int32)
    life_of = np.empty(n, np.int32)
    stage = np.zeros(n, np.uint8)
    # ACKs come in any order; time-outs mostly in that of their SYNs, so that most need no heap.
    heap_times, heap_indices, heap = np.empty(n, np.int64), np.empty(n, np.int32), 0
    line, line_start, line_end = np.empty(n, np.int32), 0, 0
    origin = syn_ns[0]
    firing = origin + timer_ns
    sample_at = origin if sample_ns else np.int64(2**62)
    samples = 0
    touched = np.int64(0)
    upcoming = 0
    current = NEVER  # a connection whose next event is known to be the next of all
    now = origin
    while True:
        is_syn = False
        i = current
        if i == NEVER:
            if heap:
                i, now = heap_indices[0], heap_times[0]
            in_line = False
            if line_start < line_end:
                j = line[line_start]
                at_ns = release_ns[j]
                if i == NEVER or at_ns < now or (at_ns == now and j < i):
                    i, now, in_line = j, at_ns, True
            if upcoming < n and (i == NEVER or syn_ns[upcoming] < now):
                i, now, is_syn = upcoming, syn_ns[upcoming], True
            elif i == NEVER:
                break
            elif in_line:
                line_start += 1
            else:
                pop(heap_times, heap_indices, heap)
                heap -= 1
        if now > end_ns:
            break
        while firing <= now or sample_at <= now:
            if sample_at <= min(now, firing):
                series[samples, 0] = upcoming
                series[samples, 1] = counters[HITS]
                series[samples, 2] = counters[NODES]
                series[samples, 3] = counters[F_PAIRS]
                series[samples, 4] = counters[OBJECTS]
                series[samples, 5] = counters[SYNACKS]
                samples += 1
                sample_at += sample_ns
            else:
                _fire(own, shared, alive, firing, timer_ns, eliminates_one, counters)
                firing += timer_ns
                if not counters[NODES] and firing <= now:
                    # An empty archive sleeps until something happens.
                    firing = origin + ((now - origin) // timer_ns + 1) * timer_ns
        if not is_syn and stage[i] != ACK_NEXT:
            slot = slot_of[i]
            # Of this life, not of an earlier one of the pair's node.
            mine = slot != NEVER and nodes[slot, LIVES] == life_of[i]
            if stage[i] == RELEASE_NEXT:
                current = NEVER
                if mine:
                    counters[WENT_HOME] += release_cpu[i] != nodes[slot, CPU]
                    if _wants(nodes, slot, KEPT, counters[OBJECTS], max_objects):
                        nodes[slot, KEPT] += 1
                        counters[PUSHES] += 1
                        counters[OBJECTS] += 1
                        counters[OBJECTS_PEAK] = max(counters[OBJECTS_PEAK], counters[OBJECTS])
                    nodes[slot, REQUESTS] -= 1
                continue
            if mine and _wants(nodes, slot, KEPT_SKB, counters[SYNACKS], max_objects):
                nodes[slot, KEPT_SKB] += 1
                counters[SKB_PUSHES] += 1
                counters[SYNACKS] += 1
            stage[i] = RELEASE_NEXT if ack_ns[i] == NEVER else ACK_NEXT
            then = release_ns[i] if ack_ns[i] == NEVER else ack_ns[i]
        else:
            # SYN and ACK: f_lookup, then roll, then count what is to be counted.
            cpu = syn_cpu[i] if is_syn else ack_cpu[i]
            if not is_syn and cpu == syn_cpu[i] and slot_of[i] != NEVER:
                slot = slot_of[i]
                at = NEVER
            else:
                at = _find(table, np.int64(key[i]) * cpu_count + cpu)
                slot = table[at, 1]
            found = slot != NEVER and nodes[slot, LIVES] & 1
            if found:
                _roll(own, slot, now, nodes[slot, REQUESTS], window_ns, kind)
                if is_global:
                    _roll(common, key[i], now, 0, window_ns, kind)
            if is_syn == counts_syn:
                if not found and counters[NODES] >= max_pairs:
                    counters[DROPS_MAX_PAIRS] += 1
                elif not found:
                    found = True
                    if slot == NEVER:
                        slot = slots
                        slots += 1
                        table[at, 0] = np.int64(key[i]) * cpu_count + cpu
                        table[at, 1] = slot
                        if 2 * slots > table.shape[0]:
                            table = _grown(table)
                        nodes[slot, KEY] = key[i]
                        nodes[slot, CPU] = cpu
                    _begin(own, slot, now, window_ns, kind)
                    nodes[slot, PEAK_NOW : SINCE_TIMER + 1] = 0
                    nodes[slot, LIVES] += 1
                    alive[counters[NODES]] = slot
                    counters[NODES] += 1
                    counters[NODES_PEAK] = max(counters[NODES_PEAK], counters[NODES])
                    if is_global:
                        if shared[key[i], SHARERS] == 0:
                            _begin(common, key[i], now, window_ns, kind)
                        else:
                            _roll(common, key[i], now, 0, window_ns, kind)
                        shared[key[i], SHARERS] += 1
                if found:
                    if is_global:
                        crossed = _count(shared, key[i], rings, now, k_t, window_ns, kind)
                    else:
                        crossed = _count(nodes, slot, rings, now, k_t, window_ns, kind)
                    times[slot, LAST_ESTABLISHED] = now
                    nodes[slot, SINCE_TIMER] += 1
                    if crossed and not nodes[slot, IS_F_PAIR]:
                        nodes[slot, IS_F_PAIR] = 1
                        counters[F_PAIRS] += 1
                        counters[F_PAIRS_MADE] += 1
            if is_syn:
                upcoming += 1
                # Loads ahead of need: their cache misses overlap with the work in between.
                if upcoming + AHEAD < n:
                    j = upcoming + AHEAD
                    home = _home(table, np.int64(key[j]) * cpu_count + syn_cpu[j])
                    touched ^= table[home, 1]
                    j = upcoming + AHEAD // 2
                    home = _home(table, np.int64(key[j]) * cpu_count + syn_cpu[j])
                    touched ^= nodes[max(table[home, 1], 0), LIVES]
                by_cpu[cpu, 0] += 1
                slot_of[i] = slot
                life_of[i] = nodes[slot, LIVES] if found else NEVER
                row = slot if found else stranger
                if nodes[row, KEPT]:
                    nodes[row, KEPT] -= 1
                    counters[HITS] += 1
                    counters[OBJECTS] -= 1
                    by_cpu[cpu, 1] += 1
                nodes[row, REQUESTS] += 1
                nodes[row, PEAK_NOW] = max(nodes[row, PEAK_NOW], nodes[row, REQUESTS])
                if nodes[row, KEPT_SKB]:
                    nodes[row, KEPT_SKB] -= 1
                    counters[SKB_PULLS] += 1
                    counters[SYNACKS] -= 1
                then = sent_ns[i]
            else:
                stage[i] = RELEASE_NEXT
                then = release_ns[i]
        # What comes next of this connection is often the next event of all; then it need not wait.
        first = upcoming >= n or then <= syn_ns[upcoming]
        if first and heap:
            first = then < heap_times[0] or (then == heap_times[0] and i < heap_indices[0])
        if first and line_start < line_end:
            j = line[line_start]
            first = then < release_ns[j] or (then == release_ns[j] and i < j)
        if first:
            current = i
            now = then
            continue
        current = NEVER
        in_order = stage[i] == RELEASE_NEXT
        if in_order and line_start < line_end:
            j = line[line_end - 1]
            in_order = release_ns[j] < then or (release_ns[j] == then and j < i)
        if in_order:
            line[line_end] = i
            line_end += 1
        else:
            push(heap_times, heap_indices, heap, then, i)
            heap += 1
    # What the loads ahead of need have touched is returned too, or they would be left out.
    return samples, touched
