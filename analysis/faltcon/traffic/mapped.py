"""A capture as one array of bytes, and its packets in batches.

A plain file is mapped; a compressed one, or standard input, is first unpacked
into a temporary file without a name.
"""

from __future__ import annotations

import contextlib
import gzip
import mmap
import sys
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import zstandard

from faltcon.errors import EmptyInputError, FormatError, TruncatedInputError
from faltcon.files import GZIP_MAGIC, ZSTD_MAGIC, open_binary, reading
from faltcon.traffic import fast_records as fast
from faltcon.traffic.pcap import CLASSIC, STDIN
from faltcon.traffic.pcapng import PCAPNG_MAGIC, Blocks

if TYPE_CHECKING:
    import io
    from collections import Counter
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["Batches", "mapped"]

BATCH = 16_384
COPY_BYTES = 1 << 20


@contextlib.contextmanager
def mapped(file: str | Path) -> Iterator[tuple[Bytes, bool]]:
    """The bytes of a capture, and whether its compressed stream ends early.

    Raises InputError where the file cannot be read, EmptyInputError where it
    is empty.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(reading(file))
        cut = False
        stream: IO[bytes]
        if str(file) == STDIN:
            stream, cut = stack.enter_context(
                _unpacked(cast("io.BufferedIOBase", sys.stdin.buffer))
            )
        else:
            raw = stack.enter_context(Path(file).open("rb"))
            magic = raw.read(4)
            stream = raw
            if magic.startswith(GZIP_MAGIC) or magic == ZSTD_MAGIC or not raw.seekable():
                raw.close()
                source = stack.enter_context(open_binary(file))
                stream, cut = stack.enter_context(_unpacked(cast("io.BufferedIOBase", source)))
        stream.seek(0, 2)
        if not stream.tell():
            if cut:
                raise TruncatedInputError(
                    file, "ends before its file header does", mend="record it again"
                )
            raise EmptyInputError(file, "is empty", mend="record it again")
        # Closed by the garbage collector: arrays may still look into it.
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        yield np.frombuffer(pages, dtype=np.uint8), cut


@contextlib.contextmanager
def _unpacked(source: io.BufferedIOBase) -> Iterator[tuple[IO[bytes], bool]]:
    with tempfile.TemporaryFile() as target:
        cut = False
        try:
            # What is at hand, not a full buffer: an early end must not swallow what came before.
            while piece := source.read1(COPY_BYTES):
                target.write(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
            cut = True
        target.flush()
        yield target, cut


class Batches:
    """The packets of a mapped capture in batches, each an array of fast_records' rows.

    Iterating yields (records, count). The array is used again for the next
    batch. Errors and `packets`, `truncated`, `skipped` are as those of Capture.
    """

    def __init__(self, file: str | Path, data: Bytes, skipped: Counter[str], *, cut: bool) -> None:
        self.file = file
        self.data = data
        self.skipped = skipped
        self.truncated = cut
        self.packets = 0
        self.place = 0
        self._records = np.zeros((BATCH, 4), dtype=np.int64)

    def __iter__(self) -> Iterator[tuple[Words, int]]:
        """Walk the file once."""
        magic = self.data[:4].tobytes()
        if magic in CLASSIC:
            yield from self._classic(magic)
        elif magic == PCAPNG_MAGIC:
            yield from self._blocks()
        elif len(magic) < 4 or self.truncated:
            raise TruncatedInputError(
                self.file, "ends before its file header does", mend="record it again"
            )
        else:
            raise FormatError(
                self.file,
                f"is not a pcap or pcapng capture (it begins with {magic.hex()})",
                mend="name a file that tcpdump or Wireshark wrote",
            )

    def _classic(self, magic: bytes) -> Iterator[tuple[Words, int]]:
        order, unit_ns, header_bytes = CLASSIC[magic]
        if len(self.data) < 24:
            raise TruncatedInputError(
                self.file, "ends before its file header does", mend="record it again"
            )
        network = int.from_bytes(self.data[20:24].tobytes(), "big" if order == ">" else "little")
        self.place = 24
        ended = fast.MORE
        while ended == fast.MORE:
            count, self.place, ended = fast.classic(
                self.data,
                self.place,
                len(self.data),
                order == ">",
                unit_ns,
                header_bytes,
                network & 0x0FFFFFFF,
                self._records,
            )
            self.packets += count
            yield self._records, count
        self.truncated |= ended == fast.CUT
        if ended == fast.BAD:
            self._unusable("record longer than a packet can be")

    def _unusable(self, reason: str) -> None:
        if not self.packets:
            raise FormatError(self.file, reason, place="packet 1", mend="record it again")
        self.skipped[reason] += 1
        self.truncated = True

    def _blocks(self) -> Iterator[tuple[Words, int]]:
        """Enhanced packet blocks compiled, every other block as pcapng.py reads it."""
        blocks = Blocks(self.file, self.skipped)
        while not blocks.stopped and self.place < len(self.data):
            # A clock that numpy cannot hold is left to pcapng.py.
            fits = all(abs(one.offset_s) < 1 << 32 for one in blocks.interfaces)
            if blocks.interfaces and fits:
                interfaces = np.array(
                    [(one.link_type, one.resolution, one.offset_s) for one in blocks.interfaces],
                    dtype=np.int64,
                )
                count, self.place, _ = fast.blocks(
                    self.data, self.place, blocks.order == ">", interfaces, self._records
                )
                blocks.packets += count
                self.packets += count
                yield self._records, count
                if count == len(self._records):
                    continue
            yield from self._one_block(blocks)
        blocks.finish(truncated=self.truncated)
        self.truncated |= blocks.truncated

    def _read(self, size: int) -> bytes:
        piece = self.data[self.place : self.place + size].tobytes()
        self.place += len(piece)
        return piece

    def _one_block(self, blocks: Blocks) -> Iterator[tuple[Words, int]]:
        start = self.place
        head = self._read(12)
        if not head:
            return
        packet = blocks.step(head, self._read)
        if packet is not None:
            self._records[0] = (
                start + packet.place,
                len(packet.data),
                packet.time_ns,
                packet.link_type,
            )
            self.packets += 1
            yield self._records, 1
