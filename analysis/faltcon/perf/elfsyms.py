"""Functions of user programs: ELF files, their separate debug files, and JIT maps.

What counts as a function, and where it is looked for, is perf's choice
(tools/perf/util/symbol-elf.c): the file's own symbol table, else that of the
debug file that its build id names, else its dynamic symbols; and a symbol of
its own for each entry of the procedure linkage table.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from faltcon.perf.symbols import Candidate, Symbol, SymbolTable, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.elf.sections import Section

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


@functools.lru_cache(maxsize=512)
def symbols_of_file(path: str) -> SymbolTable | None:
    """Functions of an ELF file or a JIT's perf map, by offset in the file; None if there are none.

    A file that has changed since the recording gives wrong names: its build id
    is not compared.
    """
    try:
        with Path(path).open("rb") as stream:
            found = list(_perf_map(stream) if _PERF_MAP.search(path) else _elf(stream))
    except (OSError, ELFError, ValueError, IndexError, AssertionError):
        # Absent, no ELF file or a damaged one: the frame is shown by file and offset.
        return None
    return table_of(found) if found else None


def _perf_map(stream: BinaryIO) -> Iterator[Candidate]:
    for line in stream:
        parts = line.decode("utf-8", "surrogateescape").rstrip("\n").split(" ", 2)
        if len(parts) == 3:
            start, size = int(parts[0], 16), int(parts[1], 16)
            yield Candidate(start, size, weak=False, local=False, symbol=Symbol(parts[2], start))


def _elf(stream: BinaryIO) -> Iterator[Candidate]:
    elf = ELFFile(stream)
    if elf.elfclass != 64 or not elf.little_endian:
        return
    # Symbols hold addresses; maps hold offsets in the file. Sections know both.
    sections = [(part["sh_addr"], part["sh_offset"], part.name) for part in elf.iter_sections()]
    yield from _linkage_table(elf)
    own = elf.get_section_by_name(".symtab")
    if own is not None:
        yield from _symbols(elf, own, sections)
        return
    debug = _debug_file(elf)
    if debug is not None:
        with debug.open("rb") as other:
            apart = ELFFile(other)
            table = apart.get_section_by_name(".symtab")
            if table is not None:
                yield from _symbols(apart, table, sections)
                return
    dynamic = elf.get_section_by_name(".dynsym")
    if dynamic is not None:
        yield from _symbols(elf, dynamic, sections)


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


def _names(elf: ELFFile, table: Section) -> bytes:
    names: bytes = elf.get_section(table["sh_link"]).data()
    return names


def _name(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode("utf-8", "surrogateescape")


def _symbols(
    elf: ELFFile, table: Section, sections: list[tuple[int, int, str]]
) -> Iterator[Candidate]:
    names = _names(elf, table)
    content = table.data()
    entries = np.frombuffer(content, _SYMBOL, count=len(content) // _SYMBOL.itemsize)
    kind = entries["info"] & 15
    placed = (entries["name"] != 0) & (entries["section"] != 0)
    placed &= entries["section"] < min(_RESERVED_SECTIONS, len(sections))
    named = np.isin(kind, (_OBJECT, _FUNC, _IFUNC))
    label = (kind == _NOTYPE) & ~np.isin(entries["other"] & 3, (_HIDDEN, _INTERNAL))
    for entry in entries[placed & (named | label)]:
        address, offset, section = sections[entry["section"]]
        if entry["info"] & 15 == _NOTYPE and "text" not in section and "data" not in section:
            continue
        start = int(entry["value"]) - address + offset
        binding = int(entry["info"]) >> 4
        yield Candidate(
            start,
            int(entry["size"]),
            weak=binding == _WEAK,
            local=binding == _LOCAL,
            symbol=Symbol(_name(names, int(entry["name"])), start),
        )


def _linkage_table(elf: ELFFile) -> Iterator[Candidate]:
    table, relocations = (elf.get_section_by_name(name) for name in (".plt", ".rela.plt"))
    dynamic = elf.get_section_by_name(".dynsym")
    if table is None or relocations is None or dynamic is None or not table["sh_entsize"]:
        return
    names = _names(elf, dynamic)
    symbols = np.frombuffer(dynamic.data(), _SYMBOL)
    size = table["sh_entsize"]
    start = table["sh_offset"]
    for relocation in np.frombuffer(relocations.data(), _RELOCATION):
        start += size  # the first entry is the table's own
        name = _name(names, int(symbols[int(relocation["info"]) >> 32]["name"]))
        symbol = Symbol(f"{name}@plt", start)
        yield Candidate(start, size, weak=False, local=False, symbol=symbol)
