"""`kernel/buckets.toml`: which part of the work a kernel function is, for the plugin."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.counts import OTHERS
from faltcon.errors import FormatError
from faltcon.files import reading, write_text
from faltcon.lab.kernel.base import kernel_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Buckets", "entries", "load", "symbols", "write_list"]

OPENS, CLOSES = 1, 2
# What an interrupt or exception enters the kernel by (arch/x86/entry/entry_64.S): a function
# of its own, or one of the stubs that lie 8 bytes apart and jump to a common one.
ENTRY_PREFIX = "asm_"
COMMON = ("asm_common_interrupt", "asm_spurious_interrupt")
STUBS = ("irq_entries_start", "spurious_entries_start")
STUB_BYTES, STUB_COUNT = 8, 236
# Where a kernel with retpolines has the code that its indirect calls go through, one entry a
# register (arch/x86/lib/retpoline.S).
THUNKS, THUNK_PREFIX, THUNK_BYTES = "__x86_indirect_thunk_array", "__x86_indirect_thunk_", 32


@dataclass(frozen=True)
class Buckets:
    """Names of the buckets, `others` first, and for each function which one it begins.

    `opens` and `closes` are the window's functions; `cpu` is QEMU's -cpu.
    `within` has those of `functions` that count only in a call of another one:
    the name ("f in g") to f and g.
    """

    names: tuple[str, ...]
    functions: Mapping[str, str]
    opens: tuple[str, ...]
    closes: tuple[str, ...]
    cpu: str
    within: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[str, ...]:
        """What the plugin counts apart: every function by itself, `others` first.

        So a recording can be put into other buckets later.
        """
        return (OTHERS, *self.functions)


def load(file: Path | None = None) -> Buckets:
    """Read the bucket file. Raises FormatError naming what it lacks or says twice."""
    file = file or kernel_dir() / "buckets.toml"
    with reading(file):
        text = file.read_text("utf-8")
    try:
        document = tomllib.loads(text)
        opens, closes = document["window"]["open"], document["window"]["close"]
        buckets, cpu = document["buckets"], document["guest"]["cpu"]
        inner = {
            f"{name} in {of['caller']}": (name, of["caller"], of["bucket"])
            for name, of in document.get("within", {}).items()
        }
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="restore it from git") from error
    except (KeyError, TypeError) as error:
        raise FormatError(file, f"lacks {error}", mend="restore it from git") from error
    functions: dict[str, str] = {}
    for bucket, names in buckets.items():
        for name in names:
            if name in functions:
                raise FormatError(file, f"has {name} in {functions[name]} and in {bucket}")
            functions[name] = bucket
    for name, (called, caller, bucket) in inner.items():
        if caller not in functions or called in functions or bucket not in (OTHERS, *buckets):
            raise FormatError(file, f"{name}: no such function or bucket", place=f"within.{called}")
        functions[name] = bucket
    names = tuple(dict.fromkeys((OTHERS, *buckets)))
    within = {name: (called, caller) for name, (called, caller, _) in inner.items()}
    return Buckets(names, functions, tuple(opens), tuple(closes), cpu, within)


def symbols(system_map: Path) -> dict[str, int]:
    """Addresses of the text symbols of a System.map. A name that occurs twice is left out."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    with reading(system_map):
        text = system_map.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if len(fields) != 3:
            raise FormatError(system_map, "is no System.map", place=f"line {number}")
        address, kind, name = fields
        if kind not in "tT":
            continue
        if name in found:
            twice.add(name)
        found[name] = int(address, 16)
    for name in twice:
        del found[name]
    return found


def write_list(buckets: Buckets, system_map: Path, target: Path) -> list[str]:
    """Write the plugin's list for one kernel; return the functions that this kernel has not."""
    addresses = symbols(system_map)
    lines: list[str] = []
    absent: list[str] = []
    wanted = {name: (number, 0) for number, name in enumerate(buckets.regions) if number}
    wanted |= dict.fromkeys(buckets.opens, (0, OPENS))
    wanted |= dict.fromkeys(buckets.closes, (0, CLOSES))
    number = {name: region for region, name in enumerate(buckets.regions)}
    for name, (region, flags) in sorted(wanted.items()):
        called, caller = buckets.within.get(name, (name, ""))
        if called in addresses:
            inside = f" {number[caller]}" if caller else ""
            lines.append(f"{addresses[called]:x} {region} {flags}{inside}")
        else:
            absent.append(name)
    missing = [name for name in (*buckets.opens, *buckets.closes) if name in absent]
    if missing:
        raise FormatError(system_map, f"has no {missing[0]}; the window cannot be found")
    lines += [f"interrupt {address:x}" for address in entries(addresses)]
    thunks = [a for name, a in addresses.items() if name.startswith(THUNK_PREFIX)]
    if THUNKS in addresses:
        lines.append(f"thunk {addresses[THUNKS]:x} {max(thunks) + THUNK_BYTES:x}")
    write_text(target, "\n".join(lines) + "\n")
    return absent


def entries(addresses: Mapping[str, int]) -> list[int]:
    """First instructions of interrupt and exception entries, of a kernel with these symbols."""
    found = [
        address
        for name, address in addresses.items()
        if name.startswith(ENTRY_PREFIX) and name not in COMMON
    ]
    for name in STUBS:
        start = addresses.get(name)
        if start is not None:
            found += range(start, start + STUB_BYTES * STUB_COUNT, STUB_BYTES)
    return sorted(found)
