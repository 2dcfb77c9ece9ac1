"""Who ran and what was mapped, as a recording's side-band records tell it.

Source: tools/perf/util/{machine,thread,map}.c.
"""

from __future__ import annotations

import bisect
import platform
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltcon.perf.samples import UNKNOWN, Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.perf.symbols import SymbolTable

__all__ = ["KernelMap", "Mapping", "Replay", "Resolver"]

MMAP, LOST, COMM, EXIT, THROTTLE, UNTHROTTLE, FORK, SAMPLE = 1, 2, 3, 4, 5, 6, 7, 9
MMAP2, LOST_SAMPLES, KSYMBOL = 10, 13, 17

_KERNEL_MODE, _MODE_MASK, _DATA_MAP = 1, 7, 1 << 13
_PROT_EXEC = 4
_NO_FILE = ("//anon", "/dev/zero", "/anon_hugepage", "[stack", "/SYSV", "[heap]")
_MODULE = re.compile(r"/([^/]+?)\.ko(?:\.(?:gz|xz|zst))?$")


class Mapping(NamedTuple):
    """A range of a process's memory and the file behind it."""

    start: int
    end: int
    offset: int
    dso: str


class KernelMap(NamedTuple):
    """A range of kernel code: the image, a module, or a BPF program (with its own symbol)."""

    start: int
    end: int
    dso: str
    symbol: str = ""


@dataclass
class Replay:
    """Apply side-band records in the order of time; ask for comm and maps in between.

    lost: samples that perf says it lost. throttled: number of times that the
    kernel held sampling back.
    """

    comms: dict[int, str] = field(default_factory=lambda: {0: "swapper"})
    maps: dict[int, list[Mapping]] = field(default_factory=dict)
    kernel: list[KernelMap] = field(default_factory=list)
    reference: tuple[str, int] = ("", 0)  # a symbol of the kernel, and its address then
    lost: int = 0
    throttled: int = 0

    def comm(self, tid: int) -> str:
        """The thread's name now."""
        return self.comms.get(tid, f":{tid}")

    def apply(self, kind: int, misc: int, body: bytes) -> None:
        """Take up one record; one that is too short for its kind changes nothing."""
        try:
            if kind == COMM:
                tid = struct.unpack_from("<i", body, 4)[0]
                self.comms[tid] = _text(body, 8)
            elif kind == FORK:
                self._fork(*struct.unpack_from("<4i", body))
            elif kind == MMAP:
                prot = 0 if misc & _DATA_MAP else _PROT_EXEC
                self._mmap(misc, body, prot, _text(body, 32))
            elif kind == MMAP2:
                prot = struct.unpack_from("<I", body, 56)[0]
                self._mmap(misc, body, prot, _text(body, 64))
            elif kind == KSYMBOL:
                start, size = struct.unpack_from("<QI", body)
                name = _text(body, 16)
                self.kernel.append(KernelMap(start, start + size, name, name))
            elif kind == LOST:
                self.lost += struct.unpack_from("<Q", body, 8)[0]
            elif kind == LOST_SAMPLES:
                self.lost += struct.unpack_from("<Q", body)[0]
            elif kind == THROTTLE:
                self.throttled += 1
        except struct.error:
            return

    def _fork(self, pid: int, parent_pid: int, tid: int, parent_tid: int) -> None:
        if tid == parent_tid:
            return
        if parent_tid in self.comms:
            self.comms[tid] = self.comms[parent_tid]
        if pid != parent_pid:
            self.maps[pid] = list(self.maps.get(parent_pid, ()))

    def _mmap(self, misc: int, body: bytes, prot: int, name: str) -> None:
        pid, start, length, offset = struct.unpack_from("<i4x3Q", body)
        if misc & _MODE_MASK == _KERNEL_MODE or pid == -1:
            self._kernel_map(start, length, offset, name)
            return
        if not prot & _PROT_EXEC:
            return
        if name.startswith(_NO_FILE):
            name = f"/tmp/perf-{pid}.map"  # noqa: S108  where a JIT leaves its symbols for perf
            offset = start
        own = self.maps.setdefault(pid, [])
        end = start + length
        kept = []
        for old in own:
            if old.end <= start or old.start >= end:
                kept.append(old)
                continue
            # The newer mapping cuts what it covers out of the older one.
            if old.start < start:
                kept.append(old._replace(end=start))
            if old.end > end:
                kept.append(old._replace(start=end, offset=old.offset + end - old.start))
        kept.append(Mapping(start, end, offset, name))
        self.maps[pid] = sorted(kept)

    def _kernel_map(self, start: int, length: int, offset: int, name: str) -> None:
        if name.startswith(("[kernel.kallsyms]", "[guest.kernel")):
            self.reference = name[name.index("]") + 1 :], offset
            # Code that only runs at boot lies behind the end that the record names.
            self.kernel.append(KernelMap(start, (1 << 64) - 1, name[: name.index("]") + 1]))
            return
        module = _MODULE.search(name)
        dso = f"[{module[1].replace('-', '_')}]" if module else name
        self.kernel.append(KernelMap(start, start + length, dso))


