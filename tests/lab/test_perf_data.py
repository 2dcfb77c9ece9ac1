from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import FormatError
from faltcon.lab.perf_data import mask_other_programs

if TYPE_CHECKING:
    from pathlib import Path

HEADER_SIZE = 104
ATTR = struct.pack("<IIQQQ", 0, 144, 0, 0, 0b111) + bytes(112)
TRAILER = b"\x01\x02\x03\x04\x05\x06\x07\x08"  # what sample_id_all puts after a name


def padded(name: bytes) -> bytes:
    return name + b"\0" * (8 - len(name) % 8)


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<IHH", kind, 0, 8 + len(body)) + body


def comm(pid: int, name: bytes) -> bytes:
    return record(3, struct.pack("<II", pid, pid) + padded(name) + TRAILER)


def fork(pid: int, parent: int) -> bytes:
    return record(7, struct.pack("<IIIIQ", pid, parent, pid, parent, 0) + TRAILER)


def mmap(name: bytes) -> bytes:
    return record(1, struct.pack("<IIQQQ", 7, 7, 0, 0, 0) + padded(name) + TRAILER)


def mmap2(name: bytes) -> bytes:
    return record(10, struct.pack("<IIQQQ", 7, 7, 0, 0, 0) + bytes(32) + padded(name) + TRAILER)


def sample(pid: int) -> bytes:
    return record(9, struct.pack("<QIIQ", 0xFFFFFFFF81000000, pid, pid, 1))


def build_id(name: bytes) -> bytes:
    return record(0, struct.pack("<i", 7) + bytes(24) + padded(name))


def perf_data(records: list[bytes], ids: list[bytes] | None = None) -> bytes:
    data = b"".join(records)
    data_at = HEADER_SIZE + len(ATTR)
    # Feature bits: 1 (tracing data, empty here) stands before 2 (build ids).
    features = 0b110 if ids is not None else 0
    table = b""
    if ids is not None:
        sections_at = data_at + len(data)
        body = b"".join(ids)
        table = struct.pack("<QQQQ", 0, 0, sections_at + 32, len(body)) + body
    header = struct.pack(
        "<8sQQQQQQQQ", b"PERFILE2", HEADER_SIZE, 144, HEADER_SIZE, 144, data_at, len(data), 0, 0
    )
    return header + features.to_bytes(32, "little") + ATTR + data + table


def masked(tmp_path: Path, content: bytes) -> tuple[int, bytes]:
    file = tmp_path / "perf.data"
    file.write_bytes(content)
    return mask_other_programs(file), file.read_bytes()


def test_names_of_files_go_and_everything_else_stays(tmp_path: Path) -> None:
    secret = b"/home/someone/private/program"
    number, content = masked(
        tmp_path,
        perf_data(
            [mmap(b"[kernel.kallsyms]_text"), mmap(secret), mmap2(secret), sample(5)],
            [build_id(b"[kernel.kallsyms]"), build_id(secret)],
        ),
    )
    hidden = b"x" * len(secret)
    assert number == 3
    assert content == perf_data(
        [mmap(b"[kernel.kallsyms]_text"), mmap(hidden), mmap2(hidden), sample(5)],
        [build_id(b"[kernel.kallsyms]"), build_id(hidden)],
    )


def test_a_thread_keeps_its_name_when_a_sample_or_a_sampled_child_needs_it(
    tmp_path: Path,
) -> None:
    needed = [comm(5, b"lighttpd"), comm(6, b"shell"), comm(8, b"grandparent")]
    rest = [fork(10, 6), fork(6, 8), fork(11, 9), sample(5), sample(10)]
    number, content = masked(tmp_path, perf_data([*needed, comm(9, b"other"), *rest]))
    assert number == 1
    assert content == perf_data([*needed, comm(9, b"xxxxx"), *rest])


NAMES = st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b[:1] != b"[")
RECORDS = st.one_of(
    st.tuples(st.integers(1, 6), NAMES).map(lambda x: comm(x[0], x[1][:15])),
    st.tuples(st.integers(1, 6), st.integers(1, 6)).map(lambda x: fork(*x)),
    NAMES.map(mmap),
    NAMES.map(mmap2),
    st.integers(1, 6).map(sample),
)


@given(st.lists(RECORDS, max_size=20))
def test_masking_keeps_the_layout_and_a_second_time_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("perf")
    before = perf_data(records)
    number, once = masked(folder, before)
    again, twice = masked(folder, once)
    assert len(once) == len(before)
    assert (again, twice) == (number, once)
    for body in records:
        if body[0] in {1, 10}:
            start = 40 if body[0] == 1 else 72
            stop = body.index(b"\0", start)
            assert body[:start] + b"x" * (stop - start) + body[stop:] in once
    assert all(body in once for body in records if body[0] in {7, 9})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PERFILE2",
        b"PERFILE1" + bytes(200),
        perf_data([sample(1)])[:-4],
        perf_data([struct.pack("<IHH", 9, 0, 4)]),
        perf_data([struct.pack("<IHH", 9, 0, 400)]),
        perf_data([sample(1)]).replace(ATTR, struct.pack("<IIQQQ", 0, 144, 0, 0, 0) + bytes(112)),
    ],
)
def test_what_is_no_perf_data_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "perf.data"
    file.write_bytes(content)
    with pytest.raises(FormatError, match=r"is no perf\.data file that can be masked"):
        mask_other_programs(file)
    assert file.read_bytes() == content
