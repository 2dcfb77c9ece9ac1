"""Which file holds the symbols of the kernel that a recording was made on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import FormatError
from faltcon.paths import raw_dir
from faltcon.perf.symbols import kallsyms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faltcon.perf.perfdata import PerfData
    from faltcon.perf.symbols import SymbolTable

__all__ = ["find_kallsyms"]

_NAMES = ("kallsyms", "kallsyms.zst", "kallsyms.gz", "System.map")


def find_kallsyms(recording: PerfData, named: str | Path | None = None) -> SymbolTable | None:
    """The kernel's symbols: of the file that is named, or the first that fits.

    Looked for beside the recording, then among the project's recordings of
    kernel symbols, then in the running kernel if it is of the same release.
    None where there is none: kernel frames then stay unknown. Raises
    InputError or FormatError for a file that was named or found and is no
    kallsyms.
    """
    if named is not None:
        return kallsyms(named)
    for file in _candidates(recording):
        if file.is_file():
            return kallsyms(file)
    if recording.features.release == platform.release():
        try:
            return kallsyms("/proc/kallsyms")
        except FormatError:
            return None  # this user may not see addresses
    return None


def _candidates(recording: PerfData) -> Iterator[Path]:
    if recording.file != "-":
        for name in _NAMES:
            yield Path(recording.file).parent / name
    if recording.features.release:
        folder = raw_dir() / "kernel-symbols" / recording.features.release
        for name in _NAMES:
            yield folder / name
