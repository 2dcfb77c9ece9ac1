"""perf.data files: header, events, features, and their records as one run of bytes.

Both forms are read: the one with a file header, and the one that `perf record
-o -` writes to a pipe. Records that perf compressed (PERF_RECORD_COMPRESSED)
and files that were compressed whole are unpacked into a temporary file, so
that memory does not grow with the recording.

Source: tools/perf/Documentation/perf.data-file-format.txt and
tools/perf/util/{header,session}.c of the kernel.
"""

from __future__ import annotations

import contextlib
import mmap
import shutil
import struct
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import zstandard

from faltcon.errors import FormatError, TruncatedInputError
from faltcon.files import open_binary, reading
from faltcon.perf.attrs import Event, event_of
from faltcon.perf.features import FEATURES, Features, add_feature

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["DAMAGED_RECORD", "MAGIC", "PerfData", "is_perf_data", "payload"]

MAGIC = b"PERFILE2"
DAMAGED_RECORD = "bytes after a damaged record"
_OTHER_ENDIAN = b"2ELIFREP"

_HEADER_SIZE = 104
_PIPE_HEADER_SIZE = 16
_ATTR, _TRACING_DATA, _AUXTRACE, _EVENT_UPDATE = 64, 66, 71, 78
_FEATURE, _COMPRESSED, _COMPRESSED2 = 80, 81, 83
_UPDATE_NAME = 2


@dataclass
class PerfData:
    """An open recording; close it, or use it in `with`.

    data: all bytes of the unpacked file; records lie from `start` to `end`.
    events: in the order of the recording. skipped: what could not be used,
    with its count (for DAMAGED_RECORD: bytes).
    """

    file: str
    data: mmap.mmap | bytes
    start: int
    end: int
    events: list[Event]
    features: Features = field(default_factory=Features)
    skipped: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        """Open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the memory map back."""
        self.close()

    def close(self) -> None:
        """Give the memory map back, now or with the last array that looks into it."""
        if isinstance(self.data, mmap.mmap):
            with contextlib.suppress(BufferError):
                self.data.close()

    @classmethod
    def open(cls, file: str | Path) -> PerfData:
        """Open a perf.data file (`-`: standard input).

        Raises InputError, FormatError (not perf.data, or of another byte order)
        or TruncatedInputError (ends within its header).
        """
        with reading(file), _mapped(str(file)) as handle:
            size = handle.seek(0, 2)
            if size < _PIPE_HEADER_SIZE:
                raise TruncatedInputError(file, "ends within its header", mend="record it again")
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            return _from_map(str(file), data, size)
        except BaseException:
            data.close()
            raise


def is_perf_data(head: bytes) -> bool:
    """Whether a file that begins with these bytes is perf.data."""
    return head.startswith((MAGIC, _OTHER_ENDIAN))


def _mapped(file: str) -> IO[bytes]:
    """A file with the unpacked content that can be mapped."""
    path = "/dev/stdin" if file == "-" else file
    if file != "-":
        plain = Path(path).open("rb")  # noqa: SIM115  the caller closes it
        if is_perf_data(plain.read(8)):
            return plain
        plain.close()
    spool = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    try:
        with open_binary(path) as source:
            shutil.copyfileobj(source, spool, 1 << 20)
        spool.flush()
    except BaseException:
        spool.close()
        raise
    return spool


def _from_map(file: str, data: mmap.mmap, size: int) -> PerfData:
    magic, header_size = struct.unpack_from("<8sQ", data)
    if magic == _OTHER_ENDIAN:
        raise FormatError(
            file, "was recorded with another byte order", mend="read it on such a machine"
        )
    if magic != MAGIC:
        raise FormatError(file, "is not perf.data", mend="name a file that `perf record` wrote")
    if header_size == _PIPE_HEADER_SIZE:
        result = PerfData(file, data, _PIPE_HEADER_SIZE, size, [])
    elif header_size >= _HEADER_SIZE and size >= _HEADER_SIZE:
        result = _with_header(file, data, size)
    else:
        raise TruncatedInputError(file, "ends within its header", mend="record it again")
    _unpack(result)
    if not result.events:
        raise FormatError(file, "names no event", mend="record it again")
    return result


