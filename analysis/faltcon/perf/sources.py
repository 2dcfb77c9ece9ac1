"""Any profile, perf.data or text, as tallies."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.files import open_binary, reading
from faltcon.perf.datareader import PerfDataReader
from faltcon.perf.fastdata import read_perf_data
from faltcon.perf.leftout import LeftOut
from faltcon.perf.perfdata import is_perf_data
from faltcon.perf.script import ScriptReader
from faltcon.perf.tally import Profile, tally_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from faltcon.perf.samples import Sample

__all__ = ["read_profile", "read_samples"]

# Below this the readable reader is done before numba is imported.
_SMALL_TEXT_BYTES = 12 << 20
_COMPRESSION_RATIO = 12  # about what text of this kind compresses to


def read_profile(
    file: str | Path,
    *,
    symbols: str | Path | None = None,
    addresses: bool = False,
    threads: bool = False,
    keep_unclosed: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Profile:
    """The tallies of a file, told by its first bytes; `-` is the standard input.

    Small texts go through the readable reader and large ones through the
    compiled one; the answer is the same. symbols: of the recorded kernel, for
    perf.data (kernelsyms.find_kallsyms). addresses: keep those of unknown
    functions. threads: tally threads apart. keep_unclosed: of text
    (script.ScriptReader). progress: told how much of a large file is done, 0 to 1.
    Raises InputError and its kinds.
    """
    data, size = _kind_and_size(file)
    if data:
        return read_perf_data(
            file, symbols=symbols, addresses=addresses, threads=threads, progress=progress
        )
    if size >= _SMALL_TEXT_BYTES:
        # Importing numba takes longer than reading a small file.
        from faltcon.perf.fasttext import read_script  # noqa: PLC0415

        return read_script(
            file,
            addresses=addresses,
            threads=threads,
            keep_unclosed=keep_unclosed,
            progress=progress,
        )
    reader = ScriptReader(file, keep_unclosed=keep_unclosed)
    tallies = [tally_of(sample, addresses=addresses) for sample in reader]
    return Profile(str(file), tallies, reader.skipped, unclosed=reader.unclosed)


def read_samples(
    file: str | Path, *, symbols: str | Path | None = None
) -> tuple[list[Sample], LeftOut]:
    """All samples of a file, in the order of the file or of time (perf.data), and what it lacks."""
    data, _ = _kind_and_size(file)
    if data:
        recording = PerfDataReader(file, symbols=symbols)
        samples = list(recording)
        return samples, LeftOut(recording.skipped, recording.throttled)
    text = ScriptReader(file)
    return list(text), LeftOut(text.skipped)


def _kind_and_size(file: str | Path) -> tuple[bool, int]:
    """Whether it is perf.data, and about how many bytes it unpacks to."""
    if str(file) == "-":
        _keep_standard_input()
    path = Path("/dev/stdin" if str(file) == "-" else file)
    with reading(file):
        size = path.stat().st_size
        with path.open("rb") as plain:
            packed = plain.read(8)
        with open_binary(path) as stream:
            head = stream.read(8)
    return is_perf_data(head), size if packed == head else size * _COMPRESSION_RATIO


def _keep_standard_input() -> None:
    """Put a file in the place of a pipe, so that it can be read from its start again."""
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        spool.flush()
        os.dup2(spool.fileno(), 0)
