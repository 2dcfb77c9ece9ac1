"""A streaming reader of `perf script` text.

It takes plain, gzip and zstd files, CRLF line ends, and UTF-16 with a byte
order mark; `-` is the standard input. A line that it cannot use is counted by
its reason and the reading goes on.
"""

from __future__ import annotations

import codecs
import zlib
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from faltcon.errors import EmptyInputError, FormatError
from faltcon.files import open_binary, reading
from faltcon.perf.grammar import parse_frame, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faltcon.perf.samples import Frame, Sample

__all__ = [
    "CUT_SAMPLE",
    "DAMAGED_STREAM",
    "DECOMPRESSION_ERRORS",
    "LONGEST_LINE",
    "LONG_LINE",
    "ORPHAN_FRAME",
    "PERF_DATA_MAGIC",
    "UNCLOSED",
    "UNREADABLE",
    "UNREADABLE_FRAME",
    "ScriptReader",
    "next_block",
    "nothing_usable",
]

UNREADABLE = "neither a header nor a frame"
UNREADABLE_FRAME = "not a frame, inside a sample"
ORPHAN_FRAME = "a frame outside any sample"
LONG_LINE = "longer than 1 MiB"
CUT_SAMPLE = "sample cut by the end of the file"
UNCLOSED = "sample that no blank line ends"
DAMAGED_STREAM = "rest of a damaged compressed stream"

PERF_DATA_MAGIC = b"PERFILE2"

LONGEST_LINE = 1 << 20
_BLOCK = 1 << 20
_MOST_FRAMES_CACHED = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DECOMPRESSION_ERRORS = (EOFError, zlib.error, zstandard.ZstdError)