def _with_header(file: str, data: mmap.mmap, size: int) -> PerfData:
    attr_size, attrs_at, attrs_size, start, length = struct.unpack_from("<5Q", data, 16)
    flags = struct.unpack_from("<4Q", data, 72)
    if not 80 <= attr_size <= 4096 or attrs_at + attrs_size > size or start > size:
        raise TruncatedInputError(file, "ends within its list of events", mend="record it again")
    # A recording that was cut short says 0 here; its records go on to the end.
    end = start + length if length else size
    result = PerfData(file, data, start, min(end, size), [])
    for at in range(attrs_at, attrs_at + attrs_size - attr_size + 1, attr_size):
        ids_at, ids_size = struct.unpack_from("<2Q", data, at + attr_size - 16)
        ids: tuple[int, ...] = ()
        if ids_at + ids_size <= size:
            ids = struct.unpack_from(f"<{ids_size // 8}Q", data, ids_at)
        result.events.append(event_of(data[at : at + attr_size - 16], ids))
    if end > size:
        result.skipped["records cut off at the end of the file"] += 1
        return result
    bits = [bit for bit in range(256) if flags[bit // 64] >> (bit % 64) & 1]
    for number, bit in enumerate(bits):
        place = end + 16 * number
        if place + 16 > size:
            break
        at, length = struct.unpack_from("<2Q", data, place)
        if bit in FEATURES and at + length <= size:
            add_feature(result.features, bit, data[at : at + length])
    _name_events(result)
    return result


def _name_events(result: PerfData) -> None:
    """Give events the names of the EVENT_DESC feature, by their place."""
    names = result.features.event_names
    if len(names) == len(result.events):
        result.events = [
            event.named(name) for event, name in zip(result.events, names, strict=True)
        ]


def _unpack(result: PerfData) -> None:
    """Take up a pipe's header records, and replace compressed records by what they hold."""
    packed = _scan(result)
    _name_events(result)
    if not packed:
        return
    old = result.data
    with tempfile.TemporaryFile() as spool:
        _decompress(result, spool)
        spool.flush()
        if not spool.tell():
            result.start = result.end = 0
            return
        result.data = mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)
    result.start, result.end = 0, len(result.data)
    if isinstance(old, mmap.mmap):
        old.close()


def _scan(result: PerfData) -> bool:
    """Read the header records at the start; True where records are compressed.

    perf writes all header records before the first sample, except
    EVENT_UPDATE, which comes after the attributes.
    """
    data, at = result.data, result.start
    while at + 8 <= result.end:
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if size < 8 or at + size > result.end:
            return False
        body = bytes(data[at + 8 : at + size])
        if kind in (_COMPRESSED, _COMPRESSED2):
            return True
        if kind == _ATTR and len(body) >= 64:
            length = struct.unpack_from("<I", body, 4)[0]
            if not 64 <= length <= len(body):
                length = 64
            ids = struct.unpack_from(f"<{(len(body) - length) // 8}Q", body, length)
            result.events.append(event_of(body[:length], ids))
        elif kind == _EVENT_UPDATE:
            _update_event(result, body)
        elif kind == _FEATURE and len(body) >= 8:
            add_feature(result.features, struct.unpack_from("<Q", body)[0], body[8:])
        elif kind == 9:  # the first sample: all headers are behind
            return False
        at += size + payload(kind, body)
    return False


def payload(kind: int, body: bytes) -> int:
    """Bytes that follow a record without being counted in its size; body: its first bytes."""
    if kind == _TRACING_DATA and len(body) >= 4:
        return (int(struct.unpack_from("<I", body)[0]) + 7) & ~7
    if kind == _AUXTRACE and len(body) >= 8:
        return int(struct.unpack_from("<Q", body)[0])
    return 0


def _update_event(result: PerfData, body: bytes) -> None:
    if len(body) < 17:
        return
    what, event_id = struct.unpack_from("<2Q", body)
    if what != _UPDATE_NAME:
        return
    name = body[16:].split(b"\0")[0].decode(errors="replace")
    result.events = [
        event.named(name) if event_id in event.ids else event for event in result.events
    ]


def _decompress(result: PerfData, spool: IO[bytes]) -> None:
    """Write all records to `spool`, compressed ones unpacked.

    perf compresses each buffer by itself, and a record may go on in the next
    one, so what follows the last whole record is kept for then.
    """
    data, at = result.data, result.start
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    pending = b""
    while at + 8 <= result.end:
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if size < 8 or at + size > result.end:
            break
        if kind in (_COMPRESSED, _COMPRESSED2):
            packed = bytes(data[at + 8 : at + size])
            if kind == _COMPRESSED2:
                packed = packed[8 : 8 + struct.unpack_from("<Q", packed)[0]]
            try:
                if unpacker.eof:
                    unpacker = zstandard.ZstdDecompressor().decompressobj()
                pending += unpacker.decompress(packed)
            except zstandard.ZstdError:
                break
            whole = _whole_records(pending)
            spool.write(pending[:whole])
            pending = pending[whole:]
        else:
            spool.write(data[at : at + size])
            beyond = payload(kind, bytes(data[at + 8 : at + size]))
            spool.write(data[at + size : at + size + beyond])
            at += beyond
        at += size
    if at < result.end or pending:
        result.skipped[DAMAGED_RECORD] += result.end - at + len(pending)


def _whole_records(pending: bytes) -> int:
    at = 0
    while at + 8 <= len(pending):
        size = struct.unpack_from("<H", pending, at + 6)[0]
        if size < 8 or at + size > len(pending):
            break
        at += size
    return at
