"""`perf script` text to tallies, by compiled loops over the mapped file.

The same answer as `script.ScriptReader`, which reads line by line.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from faltcon.files import open_binary, reading
from faltcon.perf import script
from faltcon.perf.assembler import SKIPS, samples_of_lines
from faltcon.perf.grammar import parse_frame, parse_header
from faltcon.perf.scanner import distinct_lines
from faltcon.perf.tally import Profile, Tally, grouped, plain_frame, tally_of
from faltcon.perf.textbytes import HEADER_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from faltcon.perf.samples import Frame, Sample

__all__ = ["read_script"]

_GLANCE_S = 0.1  # between two looks at how far a loop has come
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_REASONS = dict(
    zip(
        SKIPS,
        (
            script.UNREADABLE,
            script.UNREADABLE_FRAME,
            script.ORPHAN_FRAME,
            script.LONG_LINE,
            script.CUT_SAMPLE,
            script.UNCLOSED,
        ),
        strict=True,
    )
)


def read_script(
    file: str | Path,
    *,
    addresses: bool = False,
    threads: bool = False,
    keep_unclosed: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Profile:
    """The tallies of a text (`-`: standard input); see sources.read_profile for the options."""
    path = "/dev/stdin" if str(file) == "-" else str(file)
    with reading(file), open_binary(path) as stream:
        head = stream.read(3)
    if head.startswith(_UTF16_MARKS):
        reader = script.ScriptReader(file, keep_unclosed=keep_unclosed)
        tallies = [tally_of(sample, addresses=addresses) for sample in reader]
        return Profile(str(file), tallies, reader.skipped, unclosed=reader.unclosed)
    with tempfile.TemporaryFile() as spool:
        handle, damage = _mapped(path, file, spool)
        with handle:
            size = handle.seek(0, 2)
            if not size:
                _raise(damage, file)
                raise script.nothing_usable(str(file), Counter())
            # Not closed by hand: it goes with the last array that looks into it.
            # Every page will be needed: it costs less to map all of them at once.
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            pages = mmap.mmap(handle.fileno(), 0, flags=flags, prot=mmap.PROT_READ)
            data = np.frombuffer(pages, np.uint8)
        profile = _scan(
            str(file), data, 3 if head == _UTF8_MARK else 0,
            addresses=addresses, threads=threads, keep_unclosed=keep_unclosed, progress=progress,
        )  # fmt: skip
    if damage is not None:
        if not profile.tallies:
            _raise(damage, file)
        profile.skipped[script.DAMAGED_STREAM] += 1
    if not profile.tallies:
        raise script.nothing_usable(str(file), profile.skipped)
    return profile


def _raise(damage: BaseException | None, file: str | Path) -> None:
    """Raise what a decompressor said, as an error that names the file."""
    if damage is not None:
        with reading(file):
            raise damage


def _mapped(
    path: str, file: str | Path, spool: IO[bytes]
) -> tuple[IO[bytes], BaseException | None]:
    """A file that can be mapped: the file itself where it is plain, else what it unpacks to."""
    with reading(file):
        plain = Path(path).open("rb")  # noqa: SIM115  the caller closes it
        head = plain.read(4)
        if plain.seekable() and not head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
            return plain, None
        plain.close()
        with open_binary(path) as source:
            while True:
                try:
                    block = script.next_block(source)
                except script.DECOMPRESSION_ERRORS as error:
                    spool.flush()
                    return spool, error
                if not block:
                    spool.flush()
                    return spool, None
                spool.write(block)


def _scan(
    file: str,
    data: NDArray[np.uint8],
    start: int,
    *,
    addresses: bool,
    threads: bool,
    keep_unclosed: bool,
    progress: Callable[[float], None] | None,
) -> Profile:
    watched = _Watched(len(data), progress)
    found = watched.run(0.0, distinct_lines, data, start, script.LONGEST_LINE)
    table, begins, ends, headers, met = found
    lines = _Lines(addresses=addresses)
    heads = [
        lines.common_header(data, headers[at : at + HEADER_FIELDS])
        for at in range(0, len(headers), HEADER_FIELDS)
    ]
    lines.read(data, begins, ends, first_header=len(heads))
    rows, pool, stack_begins, skips, unclosed = watched.run(
        0.5, samples_of_lines, data, start, script.LONGEST_LINE, keep_unclosed, table, begins,
        ends, headers, met, *lines.columns(),
    )  # fmt: skip
    rows = rows.reshape(-1, 3)
    heads += lines.headers
    skipped = Counter(
        {_REASONS[name]: count for name, count in zip(SKIPS, skips.tolist(), strict=True) if count}
    )
    # Headers that differ only in what a tally does not keep are one.
    who: dict[tuple[str, int | None, int, str | None, bool], int] = {}
    number_of = np.array(
        [who.setdefault(_identity(head, threads=threads), len(who)) for head in heads], np.int64
    )
    keys, counts, weights = grouped([rows[:, 0], number_of[rows[:, 1]]], rows[:, 2])
    frames = list(lines.frames)
    numbers, bounds = pool.tolist(), stack_begins.tolist()
    identities = list(who)
    stacks: dict[int, tuple[Frame, ...]] = {}
    tallies = []
    for stack, head, count, weight in zip(
        *(key.tolist() for key in keys), counts.tolist(), weights.tolist(), strict=True
    ):
        if stack not in stacks:
            own = numbers[bounds[stack] : bounds[stack + 1]]
            stacks[stack] = tuple(frames[one] for one in own)
        comm, pid, tid, event, with_period = identities[head]
        tallies.append(Tally(comm, pid, tid, event, stacks[stack], count, weight, with_period))
    return Profile(file, tallies, skipped, unclosed=bool(unclosed))


class _Watched:
    """Runs compiled loops beside this thread, which stays free for Ctrl-C and a progress bar."""

    def __init__(self, size: int, progress: Callable[[float], None] | None) -> None:
        self._size = max(size, 1)
        self._progress = progress

    def run(self, begin: float, loop: Callable[..., Any], *arguments: object) -> Any:
        """What the loop returns; it is the half of the work that starts at `begin` (0 or 0.5).

        The loop tells the place it reached in its last argument. It holds no
        lock of Python's, and where this thread is interrupted it ends with the process.
        """
        seen = np.zeros(1, np.int64)
        answers: list[Any] = []
        errors: list[Exception] = []

        def work() -> None:
            try:
                answers.append(loop(*arguments, seen))
            except Exception as error:  # noqa: BLE001  raised again below
                errors.append(error)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(_GLANCE_S)
            if self._progress is not None:
                self._progress(begin + 0.5 * int(seen[0]) / self._size)
        if errors:
            raise errors[0]
        return answers[0]


class _Lines:
    """What `grammar` says of the distinct lines, in columns for the compiled loop."""

    def __init__(self, *, addresses: bool) -> None:
        self._addresses = addresses
        self.frames: dict[Frame, int] = {}
        self.headers: list[Sample] = []
        self._frame_of: list[int] = []
        self._header_of: list[int] = []
        self._expected_of: list[int] = []

    def common_header(self, data: NDArray[np.uint8], fields: NDArray[np.int64]) -> Sample:
        """A header without its time: thread and event as grammar reads them."""
        begin, end, event, event_end, with_period = fields.tolist()
        line = f"{_text(data, begin, end)} 0.0: {'1 ' if with_period else ''}"
        sample = parse_header(f"{line}{_text(data, event, event_end)}:", expected=True)
        if sample is None:  # the compiled form is a part of the grammar's
            raise AssertionError(line)
        return sample

    def read(
        self,
        data: NDArray[np.uint8],
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        *,
        first_header: int,
    ) -> None:
        """Read each distinct line once."""
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            line = _text(data, begin, end)
            places = [-1, -1]
            if not line.startswith("\t"):
                for place, expected in enumerate((False, True)):
                    sample = parse_header(line, expected=expected)
                    if sample is not None:
                        places[place] = first_header + len(self.headers)
                        self.headers.append(sample)
            frame = parse_frame(line)
            self._header_of.append(places[0])
            self._expected_of.append(places[1])
            self._frame_of.append(-1 if frame is None else self._number(frame))

    def _number(self, frame: Frame) -> int:
        plain = plain_frame(frame, addresses=self._addresses)
        return self.frames.setdefault(plain, len(self.frames))

    def columns(
        self,
    ) -> tuple[
        NDArray[np.int32],
        NDArray[np.int32],
        NDArray[np.int32],
        NDArray[np.int32],
        NDArray[np.bool_],
        NDArray[np.int64],
    ]:
        """The arguments of samples_of_lines that say what lines are."""
        first = [self._number(head.frames[0]) if head.frames else -1 for head in self.headers]
        return (
            np.array(self._frame_of, np.int32),
            np.array(self._header_of, np.int32),
            np.array(self._expected_of, np.int32),
            np.array(first, np.int32),
            np.array([head.time_s is not None for head in self.headers], np.bool_),
            np.array([head.weight for head in self.headers], np.int64),
        )


def _text(data: NDArray[np.uint8], begin: int, end: int) -> str:
    return data[begin:end].tobytes().decode("utf-8", "surrogateescape")


def _identity(head: Sample, *, threads: bool) -> tuple[str, int | None, int, str | None, bool]:
    pid, tid = (head.pid, head.tid) if threads else (head.pid, 0)
    return head.comm, pid, tid, head.event, head.with_period
