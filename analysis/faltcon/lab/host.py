"""What this machine can do: programs, permissions, CPUs, one recording at a time."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import HostError, MissingPermissionError, MissingToolError
from faltcon.lab import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import ExitStack

__all__ = ["alone", "require_cpus", "require_root", "require_tools", "tool_versions"]

# program : Debian package, arguments that make it print its version, where the version stands
TOOLS: dict[str, tuple[str, list[str], str]] = {
    "ab": ("apache2-utils", ["-V"], r"Version (\S+)"),
    "chromium": ("chromium", ["--version"], r"Chromium (\S+)"),
    "curl": ("curl", ["--version"], r"curl (\S+)"),
    "ethtool": ("ethtool", ["--version"], r"version (\S+)"),
    "ip": ("iproute2", ["-V"], r"iproute2-([\d.]+)"),
    "lighttpd": ("lighttpd", ["-v"], r"lighttpd/(\S+)"),
    "nginx": ("nginx-light", ["-v"], r"nginx/(\S+)"),
    "nghttp": ("nghttp2-client", ["--version"], r"nghttp2/(\S+)"),
    "h2load": ("nghttp2-client", ["--version"], r"nghttp2/(\S+)"),
    "nstat": ("iproute2", ["-V"], r"iproute2-([\d.]+)"),
    "openssl": ("openssl", ["version"], r"OpenSSL (\S+)"),
    "perf": ("linux-perf", ["--version"], r"version (\S+)"),
    "qemu-system-x86_64": ("qemu-system-x86", ["--version"], r"version (\S+)"),
    "setpriv": ("util-linux", ["--version"], r"util-linux (\S+)"),
    "sysctl": ("procps", ["--version"], r"procps\S* (\S+)"),
    "taskset": ("util-linux", ["--version"], r"util-linux (\S+)"),
    "tcpdump": ("tcpdump", ["--version"], r"tcpdump version (\S+)"),
    "wrk": ("wrk", ["-v"], r"wrk (\S+)"),
}
# An abstract socket's name: it stands in no folder.
LOCK = "\0faltcon-lab"
# Debian keeps servers and ip in folders that a user's PATH may not name.
ADMIN_FOLDERS = "/usr/sbin:/sbin"


def require_tools(names: Iterable[str]) -> None:
    """Raise MissingToolError, naming the Debian package, for the first that is missing."""
    path = os.environ.get("PATH", "")
    for name in names:
        if shutil.which(name, path=path) is not None:
            continue
        if path and shutil.which(name, path=ADMIN_FOLDERS) is not None:
            os.environ["PATH"] = path = f"{path}:{ADMIN_FOLDERS}"
            continue
        raise MissingToolError(name, TOOLS[name][0])


def tool_versions(names: Iterable[str]) -> dict[str, str]:
    """Version that each program prints of itself; "unknown" where it prints none."""
    versions = {}
    for name in sorted(set(names)):
        _, arguments, pattern = TOOLS[name]
        # Some print it on stderr, some with an exit code of 1.
        answer = process.run([name, *arguments], check=False)
        found = re.search(pattern, answer.stdout + answer.stderr)
        versions[name] = found.group(1) if found else "unknown"
    return versions


def require_root(what: str) -> None:
    """Raise MissingPermissionError unless this process is root."""
    if os.geteuid() != 0:
        raise MissingPermissionError(what, "run the command as root (sudo)")


def require_cpus(wanted: Iterable[int], mend: str) -> None:
    """Raise HostError when one of these CPUs is not ours to use."""
    usable = os.sched_getaffinity(0)
    for cpu in wanted:
        if cpu not in usable:
            have = ", ".join(str(number) for number in sorted(usable))
            raise HostError(f"CPU {cpu} is not available (there is {have}); {mend}")


def alone(stack: ExitStack, *, wait_s: float = 3600, tell: Callable[[str], None]) -> None:
    """Wait until no other recording runs on this machine, then keep others out.

    Two recordings at once would measure each other. The lock is an abstract
    socket: the kernel drops it with its owner and no file stays behind.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stack.callback(lock.close)
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        try:
            lock.bind(LOCK)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise HostError(
                    "another recording is still running; wait for it or stop it"
                ) from error
            if not told:
                tell("another recording is running on this machine; waiting for it")
                told = True
            time.sleep(0.2)
        else:
            return


def process_is_alive(pid: int) -> bool:
    """Whether a process of this number exists."""
    return Path(f"/proc/{pid}").exists()
