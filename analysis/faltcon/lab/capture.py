"""tcpdump on the server's end of the pair, and its own account of what it lost."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass, replace
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
# A closing connection may still send: the account has to stand still for this long.
SETTLED_S = 0.5
# One line when asked by a signal, three lines at the end.
COUNTS = re.compile(
    r"(\d+) packets? captured(?:, |\n)(\d+) packets? received by filter(?:, |\n)"
    r"(\d+) packets? dropped by kernel"
)


@dataclass(frozen=True)
class Counts:
    """tcpdump's account: packets in its file, that passed its filter, that found no room."""

    captured: int
    received: int
    dropped: int

    @property
    def lost(self) -> int:
        """Packets that the file lacks; what was dropped may be among the received or not."""
        return max(self.received - self.captured, self.dropped)

    def without(self, foreign: int) -> Counts:
        """The account without packets that were received before the filter was set."""
        return replace(self, received=self.received - foreign)


@dataclass(frozen=True)
class Capture:
    """A running tcpdump."""

    child: Child
    file: Path
    # Between opening its socket and setting its filter tcpdump counts every packet as
    # received, those that its filter then refuses among them.
    foreign: int = 0

    def account(self, deadline: float) -> Counts | None:
        """What it says of now; None when it says nothing until the deadline."""
        before = len(_counts(self.child.output()))
        self.child.send(signal.SIGUSR1)
        while len(said := _counts(self.child.output())) == before:
            self.child.require_running()
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        return said[-1].without(self.foreign)

    def finish(self) -> Counts:
        """End it once it has written all that it received, and return its account.

        Raises ToolFailedError when it lost packets: stopped at once, tcpdump drops
        what is still in its buffer and does not say so.
        """
        deadline = time.monotonic() + CATCH_UP_S
        last = None
        while time.monotonic() < deadline:
            now = self.account(deadline)
            if now is not None and not now.lost and now == last:
                break
            last = now
            time.sleep(SETTLED_S)
        self.child.stop(signal.SIGINT, grace_s=CATCH_UP_S)
        text = self.child.output()
        found = _counts(text)
        if not found:
            raise ToolFailedError(self.child.command, -1, f"{text}\ndoes not say what it captured")
        final = found[-1].without(self.foreign)
        if final.lost:
            raise ToolFailedError(
                self.child.command, -1, f"lost {final.lost} of {final.received} packets"
            )
        return final


def _counts(text: str) -> list[Counts]:
    return [Counts(*map(int, found)) for found in COUNTS.findall(text)]


def start(stack: ExitStack, where: Namespace, scratch: Path) -> Capture:
    """Capture every TCP packet whole on the server's interface of a namespace.

    Call it before the load: what tcpdump has received but not captured by then is
    taken for packets that are not the load's.
    """
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
    before = Capture(child, file).account(deadline)
    if before is None:
        raise ToolFailedError(command, -1, f"{child.output()}\ndoes not say what it captured")
    return Capture(child, file, foreign=before.received - before.captured)
