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

__all__ = ["Capture", "start"]

START_S = 10
# The last packets may still be on their way to tcpdump when the load has ended.
SETTLE_S = 0.5


@dataclass(frozen=True)
class Capture:
    """A running tcpdump."""

    child: Child
    file: Path

    def finish(self) -> tuple[int, int]:
        """End it; returns packets captured and packets that the kernel dropped."""
        time.sleep(SETTLE_S)
        self.child.require_running()
        self.child.stop(signal.SIGINT)
        text = self.child.output()
        numbers = []
        for what in ("packets captured", "packets dropped by kernel"):
            found = re.search(rf"^(\d+) {what}", text, re.MULTILINE)
            if found is None:
                raise ToolFailedError(self.child.command, -1, f"{text}\nsays nothing of {what}")
            numbers.append(int(found.group(1)))
        return numbers[0], numbers[1]


def start(stack: ExitStack, where: Namespace, scratch: Path) -> Capture:
    """Capture every TCP packet whole on the server's interface of a namespace."""
    file = scratch / "capture.pcap"
    command = ["tcpdump", "-i", SERVER_INTERFACE, "-n", "-s", "0", "-Z", "root"]
    # A buffer that holds what comes while the other CPU is busy.
    command += ["-B", "65536", "-w", str(file), "tcp"]
    child = process.start(stack, where.wrap(command), log=scratch / "tcpdump.log")
    deadline = time.monotonic() + START_S
    while "listening on" not in child.output():
        child.require_running()
        if time.monotonic() > deadline:
            raise ToolFailedError(command, -1, f"{child.output()}\ndid not begin to listen")
        time.sleep(0.02)
    return Capture(child, file)
