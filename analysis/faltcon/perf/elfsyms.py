"""Functions of user programs: ELF files, their separate debug files, and JIT maps.

What counts as a function, and where it is looked for, is perf's choice
(tools/perf/util/symbol-elf.c): the file's own symbol table, else that of the
debug file that its build id names, else its dynamic symbols; and a symbol of
its own for each entry of the procedure linkage table.
"""

from __future__ import annotations

import functools
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from faltcon.perf.demangle import demangled
from faltcon.perf.symbols import Names, SymbolTable, table_of

if TYPE_CHECKING:
    from elftools.elf.sections import Section
    from numpy.typing import NDArray

__all__ = ["symbols_of_file"]

DEBUG_FOLDER = Path("/usr/lib/debug/.build-id")

_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"),
     ("value", "<u8"), ("size", "<u8")]
)  # fmt: skip
_RELOCATION = np.dtype([("offset", "<u8"), ("info", "<u8"), ("addend", "<i8")])
_NOTYPE, _OBJECT, _FUNC, _IFUNC = 0, 1, 2, 10
_LOCAL, _WEAK = 0, 2
_HIDDEN, _INTERNAL = 2, 1
_RESERVED_SECTIONS = 0xFF00
_PERF_MAP = re.compile(r"/perf-\d+\.map$")


@dataclass
class _Columns:
    """Symbols as columns, before one name is chosen for each address."""

    starts: list[NDArray[np.uint64]] = field(default_factory=list)
    sizes: list[NDArray[np.uint64]] = field(default_factory=list)
    weak: list[NDArray[np.bool_]] = field(default_factory=list)
    local: list[NDArray[np.bool_]] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    at: list[NDArray[np.int64]] = field(default_factory=list)
    length: list[NDArray[np.int64]] = field(default_factory=list)

    def add(
        self,
        starts: NDArray[np.uint64],
        sizes: NDArray[np.uint64],
        binding: NDArray[np.uint8],
        names: Names,
    ) -> None:
        self.starts.append(starts)
        self.sizes.append(sizes)
        self.weak.append(binding == _WEAK)
        self.local.append(binding == _LOCAL)
        self.at.append(names.at + len(self.text))
        self.length.append(names.length)
        self.text += names.text

    def table(self) -> SymbolTable | None:
        if not sum(map(len, self.starts)):
            return None
        return table_of(
            np.concatenate(self.starts),
            np.concatenate(self.sizes),
            Names(bytes(self.text), np.concatenate(self.at), np.concatenate(self.length)),
            weak=np.concatenate(self.weak),
            local=np.concatenate(self.local),
            spell=demangled,
        )


@functools.lru_cache(maxsize=512)
def symbols_of_file(path: str) -> SymbolTable | None:
    """Functions of an ELF file or a JIT's perf map, by offset in the file; None if there are none.

    `[vdso]` is that of the running kernel.

    A file that has changed since the recording gives wrong names: its build id
    is not compared.
    """
    columns = _Columns()
    try:
        if path == "[vdso]":
            _elf(io.BytesIO(_own_vdso()), columns)
            return columns.table()
        with Path(path).open("rb") as stream:
            if _PERF_MAP.search(path):
                _perf_map(stream, columns)
            else:
                _elf(stream, columns)
    except (OSError, ELFError, ValueError, IndexError, AssertionError):
        # Absent, no ELF file or a damaged one: the frame is shown by file and offset.
        return None
    return columns.table()


