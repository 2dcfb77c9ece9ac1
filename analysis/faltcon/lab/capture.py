"""tcpdump on the server's end of the pair, and its own account of what it lost."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError
from faltcon.lab import process
from faltcon.lab.netns import SERVER_INTERFACE

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from faltcon.lab.netns import Namespace
    from faltcon.lab.process import Child

__all__ = ["Capture", "Counts", "start"]

START_S = 10
# tcpdump may be behind: it gets this long to take what is in its buffer.
CATCH_UP_S = 20
COUNTS = re.compile(
    r"^(\d+) packets captured\n(\d+) packets received by filter\n(\d+) packets dropped by kernel",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Counts:
    """tcpdump's account: packets in its file, that passed its filter, that found no room."""

    captured: int
    received: int
    dropped: int

    @property
    def lost(self) -> int:
        """Packets that the file lacks."""
        return self.received - self.captured + self.dropped


@dataclass(frozen=True)
class Capture:
    """A running tcpdump."""

    child: Child
    file: Path

    def finish(self) -> Counts:
        """End it once it has written all that it received, and return its account.

        Raises ToolFailedError when it lost packets: stopped at once, tcpdump drops
        what is still in its buffer and does not say so.
        """
        deadline = time.monotonic() + CATCH_UP_S
        while time.monotonic() < deadline:
            before = len(_counts(self.child.output()))
            self.child.send(signal.SIGUSR1)
            while len(found := _counts(self.child.output())) == before:
                self.child.require_running()
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            if found and not found[-1].lost:
                break
            time.sleep(0.1)
        self.child.stop(signal.SIGINT, grace_s=CATCH_UP_S)
        text = self.child.output()
        found = _counts(text)
        if not found:
            raise ToolFailedError(self.child.command, -1, f"{text}\ndoes not say what it captured")
        if found[-1].lost:
            raise ToolFailedError(
                self.child.command, -1, f"lost {found[-1].lost} of {found[-1].received} packets"
            )
        return found[-1]


def _counts(text: str) -> list[Counts]:
    return [Counts(*map(int, found)) for found in COUNTS.findall(text)]


def start(stack: ExitStack, where: Namespace, scratch: Path) -> Capture:
    """Capture every TCP packet whole on the server's interface of a namespace."""
    file = scratch / "capture.pcap"
    command = ["tcpdump", "-i", SERVER_INTERFACE, "-n", "-s", "0", "-Z", "root"]
    # A buffer that holds what comes while the other CPU is busy.
    command += ["-B", "65536", "-w", str(file), "tcp"]
    child = process.start(stack, where.wrap(command), log=scratch / "tcpdump.log", first=True)
    deadline = time.monotonic() + START_S
    while "listening on" not in child.output():
        child.require_running()
        if time.monotonic() > deadline:
            raise ToolFailedError(command, -1, f"{child.output()}\ndid not begin to listen")
        time.sleep(0.02)
    return Capture(child, file)
