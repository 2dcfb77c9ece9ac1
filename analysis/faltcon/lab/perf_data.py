"""Taking other programs' names out of a perf.data file before it is published.

perf writes down every program that starts and every file that it maps, also of
programs that have no part in the recording. None of that is needed to read
kernel stacks. The names are overwritten in place; samples, stacks, times and
the names of all threads that were sampled stay as perf wrote them, so
`perf script` prints the same text before and after.

Layout: tools/perf/Documentation/perf.data-file-format.txt and
include/uapi/linux/perf_event.h of the kernel.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from faltcon.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["mask_other_programs"]

MAGIC = b"PERFILE2"
HEADER = struct.Struct("<8sQQQQQQ")  # magic, size, attr_size, attrs (offset, size), data (same)
RECORD = struct.Struct("<IHH")  # type, misc, size
MMAP, COMM, FORK, SAMPLE, MMAP2 = 1, 3, 7, 9, 10
# Offsets in a record: where the file's name begins, and the process and thread numbers.
NAME_AT = {MMAP: 40, MMAP2: 72}
COMM_AT = 16
THREAD = struct.Struct("<II")
FORK_BODY = struct.Struct("<IIII")  # process, its parent, thread, its parent
# A sample begins with its address where PERF_SAMPLE_IP is set, the thread follows.
SAMPLE_THREAD_AT = 16
IP_AND_TID = 0b11
SAMPLE_TYPE_AT = 24  # in struct perf_event_attr
KERNEL = b"["
# After the data: one (offset, size) for each bit of the header's feature bitmap, in bit order.
FEATURES_AT = 72
BUILD_ID_BIT = 2
SECTION = struct.Struct("<QQ")
BUILD_ID_NAME_AT = 36


def mask_other_programs(file: Path) -> int:
    """Overwrite, in place, the names of mapped files and of threads that name no sample.

    Returns how many names were overwritten. Raises FormatError for what is no
    uncompressed perf.data file of this machine's byte order.
    """
    content = bytearray(file.read_bytes())
    records = list(_records(file, content))
    named = _threads_that_name_samples(content, records)
    masked = 0
    for at, kind, size in records:
        if kind in NAME_AT:
            name = at + NAME_AT[kind]
            if not content.startswith(KERNEL, name):
                masked += _overwrite(content, name, at + size)
        elif kind == COMM and THREAD.unpack_from(content, at + RECORD.size) not in named:
            masked += _overwrite(content, at + COMM_AT, at + size)
    for at, size in _build_ids(content):
        if not content.startswith(KERNEL, at + BUILD_ID_NAME_AT):
            masked += _overwrite(content, at + BUILD_ID_NAME_AT, at + size)
    file.write_bytes(content)
    return masked


def _threads_that_name_samples(
    content: bytearray, records: list[tuple[int, int, int]]
) -> set[tuple[int, int]]:
    """(process, thread) of the samples and of their ancestors, whose names they inherit."""
    named = set()
    parents: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for at, kind, _ in records:
        if kind == SAMPLE:
            named.add(THREAD.unpack_from(content, at + SAMPLE_THREAD_AT))
        elif kind == FORK:
            process, parent, thread, parent_thread = FORK_BODY.unpack_from(
                content, at + RECORD.size
            )
            parents.setdefault((process, thread), []).append((parent, parent_thread))
    waiting = list(named)
    while waiting:
        for parent_of in parents.get(waiting.pop(), []):
            if parent_of not in named:
                named.add(parent_of)
                waiting.append(parent_of)
    return named


def _records(file: Path, content: bytearray) -> Iterator[tuple[int, int, int]]:
    """Offset, type and size of each record of the data section."""
    bad = FormatError(file, "is no perf.data file that can be masked", mend="record it again")
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        raise bad
    _, _, attr_size, attrs_at, attrs_size, at, size = HEADER.unpack_from(content)
    end = at + size
    if end > len(content) or not attr_size or attrs_at + attrs_size > len(content):
        raise bad
    for attr in range(attrs_at, attrs_at + attrs_size, attr_size):
        (sample_type,) = struct.unpack_from("<Q", content, attr + SAMPLE_TYPE_AT)
        if sample_type & IP_AND_TID != IP_AND_TID:
            raise bad
    while at < end:
        kind, _, length = RECORD.unpack_from(content, at)
        if length < RECORD.size or at + length > end:
            raise bad
        yield at, kind, length
        at += length


def _build_ids(content: bytearray) -> Iterator[tuple[int, int]]:
    """Offset and size of each record of the table of build ids, if there is one."""
    features = int.from_bytes(content[FEATURES_AT : FEATURES_AT + 32], "little")
    if not features >> BUILD_ID_BIT & 1:
        return
    *_, data_at, data_size = HEADER.unpack_from(content)
    before = (features & ((1 << BUILD_ID_BIT) - 1)).bit_count()
    at, size = SECTION.unpack_from(content, data_at + data_size + before * SECTION.size)
    end = min(at + size, len(content))
    while at + RECORD.size <= end:
        _, _, length = RECORD.unpack_from(content, at)
        if length < RECORD.size:
            return
        yield at, length
        at += length


def _overwrite(content: bytearray, start: int, limit: int) -> bool:
    """Put x over a zero-terminated name; its length and all that follows stay."""
    stop = content.find(b"\0", start, limit)
    if stop <= start:
        return False
    content[start:stop] = b"x" * (stop - start)
    return True