@dataclass
class Resolver:
    """Turn addresses into frames.

    shift: how far KASLR moved the kernel from the table. own_kernel: whether
    the recording is of the release that runs now, so that its vdso is at hand.
    """

    kallsyms: SymbolTable | None
    kernel: list[KernelMap]
    shift: int = 0
    own_kernel: bool = False

    @classmethod
    def of(cls, replay: Replay, table: SymbolTable | None, release: str) -> Resolver:
        """A resolver for a recording's kernel maps with a table of its symbols."""
        name, recorded = replay.reference
        known = table.reference.get(name) if table is not None else None
        return cls(
            table,
            replay.kernel,
            shift=0 if known is None else recorded - known,
            own_kernel=release == platform.release(),
        )

    def __post_init__(self) -> None:
        # Modules and BPF programs before the image: they may lie within its range.
        self._kernel = sorted(self.kernel, key=lambda one: one.end - one.start)

    def kernel_frame(self, address: int) -> Frame:
        """The frame of a kernel address."""
        found = next((one for one in self._kernel if one.start <= address < one.end), None)
        if found is None:
            return Frame(address, UNKNOWN, None, UNKNOWN)
        if found.symbol:
            return Frame(address, found.symbol, address - found.start, found.dso)
        symbol = self.kallsyms.find(address - self.shift) if self.kallsyms else None
        if symbol is None:
            return Frame(address, UNKNOWN, None, found.dso)
        offset = address - self.shift - symbol.start
        return Frame(address, symbol.name, offset, symbol.module or found.dso)

    def kernel_places(
        self, addresses: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """A number for each address, and whether a symbol is known there.

        Where one is, addresses of one number are of one function.
        """
        maps = np.full(len(addresses), -1, np.int64)
        named = np.zeros(len(addresses), np.bool_)
        for number, one in reversed(list(enumerate(self._kernel))):
            within = (addresses >= np.uint64(one.start)) & (addresses < np.uint64(one.end))
            maps[within], named[within] = number, bool(one.symbol)
        symbols = np.full(len(addresses), -1, np.int64)
        if self.kallsyms is not None:
            symbols = self.kallsyms.places(addresses - np.uint64(self.shift % (1 << 64)))
        symbols[named] = -1
        known = (maps >= 0) & (named | (symbols >= 0))
        return (maps << 32) + symbols, known

    def user_frame(self, address: int, maps: list[Mapping] | tuple[Mapping, ...]) -> Frame:
        """The frame of a user address under these maps (sorted by start)."""
        place = bisect.bisect_right(maps, address, key=lambda one: one.start) - 1
        if place < 0 or address >= maps[place].end:
            return Frame(address, UNKNOWN, None, UNKNOWN)
        mapping = maps[place]
        within = address - mapping.start + mapping.offset
        readable = mapping.dso.startswith("/") or (mapping.dso == "[vdso]" and self.own_kernel)
        table = _symbols_of_file(mapping.dso) if readable else None
        symbol = table.find(within) if table is not None else None
        if symbol is None:
            return Frame(within, UNKNOWN, None, mapping.dso)
        return Frame(within, symbol.name, within - symbol.start, mapping.dso)


def _symbols_of_file(path: str) -> SymbolTable | None:
    # Recordings of the kernel alone need no reader of ELF files.
    from faltcon.perf.elfsyms import symbols_of_file  # noqa: PLC0415

    return symbols_of_file(path)


def _text(body: bytes, at: int) -> str:
    return body[at:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