class ScriptReader:
    """Iterate over the samples of a `perf script` text.

    file: path, or `-`. perf writes a blank line after each callchain, so a file
    that ends without one may have been cut there; `keep_unclosed` says whether
    its last sample is given out all the same, if its last line is whole.

    After the iteration `skipped` maps each reason to the number of lines (for
    CUT_SAMPLE and UNCLOSED: samples) that could not be used, `samples` is the
    number of samples given out, and `unclosed` says that the last one of them
    had no blank line.

    Raises, while iterating: InputError (cannot be read), FormatError (another
    kind of file), EmptyInputError (no sample in it).
    """

    def __init__(self, file: str | Path, *, keep_unclosed: bool = True) -> None:
        self.file = str(file)
        self._keep_unclosed = keep_unclosed
        self.skipped: Counter[str] = Counter()
        self.samples = 0
        self.unclosed = False
        self._frames: dict[str, Frame] = {}

    def __iter__(self) -> Iterator[Sample]:
        """Read from the start; one pass a reader."""
        path = "/dev/stdin" if self.file == "-" else self.file
        with reading(self.file), open_binary(path) as stream:
            for sample in self._parse(self._lines(stream)):
                self.samples += 1
                yield sample
        if not self.samples:
            raise nothing_usable(self.file, self.skipped)

    def _parse(self, lines: Iterator[str]) -> Iterator[Sample]:
        sample: Sample | None = None
        stack: list[Frame] = []
        usable = True  # whether the last line that was seen could be used
        for line in lines:
            frame = self._frames.get(line)
            if frame is None:
                if not line:
                    if sample is not None and self._is_one(sample, stack):
                        yield _closed(sample, stack)
                    sample = None
                    continue
                header = self._header(line, expected=sample is None)
                if header is not None:
                    # Without callchains, perf writes no blank line between samples.
                    if sample is not None and self._is_one(sample, stack):
                        yield _closed(sample, stack)
                    sample, stack, usable = header, list(header.frames), True
                    continue
                if line.startswith("#"):
                    continue
                frame = self._new_frame(line)
            usable = frame is not None and sample is not None
            if usable:
                stack.append(cast("Frame", frame))
            else:
                self._skip(frame, inside=sample is not None)
        if sample is not None and self._takes_last(sample, stack, usable=usable):
            yield _closed(sample, stack)

    def _header(self, line: str, *, expected: bool) -> Sample | None:
        # A tab begins a frame, a hash a comment; only other lines can be headers.
        return None if line[0] in "\t#" else parse_header(line, expected=expected)

    def _is_one(self, sample: Sample, stack: list[Frame]) -> bool:
        """Whether it is a sample: a line of prose can look like a header without time."""
        if sample.time_s is None and not stack:
            self.skipped[UNREADABLE] += 1
            return False
        return True

    def _skip(self, frame: Frame | None, *, inside: bool) -> None:
        if frame is not None:
            self.skipped[ORPHAN_FRAME] += 1
        else:
            self.skipped[UNREADABLE_FRAME if inside else UNREADABLE] += 1

    def _takes_last(self, sample: Sample, stack: list[Frame], *, usable: bool) -> bool:
        """Whether the sample that the file ends in is given out; counts it if not."""
        if not usable or not stack:
            self.skipped[CUT_SAMPLE] += 1
            return False
        if len(stack) == len(sample.frames):
            return True  # its one frame was on the header's line
        if self._keep_unclosed:
            self.unclosed = True
            return True
        self.skipped[UNCLOSED] += 1
        return False

    def _new_frame(self, line: str) -> Frame | None:
        frame = parse_frame(line)
        if frame is not None:
            if len(self._frames) >= _MOST_FRAMES_CACHED:
                self._frames.clear()
            self._frames[line] = frame
        return frame

    def _lines(self, stream: BinaryIO) -> Iterator[str]:
        """Lines without their ends, each in bounded memory."""
        decoder: codecs.IncrementalDecoder | None = None
        pending = ""
        overlong = False
        while True:
            block = self._block(stream)
            if decoder is None:
                if block.startswith(PERF_DATA_MAGIC):
                    raise FormatError(
                        self.file,
                        "is perf.data, not text",
                        mend="make text of it with `perf script`",
                    )
                decoder, block = _decoder(block)
            parts = (pending + decoder.decode(block, final=not block)).split("\n")
            pending = parts.pop()
            for part in parts:
                if overlong:
                    overlong = False  # the end of the line that was too long
                    continue
                yield part.removesuffix("\r")
            if len(pending) > LONGEST_LINE:
                if not overlong:
                    self.skipped[LONG_LINE] += 1
                overlong, pending = True, ""
            if not block:
                break
        if pending and not overlong:
            yield pending.removesuffix("\r")

    def _block(self, stream: BinaryIO) -> bytes:
        try:
            return next_block(stream)
        except DECOMPRESSION_ERRORS:
            if not self.samples:
                raise
            self.skipped[DAMAGED_STREAM] += 1
            return b""


def _closed(sample: Sample, stack: list[Frame]) -> Sample:
    sample.frames = tuple(stack)
    return sample


def _decoder(head: bytes) -> tuple[codecs.IncrementalDecoder, bytes]:
    """The decoder that a byte order mark asks for, UTF-8 without one, and what follows it."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            return codecs.getincrementaldecoder(encoding)(errors), head[len(mark) :]
    # Bytes that are not UTF-8 survive the way to the output unchanged.
    return codecs.getincrementaldecoder("utf-8")("surrogateescape"), head


def next_block(stream: BinaryIO) -> bytes:
    """What one read gives, so that what comes before damage is not lost with it."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read(_BLOCK)


def nothing_usable(file: str, skipped: Counter[str]) -> EmptyInputError:
    """The error for a text without a sample; skipped: why its lines could not be used."""
    if not skipped:
        return EmptyInputError(
            file, "holds no sample", mend="record again and check what perf said"
        )
    reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
    return EmptyInputError(
        file,
        f"no sample of perf script in it (lines: {reasons})",
        mend="write it with `perf script`, with the fields comm, pid, event, ip, sym and dso",
    )
