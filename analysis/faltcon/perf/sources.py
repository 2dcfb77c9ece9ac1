"""Any profile, perf.data or text, as tallies."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from faltcon.files import open_binary, reading
from faltcon.perf.fastdata import read_perf_data
from faltcon.perf.fasttext import read_script
from faltcon.perf.perfdata import is_perf_data

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.perf.tally import Profile

__all__ = ["read_profile"]


def read_profile(
    file: str | Path,
    *,
    symbols: str | Path | None = None,
    addresses: bool = False,
    threads: bool = False,
    keep_unclosed: bool = True,
) -> Profile:
    """The tallies of a file, told by its first bytes; `-` is the standard input.

    symbols: of the recorded kernel, for perf.data (kernelsyms.find_kallsyms).
    addresses: keep those of unknown functions. threads: tally threads apart.
    keep_unclosed: of text (script.ScriptReader). Raises InputError and its
    kinds.
    """
    if str(file) == "-":
        _keep_standard_input()
    with reading(file), open_binary("/dev/stdin" if str(file) == "-" else file) as stream:
        head = stream.read(8)
    if is_perf_data(head):
        return read_perf_data(file, symbols=symbols, addresses=addresses, threads=threads)
    return read_script(file, addresses=addresses, threads=threads, keep_unclosed=keep_unclosed)


def _keep_standard_input() -> None:
    """Put a file in the place of a pipe, so that it can be read from its start again."""
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        spool.flush()
        os.dup2(spool.fileno(), 0)