def _own_vdso() -> bytes:
    """The running kernel's vdso, from this process's memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith("[vdso]"):
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            with Path("/proc/self/mem").open("rb") as memory:
                memory.seek(start)
                return memory.read(end - start)
    return b""


def _perf_map(stream: BinaryIO, columns: _Columns) -> None:
    parts = [line.rstrip(b"\n").split(b" ", 2) for line in stream]
    parts = [part for part in parts if len(part) == 3]
    lengths = np.array([len(name) for _, _, name in parts], np.int64)
    at = np.append(0, np.cumsum(lengths)[:-1]) if parts else lengths
    columns.add(
        np.array([int(start, 16) for start, _, _ in parts], np.uint64),
        np.array([int(size, 16) for _, size, _ in parts], np.uint64),
        np.ones(len(parts), np.uint8),
        Names(b"".join(name for _, _, name in parts), at, lengths),
    )


def _elf(stream: BinaryIO, columns: _Columns) -> None:
    elf = ELFFile(stream)
    if elf.elfclass != 64 or not elf.little_endian:
        return
    # Symbols hold addresses; maps hold offsets in the file. Sections know both.
    sections = list(elf.iter_sections())
    _linkage_table(elf, columns)
    own = elf.get_section_by_name(".symtab")
    if own is not None:
        _symbols(elf, own, sections, columns)
        return
    debug = _debug_file(elf)
    if debug is not None:
        with debug.open("rb") as other:
            apart = ELFFile(other)
            table = apart.get_section_by_name(".symtab")
            if table is not None:
                _symbols(apart, table, sections, columns)
                return
    dynamic = elf.get_section_by_name(".dynsym")
    if dynamic is not None:
        _symbols(elf, dynamic, sections, columns)


def _debug_file(elf: ELFFile) -> Path | None:
    for section in elf.iter_sections():
        if not isinstance(section, NoteSection):
            continue
        for note in section.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                build_id = str(note["n_desc"])
                file = DEBUG_FOLDER / build_id[:2] / f"{build_id[2:]}.debug"
                return file if file.is_file() else None
    return None


def _names(elf: ELFFile, table: Section, at: NDArray[np.int64]) -> Names:
    """Names of a symbol table's entries, by where they begin in its table of strings."""
    text: bytes = elf.get_section(table["sh_link"]).data()
    zeros = np.flatnonzero(np.frombuffer(text, np.uint8) == 0)
    return Names(text, at, zeros[np.searchsorted(zeros, at)] - at)


def _symbols(elf: ELFFile, table: Section, sections: list[Section], columns: _Columns) -> None:
    content = table.data()
    entries = np.frombuffer(content, _SYMBOL, count=len(content) // _SYMBOL.itemsize)
    kind = entries["info"] & 15
    placed = (entries["name"] != 0) & (entries["section"] != 0)
    placed &= entries["section"] < min(_RESERVED_SECTIONS, len(sections))
    named = np.isin(kind, (_OBJECT, _FUNC, _IFUNC))
    code = np.array(["text" in part.name or "data" in part.name for part in sections])
    label = (kind == _NOTYPE) & ~np.isin(entries["other"] & 3, (_HIDDEN, _INTERNAL))
    label[placed] &= code[entries["section"][placed]]
    entries = entries[placed & (named | label)]
    shift = np.array([part["sh_offset"] - part["sh_addr"] for part in sections], np.int64)
    starts = (entries["value"].astype(np.int64) + shift[entries["section"]]).astype(np.uint64)
    names = _names(elf, table, entries["name"].astype(np.int64))
    columns.add(starts, entries["size"].astype(np.uint64), entries["info"] >> 4, names)


def _linkage_table(elf: ELFFile, columns: _Columns) -> None:
    table, relocations = (elf.get_section_by_name(name) for name in (".plt", ".rela.plt"))
    dynamic = elf.get_section_by_name(".dynsym")
    if table is None or relocations is None or dynamic is None or not table["sh_entsize"]:
        return
    symbols = np.frombuffer(dynamic.data(), _SYMBOL)
    numbers = np.frombuffer(relocations.data(), _RELOCATION)["info"] >> np.uint64(32)
    plain = _names(elf, dynamic, symbols["name"][numbers.astype(np.int64)].astype(np.int64))
    names = [plain.get(index).encode() + b"@plt" for index in range(len(numbers))]
    lengths = np.array([len(name) for name in names], np.int64)
    size = table["sh_entsize"]
    # The first entry is the table's own.
    starts = table["sh_offset"] + size * (np.arange(len(names), dtype=np.uint64) + np.uint64(1))
    columns.add(
        starts.astype(np.uint64),
        np.full(len(names), size, np.uint64),
        np.ones(len(names), np.uint8),
        Names(b"".join(names), np.cumsum(lengths) - lengths, lengths),
    )
