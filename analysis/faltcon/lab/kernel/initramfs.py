"""A guest's whole file system: busybox, the test programs, an init script, as a cpio archive."""

from __future__ import annotations

import gzip
import io
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from faltcon.errors import MissingToolError
from faltcon.files import write_bytes
from faltcon.lab.kernel.base import kernel_dir, work_dir
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faltcon.lab.kernel.steps import Steps

__all__ = ["DRIVE_SOURCES", "END_MARK", "START_MARK", "Entry", "compile_program", "make", "newc"]

DRIVE_SOURCES = ("drive.c", "harness.c", "net.c", "raw.c")
START_MARK = "faltcon-guest: start"
END_MARK = "faltcon-guest: end"
APPLETS = (
    "awk", "cat", "cmp", "cut", "dmesg", "echo", "grep", "head", "ifconfig", "ip", "ls", "mkdir",
    "mount", "poweroff", "rm", "seq", "sh", "sleep", "tail", "true", "uname", "wc",
)  # fmt: skip
INIT = f"""#!/bin/sh
mkdir -p /proc /sys /dev /tmp /run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
exec </dev/null >/dev/console 2>&1
ip link set lo up
echo
echo {START_MARK}
. /run.sh
echo
echo {END_MARK}
poweroff -f
"""


@dataclass(frozen=True)
class Entry:
    """One file of the archive. `mode` has the type bits; `device` is (major, minor)."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def newc(entries: Sequence[Entry]) -> bytes:
    """A cpio archive of the form `newc`, as the kernel's initramfs unpacker reads it."""
    out = io.BytesIO()
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        fields = (
            number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0,
        )  # fmt: skip
        out.write(b"070701" + "".join(f"{value:08X}" for value in fields).encode())
        out.write(name)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(entry.content)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def _busybox() -> bytes:
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if path.exists():
            return path.read_bytes()
    raise MissingToolError("busybox", "busybox-static")


def compile_program(name: str, sources: Sequence[str], steps: Steps) -> Path:
    """Compile a static program for the guest from `kernel/tests`; nothing to do if unchanged."""
    need("gcc")
    folder = kernel_dir() / "tests"
    target = work_dir() / "guest" / name
    inputs = [folder / source for source in sources]
    newest = max(path.stat().st_mtime for path in [*inputs, *folder.glob("*.h")])
    if target.exists() and target.stat().st_mtime > newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-static", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    # By their names alone, or the program would hold the path of this clone.
    command = ["gcc", *flags, "-o", str(target), *sources]
    steps.run(f"compile {name}", "seconds", command, cwd=folder)
    return target


def make(
    target: Path,
    run: str,
    programs: Mapping[str, Path],
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an initramfs that runs the shell lines `run` and powers off.

    `programs` go to /bin under their names, `files` to their paths, executable
    all. The archive's bytes depend on its contents alone.
    """
    folder, file, link = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777
    entries = [Entry(name, folder) for name in ("bin", "dev", "proc", "sys", "tmp")]
    entries.append(Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
    entries.append(Entry("dev/null", stat.S_IFCHR | 0o666, device=(1, 3)))
    entries.append(Entry("bin/busybox", file, _busybox()))
    entries += [Entry(f"bin/{applet}", link, b"busybox") for applet in APPLETS]
    entries += [Entry(f"bin/{name}", file, path.read_bytes()) for name, path in programs.items()]
    made = {entry.name for entry in entries}
    for path, content in sorted((files or {}).items()):
        name = path.lstrip("/")
        above = [str(parent) for parent in reversed(PurePosixPath(name).parents)][1:]
        entries += [Entry(parent, folder) for parent in above if parent not in made]
        made.update(above)
        entries.append(Entry(name, file, content))
    entries.append(Entry("init", file, INIT.encode()))
    entries.append(Entry("run.sh", stat.S_IFREG | 0o644, (run.rstrip() + "\n").encode()))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, gzip.compress(newc(entries), compresslevel=1, mtime=0))
    return target
