"""The load: what to ask of `ab`, and what it answers."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from faltcon.errors import ToolFailedError
from faltcon.lab import process
from faltcon.lab.netns import Namespace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AbLoad", "AbResult", "parse_ab", "run_ab"]

# Time that ab gets beyond the expected before it is taken for stuck.
PATIENCE_S = 120


@dataclass(frozen=True)
class AbLoad:
    """Requests to one URL, each on a connection of its own, by `ab`.

    `namespace` is the client's (None: the machine's own); `cpu` pins ab.
    """

    url: str
    requests: int
    concurrency: int
    namespace: str | None
    cpu: int | None
    keepalive: bool = False

    def command(self) -> list[str]:
        """The whole command line."""
        pin = [] if self.cpu is None else ["taskset", "-c", str(self.cpu)]
        keep = ["-k"] if self.keepalive else []
        words = ["ab", "-q", *keep, "-c", str(self.concurrency), "-n", str(self.requests), self.url]
        return Namespace(self.namespace).wrap([*pin, *words])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class AbResult:
    """What ab prints of a run: time in s, requests, failures, body size in bytes."""

    time_s: float
    complete: int
    failed: int
    document_bytes: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.complete / self.time_s


FIELDS = {
    "time_s": r"^Time taken for tests:\s+([\d.]+) seconds",
    "complete": r"^Complete requests:\s+(\d+)",
    "failed": r"^Failed requests:\s+(\d+)",
    "document_bytes": r"^Document Length:\s+(\d+) bytes",
}


def parse_ab(text: str) -> AbResult:
    """Read ab's report. Raises ToolFailedError when a figure is missing."""
    found = {}
    for name, pattern in FIELDS.items():
        match = re.search(pattern, text, re.MULTILINE)
        if match is None:
            raise ToolFailedError(["ab"], 0, f"{text}\nits report has no {name}")
        found[name] = float(match.group(1))
    return AbResult(
        found["time_s"], int(found["complete"]), int(found["failed"]), int(found["document_bytes"])
    )


def run_ab(load: AbLoad, log: Path) -> AbResult:
    """Run the load, with ab's whole report in the file `log`; returns its figures.

    Raises ToolFailedError when ab fails, a request fails, or not all complete:
    a recording under a broken load would show something else.
    """
    with ExitStack() as stack:
        child = process.start(stack, load.command(), log=log, first=True)
        child.wait(PATIENCE_S)
    result = parse_ab(child.output())
    if result.failed or result.complete != load.requests:
        raise ToolFailedError(
            load.command(), 0, f"{result.failed} failed, {result.complete} of {load.requests} done"
        )
    return result
