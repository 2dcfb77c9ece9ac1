"""Samples as perf writes them, and hypothesis strategies that make such samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from faltcon.perf.samples import Frame, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "abcdefgxyzABC_0123456789."
_WORD = st.text("abcdefgzABC_-[]()/:#~", min_size=1, max_size=7)


def _is_number(word: str) -> bool:
    return word.replace("/", "").isdigit()


def comms() -> st.SearchStrategy[str]:
    # A comm may hold blanks and brackets; a hash at its start would be a comment to any reader.
    words = st.lists(_WORD.filter(lambda w: not _is_number(w)), min_size=1, max_size=3)
    return words.map(" ".join).filter(lambda comm: not comm.startswith("#"))


def symbols() -> st.SearchStrategy[str]:
    plain = st.text("abcxyz_0123456789.", min_size=1, max_size=12)
    odd = st.sampled_from(
        ["[unknown]", "operator()", "ns::f(int, char*)", "(anonymous namespace)::g", "a->b"]
    )
    return st.one_of(plain, plain, odd)


def dsos() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["[kernel.kallsyms]", "[unknown]", "/usr/bin/x y", "/memfd:m (deleted)", "[veth]", "/a/(b)"]
    )


def frames() -> st.SearchStrategy[Frame]:
    return st.builds(
        Frame,
        address=st.integers(0, 2**64 - 1),
        symbol=symbols(),
        offset=st.one_of(st.none(), st.integers(0, 2**20)),
        dso=dsos(),
    )


def samples(*, with_time: bool | None = None) -> st.SearchStrategy[Sample]:
    times = st.integers(0, 10**11).map(lambda us: us / 10**6)
    timed = times if with_time else st.one_of(st.none(), times)
    return st.builds(
        Sample,
        comm=comms(),
        pid=st.one_of(st.none(), st.integers(0, 4_194_304)),
        tid=st.integers(0, 4_194_304),
        cpu=st.one_of(st.none(), st.integers(0, 999)),
        time_s=timed,
        event=st.sampled_from(["cycles", "cpu-clock:uhH", "sched:sched_switch", "cpu/x=1/P"]),
        period=st.one_of(st.none(), st.integers(1, 10**9)),
        frames=st.lists(frames(), min_size=1, max_size=5).map(tuple),
    )


def text_of(samples: Iterable[Sample], *, end: str = "\n") -> str:
    return "".join(line + end for sample in samples for line in lines_of(sample))


def lines_of(sample: Sample) -> list[str]:
    who = f"{sample.tid:5d}" if sample.pid is None else f"{sample.pid:5d}/{sample.tid:<5d}"
    parts = [sample.comm, who]
    if sample.cpu is not None:
        parts.append(f"[{sample.cpu:03d}]")
    if sample.time_s is not None:
        parts.append(f"{sample.time_s:12.6f}:")
    if sample.period is not None:
        parts.append(f"{sample.period:10d}")
    return [f"{' '.join(parts)} {sample.event}: ", *map(line_of, sample.frames), ""]


def line_of(frame: Frame) -> str:
    offset = "" if frame.offset is None else f"+0x{frame.offset:x}"
    return f"\t{frame.address:16x} {frame.symbol}{offset} ({frame.dso})"
