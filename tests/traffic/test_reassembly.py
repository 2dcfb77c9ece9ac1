from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic.reassembly import HELD_OVERHEAD, Direction


class Sink:
    """Keeps what reassembly hands over; a hole is a run of question marks."""

    def __init__(self) -> None:
        self.bytes = b""
        self.gaps = []

    def data(self, piece, time_ns) -> None:
        del time_ns
        self.bytes += piece

    def gap(self, size, time_ns, *, cut) -> None:
        del time_ns
        self.bytes += b"?" * size
        self.gaps.append((size, cut))


def direction(first_seq=None, limit=1 << 20):
    one = Direction(limit)
    one.reader = Sink()
    if first_seq is not None:
        one.start(first_seq)
    return one


def feed(one, base, pieces) -> None:
    for start, payload in pieces:
        one.segment((base + start) % 2**32, payload, len(payload), 0)


@st.composite
def cut_streams(draw):
    """A stream, and segments that cover it: overlapping, repeated, in any order."""
    stream = draw(st.binary(min_size=1, max_size=200))
    edges = draw(st.sets(st.integers(1, len(stream)), max_size=12)) | {len(stream)}
    starts = [0, *sorted(edges)]
    pieces = [(begin, stream[begin:end]) for begin, end in itertools.pairwise(starts)]
    for _ in range(draw(st.integers(0, 6))):
        begin = draw(st.integers(0, len(stream) - 1))
        end = draw(st.integers(begin + 1, len(stream)))
        pieces.append((begin, stream[begin:end]))
    return stream, draw(st.permutations(pieces))


@given(cut_streams(), st.integers(0, 2**32 - 1))
def test_any_order_any_overlap_any_wrap_gives_the_stream(streams, base) -> None:
    stream, pieces = streams
    one = direction(base)
    feed(one, base, pieces)
    one.finish()
    assert one.reader.bytes == stream
    assert one.gap_bytes == 0
    assert one.unique_bytes == len(stream)
    assert one.overlap_bytes == sum(len(payload) for _, payload in pieces) - len(stream)


def test_the_first_copy_wins() -> None:
    one = direction(0)
    feed(one, 0, [(0, b"abc"), (0, b"XYZdef"), (4, b"QQ")])
    assert one.reader.bytes == b"abcdef"
    assert one.overlap_bytes == 5


def test_a_hole_is_a_gap_once_the_peer_acknowledges_it() -> None:
    one = direction(0)
    feed(one, 0, [(0, b"ab"), (5, b"fg")])
    assert one.reader.bytes == b"ab"
    one.acknowledge(7)
    feed(one, 0, [(7, b"h")])
    assert one.reader.bytes == b"ab???fgh"
    assert (one.gap_bytes, one.out_of_order) == (3, 2)


def test_a_hole_is_a_gap_at_the_end() -> None:
    one = direction(0)
    feed(one, 0, [(3, b"d"), (9, b"j")])
    one.finish()
    assert one.reader.bytes == b"???d?????j"


def test_what_waits_is_bounded_and_the_limit_is_flagged() -> None:
    one = direction(0, limit=10 * (HELD_OVERHEAD + 1))
    feed(one, 0, [(2 * place + 1, b"x") for place in range(100)])
    assert one.limit_reached
    assert one.reader.gaps
    assert len(one._heap) <= 11  # noqa: SLF001  the bound is what is tested


def test_a_cut_packet_leaves_a_gap_of_its_own_kind() -> None:
    one = direction(0)
    one.segment(0, b"abc", 10, 0)
    one.segment(10, b"k", 1, 0)
    assert one.reader.bytes == b"abc???????k"
    assert one.reader.gaps == [(7, True)]
    assert (one.gap_bytes, one.cut_bytes, one.unique_bytes) == (0, 7, 11)


def test_a_stream_without_its_start_begins_at_its_first_segment() -> None:
    one = direction()
    feed(one, 2**32 - 2, [(0, b"abcd"), (4, b"e")])
    assert one.reader.bytes == b"abcde"


def test_a_jump_beyond_any_window_is_no_byte_of_the_stream() -> None:
    one = direction(0)
    feed(one, 0, [(0, b"a"), (1 << 30 | 1 << 29, b"far"), (1, b"b")])
    one.finish()
    assert one.reader.bytes == b"ab"
