"""Steps of a long job: each says what it does and how long it takes, and logs what it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Console

from faltcon.errors import MissingToolError, ToolFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["PACKAGES", "Steps", "need"]

# Debian packages of the programs that this part runs.
PACKAGES = {
    "apt-get": "apt",
    "bc": "bc",
    "bison": "bison",
    "ccache": "ccache",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "flex": "flex",
    "gcc": "gcc",
    "git": "git",
    "make": "make",
    "qemu-system-x86_64": "qemu-system-x86",
    "tar": "tar",
    "taskset": "util-linux",
    "xz": "xz-utils",
}
LOG_TAIL_LINES = 25


def need(*tools: str) -> None:
    """Raise MissingToolError for the first of these programs that is not installed."""
    for tool in tools:
        if shutil.which(tool) is None:
            raise MissingToolError(tool, PACKAGES.get(tool, tool))


class Steps:
    """Announces steps on stderr and runs their programs, with a log file each.

    `logs` is the folder of the log files; it is made when first needed.
    """

    def __init__(self, logs: Path, console: Console | None = None) -> None:
        self.logs = logs
        self.console = console or Console(stderr=True, soft_wrap=True, highlight=False)

    def say(self, text: str) -> None:
        """Print one line for the user."""
        self.console.print(text, markup=False)

    def run(
        self,
        what: str,
        takes: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> float:
        """Run one program to its end and return its seconds.

        Its output goes to `logs/<what>.log`. Raises ToolFailedError after
        showing the end of the log and where it is.
        """
        need(command[0])
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{what.replace(' ', '-').replace('/', '_')}.log"
        self.say(f"{what} ({takes}) ...")
        start = time.monotonic()
        with log.open("wb") as stream:
            done = subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        seconds = time.monotonic() - start
        if done.returncode:
            with log.open(encoding="utf-8", errors="replace") as text:
                tail = list(deque(text, LOG_TAIL_LINES))
            self.say(f"{what} failed after {seconds:.0f} s. The end of {log}:")
            self.say("".join(tail).rstrip())
            raise ToolFailedError([*command[:3], "..."], done.returncode, f"the log is {log}")
        self.say(f"{what}: done in {seconds:.0f} s")
        return seconds
