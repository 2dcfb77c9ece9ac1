"""Steps of a long job: each says what it does and how long it takes, and logs what it runs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from faltcon.errors import MissingToolError, ToolFailedError
from faltcon.lab import process
from faltcon.lab.interrupts import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from rich.status import Status

__all__ = ["PACKAGES", "Steps", "need", "which"]

# Debian packages of the programs and header files that this part uses.
PACKAGES = {
    "ab": "apache2-utils",
    "apt-get": "apt",
    "bc": "bc",
    "bison": "bison",
    "busybox": "busybox-static",
    "ccache": "ccache",
    "dpkg-deb": "dpkg",
    "curl": "curl",
    "flex": "flex",
    "gcc": "gcc",
    "git": "git",
    "ldd": "libc-bin",
    "lighttpd": "lighttpd",
    "make": "make",
    "nginx": "nginx-light",
    "perl": "perl",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "sparse": "sparse",
    "tar": "tar",
    "taskset": "util-linux",
    "wrk": "wrk",
    "xz": "xz-utils",
    "/usr/include/libelf.h": "libelf-dev",
}
LOG_TAIL_LINES = 15
# With several jobs, make goes on for a while after the first error; these lines tell it.
ERROR_LINE = re.compile(r"error:|\bError \d|undefined reference|\*\*\*|fatal:|No space left")
ERROR_LINES = 10
POLL_S = 0.2
# Where there is no terminal, how often a step that runs on says so.
TELL_S = 60.0


def which(tool: str) -> str | None:
    """Where a program is, or None. Servers lie where a plain user's shell does not look."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(tool, path=path)


def need(*tools: str) -> None:
    """Raise one MissingToolError that names all of these that are not installed.

    A name that begins with a slash is a file.
    """
    missing = [
        tool for tool in tools if not (Path(tool).exists() if tool.startswith("/") else which(tool))
    ]
    if missing:
        packages = dict.fromkeys(PACKAGES.get(tool, tool) for tool in missing)
        raise MissingToolError(", ".join(missing), " ".join(packages))


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

    def log_of(self, what: str) -> Path:
        """The log file of a step."""
        return self.logs / f"{what.replace(' ', '-').replace('/', '_')}.log"

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

        Its output goes to `logs/<what>.log`; how far that is, is shown while it
        runs. Interrupted, it and what it started end before this does. Raises
        ToolFailedError after showing the log's errors, its end, and where it is.
        """
        need(command[0])
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.log_of(what)
        log.unlink(missing_ok=True)
        self.say(f"{what} ({takes}) ...")
        start = time.monotonic()

        def work(stack: ExitStack) -> int:
            tell = stack.enter_context(self._progress(what))
            child = process.start(stack, command, log=log, env=environment, cwd=cwd)
            while (code := child.poll()) is None:
                time.sleep(POLL_S)
                tell(time.monotonic() - start, log)
            return code

        code = guarded(work)
        seconds = time.monotonic() - start
        if code:
            self._show_failure(what, seconds, log)
            raise ToolFailedError([*command[:3], "..."], code, f"the log is {log}")
        self.say(f"{what}: done in {seconds:.0f} s")
        return seconds

    @contextlib.contextmanager
    def _progress(self, what: str) -> Iterator[_Tell]:
        """Time passed and the log's last line: always in sight on a terminal, else now and then."""
        tell = _Tell(self, what)
        if not self.console.is_terminal:
            yield tell
            return
        with self.console.status(what) as tell.status:
            yield tell

    def _show_failure(self, what: str, seconds: float, log: Path) -> None:
        with log.open(encoding="utf-8", errors="replace") as text:
            lines = [line.rstrip() for line in text]
        tail = deque(lines, LOG_TAIL_LINES)
        errors = [line for line in lines[: -len(tail) or None] if ERROR_LINE.search(line)]
        self.say(f"{what} failed after {seconds:.0f} s.")
        if errors:
            self.say(f"Errors in {log}:")
            self.say("\n".join(errors[:ERROR_LINES]))
        self.say(f"The end of {log}:")
        self.say("\n".join(tail))


class _Tell:
    """Says how far a running step is."""

    def __init__(self, steps: Steps, what: str) -> None:
        self.steps = steps
        self.what = what
        self.status: Status | None = None
        self.told_s = 0.0
        self.lines = 0
        self.read = 0
        self.last = ""

    def __call__(self, seconds: float, log: Path) -> None:
        """Tell the time and the log's length and last line, as often as it is due."""
        if self.status is None and seconds - self.told_s < TELL_S:
            return
        self._follow(log)
        place = f"{int(seconds) // 60}:{int(seconds) % 60:02d}, {self.lines} lines of log"
        text = f"{self.what}: {place}: {self.last[:60]}" if self.last else f"{self.what}: {place}"
        if self.status is not None:
            self.status.update(text.replace("[", r"\["))
            return
        self.told_s = seconds
        self.steps.say(text)

    def _follow(self, log: Path) -> None:
        if not log.exists():
            return
        with log.open("rb") as stream:
            stream.seek(self.read)
            fresh = stream.read()
        whole, newline, _ = fresh.rpartition(b"\n")
        if newline:
            self.read += len(whole) + 1
            self.lines += whole.count(b"\n") + 1
            self.last = whole.rpartition(b"\n")[2].decode("utf-8", "replace").strip()
