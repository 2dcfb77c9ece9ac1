"""Boot a kernel with an initramfs and read its console to the end."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.errors import MissingToolError, ToolFailedError
from faltcon.lab.kernel.build import Arch, Variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faltcon.lab.kernel.build import Build

__all__ = ["Guest", "command", "run"]


@dataclass(frozen=True)
class Guest:
    """How to boot: CPUs, memory, and what QEMU gets besides.

    `icount` counts instructions exactly and needs one CPU; `cpu` is QEMU's model;
    `extra` are further QEMU arguments; `append` further words of the kernel's
    command line.
    """

    cpus: int = 2
    memory_mib: int = 1024
    icount: bool = False
    cpu: str = "max"
    timeout_s: float = 900.0
    extra: tuple[str, ...] = field(default=())
    append: tuple[str, ...] = field(default=())


def command(build: Build, initramfs: Path, guest: Guest) -> list[str]:
    """The program that boots this kernel, with its arguments."""
    if build.arch is Arch.UM:
        # Unpinned, UML's thread moves between CPUs and takes several times as long.
        pin = ["taskset", "-c", "1"] if shutil.which("taskset") else []
        return [
            *pin, str(build.image), f"mem={guest.memory_mib}M", f"initrd={initramfs}", "quiet",
            "con=null", "con0=fd:0,fd:1", "panic=-1", *guest.append,
        ]  # fmt: skip
    words = ["console=ttyS0", "panic=-1", "quiet", "oops=panic", *guest.append]
    count = ["-icount", "shift=0,sleep=off"] if guest.icount else []
    return [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", guest.cpu, "-smp", str(guest.cpus), *count,
        "-m", str(guest.memory_mib), "-nographic", "-nodefaults", "-serial", "stdio",
        "-no-reboot", "-device", "virtio-rng-pci",
        "-kernel", str(build.image), "-initrd", str(initramfs),
        "-append", " ".join(words), *guest.extra,
    ]  # fmt: skip


def run(
    build: Build,
    initramfs: Path,
    guest: Guest,
    log: Path,
    on_line: Callable[[str], None] | None = None,
) -> list[str]:
    """Boot, wait for power-off, and return the console's lines; they are also written to `log`.

    Raises ToolFailedError when the guest outlives `guest.timeout_s`; it is
    ended first.
    """
    program = command(build, initramfs, guest)
    if shutil.which(program[0]) is None:
        raise MissingToolError(program[0], "qemu-system-x86")
    if build.variant is Variant.DEBUG and guest.icount:
        raise ToolFailedError(program[:1], 2, "a sanitizer build is not for counting")
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    start = time.monotonic()
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        watchdog = threading.Timer(guest.timeout_s, process.kill)
        watchdog.start()
        try:
            if process.stdout is not None:
                for line in process.stdout:
                    copy.write(line)
                    lines.append(line.rstrip("\r\n"))
                    if on_line is not None:
                        on_line(lines[-1])
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    if time.monotonic() - start >= guest.timeout_s:
        raise ToolFailedError(
            program[:1], process.returncode, f"no end after {guest.timeout_s:.0f} s; see {log}"
        )
    return lines
