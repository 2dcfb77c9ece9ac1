"""Events of a perf.data file, and where the fields of their records lie.

Source: include/uapi/linux/perf_event.h (struct perf_event_attr,
PERF_RECORD_SAMPLE, struct sample_id).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

__all__ = ["Event", "Layout", "event_of", "layout_of"]

IP, TID, TIME, ADDR, READ, CALLCHAIN, ID, CPU, PERIOD, STREAM_ID = (1 << bit for bit in range(10))
IDENTIFIER = 1 << 16

_ENABLED, _RUNNING, _READ_ID, _GROUP, _READ_LOST = (1 << bit for bit in range(5))
_SAMPLE_ID_ALL = 1 << 18

_HARDWARE = ("cycles", "instructions", "cache-references", "cache-misses", "branches")
_SOFTWARE = (
    "cpu-clock", "task-clock", "page-faults", "context-switches", "cpu-migrations",
    "minor-faults", "major-faults", "alignment-faults", "emulation-faults", "dummy", "bpf-output",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Byte offsets of the fields of a PERF_RECORD_SAMPLE after its header; -1 where absent.

    `callchain` is where the number of entries stands. Where a group of
    counters was read, it stands further on by `read_group` words for each
    counter, whose number stands at `group_at`.
    """

    identifier: int = -1
    ip: int = -1
    tid: int = -1
    time: int = -1
    cpu: int = -1
    period: int = -1
    callchain: int = -1
    group_at: int = -1
    read_group: int = 0
    # Of other records: bytes from the end back to the time, thread, identifier; 0 where absent.
    tail_time: int = 0
    tail_identifier: int = 0


@dataclass(frozen=True)
class Event:
    """One event of a recording: name as perf script prints it, ids and record layout."""

    name: str
    sample_type: int
    layout: Layout
    ids: tuple[int, ...] = field(default=())

    def named(self, name: str) -> Event:
        """The same event under the name that the recording gives it."""
        return replace(self, name=name)


def event_of(attr: bytes, ids: tuple[int, ...] = (), name: str = "") -> Event:
    """An event from its perf_event_attr (at least 64 bytes)."""
    kind, _, config, _, sample_type, read_format, flags = struct.unpack_from("<IIQQQQQ", attr)
    layout = layout_of(sample_type, read_format, sample_id_all=bool(flags & _SAMPLE_ID_ALL))
    return Event(name or _default_name(kind, config), sample_type, layout, ids)


def layout_of(sample_type: int, read_format: int, *, sample_id_all: bool) -> Layout:
    """Where the fields lie, given what was sampled."""
    places: dict[str, int] = {}
    at = 0
    for bit, name in (
        (IDENTIFIER, "identifier"),
        (IP, "ip"),
        (TID, "tid"),
        (TIME, "time"),
        (ADDR, ""),
        (ID, "id"),
        (STREAM_ID, ""),
        (CPU, "cpu"),
        (PERIOD, "period"),
    ):
        if sample_type & bit:
            places[name] = at
            at += 8
    group, group_at = 0, -1
    if sample_type & READ:
        group_at = at
        each = 1 + bool(read_format & _READ_ID) + bool(read_format & _READ_LOST)
        at += 8 * (bool(read_format & _ENABLED) + bool(read_format & _RUNNING))
        if read_format & _GROUP:
            group = each
            at += 8  # the number of counters, which stands first
        else:
            at += 8 * each
    tail = 0
    tails: dict[str, int] = {}
    for bit, name in (
        (IDENTIFIER, "identifier"), (CPU, ""), (STREAM_ID, ""),
        (ID, "id"), (TIME, "time"), (TID, ""),
    ):  # fmt: skip
        if sample_type & bit:
            tail += 8
            tails[name] = tail
    if not sample_id_all:
        tails = {}
    return Layout(
        identifier=places.get("identifier", places.get("id", -1)),
        ip=places.get("ip", -1),
        tid=places.get("tid", -1),
        time=places.get("time", -1),
        cpu=places.get("cpu", -1),
        period=places.get("period", -1),
        callchain=at if sample_type & CALLCHAIN else -1,
        group_at=group_at if group else -1,
        read_group=group,
        tail_time=tails.get("time", 0),
        tail_identifier=tails.get("identifier", tails.get("id", 0)),
    )


def _default_name(kind: int, config: int) -> str:
    names = {0: _HARDWARE, 1: _SOFTWARE}.get(kind, ())
    return names[config] if config < len(names) else f"type {kind} config {config:#x}"
