"""A capture file as a window of bytes that moves over it, and its packets in batches.

A window keeps memory small whatever the file's length, and what the compiled
loop reads next in the processor's cache. Plain, gzip and zstd files and
standard input read alike.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from faltcon.errors import EmptyInputError, FormatError, TruncatedInputError
from faltcon.files import DAMAGE, open_binary, reading
from faltcon.traffic import fast_records as fast
from faltcon.traffic.fast_layout import RECORD_FIELDS
from faltcon.traffic.fast_memory import address_of
from faltcon.traffic.pcap import CLASSIC, MAX_RECORD_BYTES, STDIN
from faltcon.traffic.pcapng import PCAPNG_MAGIC, Blocks

if TYPE_CHECKING:
    import io
    from collections import Counter
    from collections.abc import Iterator
    from typing import IO

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.int64]

__all__ = ["Batches", "Form", "Window", "is_plain", "opened"]

WINDOW_BYTES = 1 << 19
# Packets in a batch: few enough for the processor's nearest cache.
BATCH = 512
# The longest record, so that a whole one always fits; longer blocks make the window grow.
SPARE_BYTES = MAX_RECORD_BYTES + 64
EVERYTHING = 1 << 62


@contextlib.contextmanager
def opened(file: str | Path) -> Iterator[IO[bytes]]:
    """A capture's bytes as a stream, unpacked. Raises InputError where it cannot be read."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(reading(file))
        if str(file) == STDIN:
            yield sys.stdin.buffer
            return
        stream = stack.enter_context(open_binary(file))
        yield cast("IO[bytes]", stream)


def is_plain(file: str | Path) -> bool:
    """Whether a file can be read from any place on: not packed, and no pipe."""
    if str(file) == STDIN:
        return False
    with reading(file), Path(file).open("rb") as stream:
        if not stream.seekable():
            return False
        magic = stream.read(4)
    return magic in CLASSIC or magic == PCAPNG_MAGIC


@dataclass
class Form:
    """How a file's packets stand in it: pcapng's blocks, or the records of a classic file."""

    blocks: Blocks | None
    big: bool = False
    unit_ns: int = 0
    header_bytes: int = 0
    link_type: int = 0


class Window:
    """The bytes of a stream from `start` to `end` of the array `data`.

    `base` is the place in the file of the array's first byte. `ended` says
    that nothing follows, `cut` that the stream broke off.
    """

    def __init__(self, stream: IO[bytes], base: int = 0) -> None:
        self._stream = cast("io.BufferedIOBase", stream)
        self._hold(np.zeros(WINDOW_BYTES + SPARE_BYTES, dtype=np.uint8))
        self.base = base
        self.start = self.end = 0
        self.ended = self.cut = False

    def _hold(self, data: Bytes) -> None:
        self.data = data
        self.address = address_of(data)
        self._bytes = memoryview(cast("bytearray", data))

    @property
    def place(self) -> int:
        """The place in the file of the next byte."""
        return self.base + self.start

    def more(self) -> bool:
        """Read on behind what is left of the window; False where nothing follows."""
        if self.ended:
            return False
        start, left = self.start, self.end - self.start
        rest = self._bytes[start : self.end].tobytes()
        if left > len(self.data) - WINDOW_BYTES:
            self._hold(np.zeros(2 * len(self.data), dtype=np.uint8))
        self._bytes[:left] = rest
        self.base += start
        self.start, self.end = 0, left + self._read(self._bytes[left : left + WINDOW_BYTES])
        return self.end > left

    def _read(self, target: memoryview) -> int:
        size = 0
        try:
            # What is at hand, not a full buffer: an early end must not swallow what came before.
            while size < len(target):
                got = self._stream.readinto1(target[size:])
                if not got:
                    self.ended = True
                    break
                size += got
        except (EOFError, *DAMAGE):
            self.ended = self.cut = True
        return size

    def skip_to(self, place: int) -> None:
        """Pass over what comes before this place of the file."""
        while self.place < place:
            self.start = min(self.end, self.start + place - self.place)
            if self.place < place and not self.more():
                return

    def take(self, size: int) -> bytes:
        """The next bytes, fewer where the stream ends."""
        while self.end - self.start < size and self.more():
            pass
        piece = self.data[self.start : min(self.start + size, self.end)].tobytes()
        self.start += len(piece)
        return piece


class Records:
    """Room for so many rows of fast_records, with its address."""

    def __init__(self, count: int) -> None:
        self.data: Words = np.zeros(count * RECORD_FIELDS, dtype=np.int64).reshape(
            -1, RECORD_FIELDS
        )
        self.address = address_of(self.data)


