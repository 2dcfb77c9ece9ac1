"""Boot a kernel with an initramfs and read its console to the end."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError, UsageError
from faltcon.lab import process
from faltcon.lab.interrupts import guarded
from faltcon.lab.kernel.build import Arch
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from faltcon.lab.kernel.build import Build

__all__ = ["Guest", "command", "run"]

POLL_S = 0.05


@dataclass(frozen=True)
class Guest:
    """How to boot: CPUs, memory, and what QEMU gets besides.

    `icount` counts instructions exactly and needs one CPU; `cpu` is QEMU's model;
    `timeout_s` bounds the whole run and `silence_s` a console that prints nothing;
    `extra` are further QEMU arguments; `append` further words of the kernel's
    command line.
    """

    cpus: int = 2
    memory_mib: int = 1024
    icount: bool = False
    cpu: str = "max"
    timeout_s: float = 7200.0
    silence_s: float = 600.0
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

    Raises ToolFailedError when the guest outlives `guest.timeout_s` or its
    console is silent for `guest.silence_s`; it is ended first.
    """
    if build.variant.checks_itself and guest.icount:
        raise UsageError("a sanitizer build is not for counting")
    program = command(build, initramfs, guest)
    need(program[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    lines: list[str] = []
    began = heard = time.monotonic()

    def follow(stack: ExitStack) -> str:
        """Read the console until the guest has ended; return a last line without its end."""
        nonlocal heard
        child = process.start(stack, program, log=log)
        console = stack.enter_context(log.open(encoding="utf-8", errors="replace", newline="\n"))
        rest = ""
        while True:
            # Asked before reading: what it wrote before it ended is read after it ended.
            ended = child.poll() is not None
            text = console.read()
            *whole, rest = (rest + text).split("\n")
            for line in whole:
                lines.append(line.rstrip("\r"))
                if on_line is not None:
                    on_line(lines[-1])
            now = time.monotonic()
            if text:
                heard = now
            elif ended:
                return rest
            if now - began > guest.timeout_s or now - heard > guest.silence_s:
                raise ToolFailedError(
                    program[:1],
                    -1,
                    f"no end after {now - began:.0f} s, the last {now - heard:.0f} s of them "
                    f"silent; the console is in {log}",
                )
            if not text:
                time.sleep(POLL_S)

    rest = guarded(follow)
    return [*lines, rest] if rest else lines
