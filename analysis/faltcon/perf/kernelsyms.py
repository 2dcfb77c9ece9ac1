"""Which file holds the symbols of the kernel that a recording was made on."""

from __future__ import annotations

import glob
import json
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

EXPERIMENT = "kernel-symbols"
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
    folders = []
    if recording.file != "-":
        beside = Path(recording.file).parent
        folders.append(beside)
        named = _named_by_provenance(beside)
        if named:
            folders.append(raw_dir() / EXPERIMENT / named)
    release = recording.features.release
    if release:
        folders.append(raw_dir() / EXPERIMENT / release)
        # A folder's name ends in a hash of its content: kernels of one release may differ.
        same = sorted((raw_dir() / EXPERIMENT).glob(f"{glob.escape(release)}-*"))
        folders += same if len(same) == 1 else []
    for folder in folders:
        for name in _NAMES:
            yield folder / name


def _named_by_provenance(folder: Path) -> str:
    """The recording of kernel symbols that a run of the project names; empty for other folders."""
    try:
        document = json.loads((folder / "provenance.json").read_text("utf-8"))
        named = document["parameters"]["kernel_symbols"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return named if isinstance(named, str) and Path(named).name == named else ""