class Batches:
    """The packets of a capture in batches, each an array of fast_records' rows.

    With the address of a control block (`ctl`) whole batches are tracked
    without a stop. Iterating yields the number of rows in `records` and how
    many of them are tracked; places are counted from the window's first byte,
    and the next step overwrites both. At each multiple of `stretch_bytes` of
    the file comes a batch of one packet, not tracked, with `crossed` set.
    Packets that begin at `stop` or behind it are left out. Errors and
    `packets`, `truncated`, `skipped` are as those of Capture.
    """

    def __init__(
        self,
        file: str | Path,
        window: Window,
        skipped: Counter[str],
        *,
        stretch_bytes: int,
        stop: int = EVERYTHING,
        form: Form | None = None,
        ctl: int = 0,
        boundary: int = 0,
    ) -> None:
        self.file = file
        self.window = window
        self.skipped = skipped
        self.truncated = False
        self.packets = 0
        self.crossed = False
        self.form = form
        # How far the file was read, by whoever read it.
        self.reached = window.place
        self.records = Records(BATCH)
        self._ctl = ctl
        self.stretch_bytes = stretch_bytes
        self._stop = stop
        # The next multiple of stretch_bytes that no packet lies behind yet.
        self.boundary = boundary or (window.place // stretch_bytes + 1) * stretch_bytes
        self._inside = window.place > 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Read the file once, from where the window is."""
        if self.form is None:
            self.form = self._begin()
        yield from self._classic(self.form) if self.form.header_bytes else self._blocks(self.form)
        self.truncated |= self.window.cut
        self.reached = self.window.place

    def _begin(self) -> Form:
        """The form that the file's first bytes tell; the window moves behind its header."""
        window = self.window
        magic = window.take(4)
        if not magic and not window.cut:
            raise EmptyInputError(self.file, "is empty", mend="record it again")
        if magic == PCAPNG_MAGIC:
            window.start -= 4
            return Form(Blocks(self.file, self.skipped))
        if magic in CLASSIC:
            rest = window.take(20)
            if len(rest) == 20:
                order, unit_ns, header_bytes = CLASSIC[magic]
                network = int.from_bytes(rest[16:], "big" if order == ">" else "little")
                # The upper bits of the network field hold the length of a frame check sequence.
                return Form(None, order == ">", unit_ns, header_bytes, network & 0x0FFFFFFF)
        elif len(magic) == 4:
            raise FormatError(
                self.file,
                f"is not a pcap or pcapng capture (it begins with {magic.hex()})",
                mend="name a file that tcpdump or Wireshark wrote",
            )
        raise TruncatedInputError(
            self.file, "ends before its file header does", mend="record it again"
        )

    def _limits(self) -> tuple[int, int, int]:
        """Control block, place to stop at in the window, and packets at once, for a step."""
        place, base = self.window.place, self.window.base
        if place < self.boundary:
            return self._ctl, min(self.boundary, self._stop) - base, BATCH
        self.crossed = True
        self.boundary = (place // self.stretch_bytes + 1) * self.stretch_bytes
        return 0, min(self.boundary, self._stop) - base, 1

    def _given(self, packets: int, count: int, done: int) -> Iterator[tuple[int, int]]:
        if packets:
            self.packets += packets
            yield count, done
            self.crossed = False
        elif self.crossed:
            # The packet behind the boundary is not all in the window yet.
            self.crossed = False
            self.boundary = self.window.place

    def _classic(self, form: Form) -> Iterator[tuple[int, int]]:
        window, records = self.window, self.records.address
        while window.place < self._stop:
            ctl, limit, room = self._limits()
            packets, count, done, window.start, ended = fast.classic(
                ctl,
                window.base,
                window.address,
                window.start,
                window.end,
                limit,
                form.big,
                form.unit_ns,
                form.header_bytes,
                form.link_type,
                records,
                room,
            )
            yield from self._given(packets, count, done)
            if ended == fast.BAD:
                self._unusable("record longer than a packet can be")
                return
            if ended == fast.SHORT and not window.more():
                self.truncated |= window.end > window.start
                return

    def _unusable(self, reason: str) -> None:
        if not self.packets and not self._inside:
            raise FormatError(self.file, reason, place="packet 1", mend="record it again")
        self.skipped[reason] += 1
        self.truncated = True

    def _blocks(self, form: Form) -> Iterator[tuple[int, int]]:
        """Enhanced packet blocks compiled, every other block as pcapng.py reads it."""
        blocks, window = form.blocks, self.window
        assert blocks is not None  # noqa: S101  a form without record headers has blocks
        while not blocks.stopped and window.place < self._stop:
            ctl, limit, room = self._limits()
            # A clock that a word cannot hold is left to pcapng.py.
            if blocks.interfaces and all(abs(one.offset_s) < 1 << 32 for one in blocks.interfaces):
                interfaces = np.array(
                    [(one.link_type, one.resolution, one.offset_s) for one in blocks.interfaces],
                    dtype=np.int64,
                )
                packets, count, done, window.start, ended = fast.blocks(
                    ctl,
                    window.base,
                    window.address,
                    window.start,
                    window.end,
                    limit,
                    blocks.order == ">",
                    address_of(interfaces),
                    len(interfaces),
                    self.records.address,
                    room,
                )
                blocks.packets += packets
                yield from self._given(packets, count, done)
                if ended in {fast.FULL, fast.STOPPED} or (ended == fast.SHORT and window.more()):
                    continue
            if window.start == window.end and not window.more():
                break
            yield from self._one_block(blocks)
        blocks.finish(truncated=self.truncated or window.cut)
        self.truncated |= blocks.truncated

    def _one_block(self, blocks: Blocks) -> Iterator[tuple[int, int]]:
        window = self.window
        start = window.place
        packet = blocks.step(window.take(12), window.take)
        if packet is not None:
            self.records.data[0] = (
                start + packet.place - window.base,
                len(packet.data),
                packet.time_ns,
                packet.link_type,
            )
            yield from self._given(1, 1, 0)
