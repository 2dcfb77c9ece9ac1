"""Other programs: short ones run to their end, long ones started, watched and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import MissingToolError, ToolFailedError
from faltcon.lab.interrupts import held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

__all__ = ["FIRST_NICENESS", "Child", "put_first", "run", "start"]

GRACE_S = 5.0
POLL_S = 0.01
FIRST_NICENESS = -20
# Should this process be killed outright, its children go with it.
DIE_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    timeout_s: float = 60,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end; signals wait for it.

    Raises ToolFailedError when it fails (with `check`) or takes too long, and
    MissingToolError when it does not exist.
    """
    with held():
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout_s,
                input=stdin,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MissingToolError(command[0], f"the package that holds {command[0]}") from error
        except subprocess.TimeoutExpired as error:
            raise ToolFailedError(command, -1, f"did not end within {timeout_s:g} s") from error
    if check and done.returncode:
        raise ToolFailedError(command, done.returncode, done.stderr or done.stdout)
    return done


@dataclass
class Child:
    """A program that runs beside us, in a process group of its own."""

    command: list[str]
    popen: subprocess.Popen[bytes]
    log: Path
    scheduling: str = "normal"

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def require_running(self) -> None:
        """Raise ToolFailedError with its last words when it has ended."""
        code = self.poll()
        if code is not None:
            raise ToolFailedError(self.command, code, self.output())

    def wait(self, timeout_s: float, *, check: bool = True) -> int:
        """Wait for its end and return its exit code.

        Raises ToolFailedError when it fails (with `check`) or is not done in time.
        """
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise ToolFailedError(
                    self.command, -1, f"{self.output()}\ndid not end within {timeout_s:g} s"
                )
            time.sleep(POLL_S)
        if check and code:
            raise ToolFailedError(self.command, code, self.output())
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, grace_s: float = GRACE_S) -> None:
        """Ask it to end, then make it and everything it started end. Safe to call again."""
        if self.poll() is None:
            self._signal(number)
            deadline = time.monotonic() + grace_s
            while self.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        self._signal(signal.SIGKILL)
        with held():
            self.popen.wait()

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal; nothing happens where it has ended."""
        if self.poll() is None:
            os.kill(self.popen.pid, number)

    def poll(self) -> int | None:
        """Exit code, or None while it runs.

        Popen takes a lock in here: a signal that raises between taking and
        releasing it would leave it taken, and the clean-up would wait for ever.
        """
        with held():
            return self.popen.poll()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            return


def start(
    stack: ExitStack,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    first: bool = False,
) -> Child:
    """Start a program whose output goes to the file `log`; the stack stops it.

    `env` is added to our environment; `first` puts it before other programs.
    Raises MissingToolError.
    """
    full = [*DIE_WITH_US, *command]
    with held(), log.open("ab") as sink:
        try:
            popen = subprocess.Popen(
                full,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MissingToolError(full[0], "util-linux") from error
        child = Child(list(command), popen, log)
        stack.callback(child.stop)
        if first:
            child.scheduling = put_first(popen.pid)
    return child


def put_first(pid: int) -> str:
    """Let a process, and what it will start, run before whatever else the machine does.

    Returns how: "SCHED_RR 1" (sched(7): it takes its CPU at once from any normal
    program), or "nice -20" where a container forbids real-time scheduling.
    """
    # One that has ended already needs no place.
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        try:
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            os.setpriority(os.PRIO_PROCESS, pid, FIRST_NICENESS)
            return f"nice {FIRST_NICENESS}"
    return "SCHED_RR 1"
