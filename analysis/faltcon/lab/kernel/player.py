"""A guest that plays sequences: many in one boot, asked for over its second serial line."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError
from faltcon.lab.kernel import initramfs
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.build import build
from faltcon.lab.kernel.guest import Guest, run
from faltcon.model import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.played import Play
    from faltcon.lab.kernel.steps import Steps

__all__ = ["SOURCES", "Late", "Player", "with_player"]

SOURCES = ("player.c", "harness.c", "net.c", "raw.c")
BOOT_S = 300.0
ANSWER_S = 300.0
POLL_S = 0.2


class Late(Exception):  # noqa: N818  no error: the sequence is played again
    """The guest was not at its step in the step's jiffy, so that nothing can be compared."""


class Player:
    """The line to the guest. Not for two threads at once."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._text = line.makefile("r", encoding="ascii", newline="\n")

    def ready(self) -> None:
        """Wait for the guest's first word."""
        self._line.settimeout(BOOT_S)
        while self._read().strip() != "ready":
            pass
        self._line.settimeout(ANSWER_S)

    def play(self, play: Play) -> list[Mapping[str, int]]:
        """The kernel's shared counters after each step.

        Raises Late, or ToolFailedError when the guest could not do a step or is gone.
        """
        self._line.sendall("".join(f"{line}\n" for line in play.lines()).encode())
        found: list[Mapping[str, int]] = []
        while not (text := self._read()).startswith((".", "!")):
            _, *values = map(int, text.split())
            found.append(dict(zip(SHARED, values, strict=True)))
        if text.startswith("! late"):
            raise Late(text)
        if text.startswith("!") or len(found) != len(play.steps):
            raise ToolFailedError(["player"], 1, f"{text.strip()}\n{play}")
        return found

    def end(self) -> None:
        """Let the guest power off."""
        with contextlib.suppress(OSError):
            self._line.sendall(b"Q\n")

    def _read(self) -> str:
        try:
            text = self._text.readline()
        except OSError as error:
            raise ToolFailedError(["player"], -1, f"the guest does not answer: {error}") from error
        if not text:
            raise ToolFailedError(["player"], -1, "the guest has ended; see its console's log")
        return text


def with_player(what: Build, steps: Steps, work: Callable[[Player], None]) -> None:
    """Build, boot, and call `work` with the guest's player, in a thread of its own.

    Instructions are counted, so that the guest's time passes with what it does
    and not with what this machine does; that takes one CPU. What `work` raises
    is raised here.
    """
    build(what, steps)
    program = initramfs.compile_program("player", SOURCES, steps)
    archive = initramfs.make(
        work_dir() / "guest" / f"{what.name}-player.initramfs.gz", "player", {"player": program}
    )
    log = what.folder / "logs" / "console-player.log"
    raised: list[BaseException] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line"
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(path))
        server.listen(1)
        over = threading.Event()

        def talk() -> None:
            try:
                line = _accepted(server, over)
                if line is None:
                    return
                with line:
                    player = Player(line)
                    player.ready()
                    try:
                        work(player)
                    finally:
                        player.end()
            except BaseException as error:  # noqa: BLE001  handed to the caller's thread
                raised.append(error)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        guest = Guest(
            cpus=1,
            icount=True,
            memory_mib=512,
            # It prints nothing between its first line and its last.
            silence_s=7200.0,
            extra=("-serial", f"unix:{path}"),
        )
        steps.say(f"boot {what.name} to play in it (the console goes to {log}) ...")
        try:
            run(what, archive, guest, log)
        finally:
            over.set()
            thread.join(ANSWER_S)
            server.close()
    if raised:
        raise raised[0]


def _accepted(server: socket.socket, over: threading.Event) -> socket.socket | None:
    """QEMU's end of the line, or None when it ended before it came."""
    server.settimeout(POLL_S)
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            return server.accept()[0]
    return None
