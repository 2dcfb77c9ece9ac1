"""What the accounting counter wrote: executed guest instructions by stage and by function.

The counter is kernel/plugin/faltcon_account.c; the stages are named in
kernel/stages.toml. One interval is what was executed between two marks of the
client in the guest: a warm-up, a phase, a warm-up, and so on. Phases are told by
function, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.errors import EmptyInputError, FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "CLIENT",
    "CONSOLE",
    "COUNTS",
    "GIVEN",
    "NOT_THE_SERVERS",
    "OTHERS",
    "STAGES",
    "STRAY_SHARE",
    "USER",
    "WINDOW",
    "Interval",
    "check",
    "parse",
    "read_boot",
    "strays",
]

OTHERS, USER, CLIENT = GIVEN = ("others", "user space", "client")
# What the guest executed, but no server on a machine of its own would have to.
NOT_THE_SERVERS = frozenset({CLIENT, "idle", "tick"})
COUNTS, STAGES, CONSOLE = "counts.txt.zst", "stages.txt", "console.log.zst"
# The stage of Figure 3, here as the server's stages have it.
WINDOW = "TCP: SYN to SYNACK"
# Functions of the device that only its user, the client, calls.
CLIENTS_OWN = (
    "tun_chr_read_iter", "tun_chr_write_iter", "tun_get_user", "tun_do_read", "tun_build_skb",
    "hrtimer_nanosleep", "common_nsleep",
)  # fmt: skip
# Of TCP's instructions, the share that may be found with the client's: those of a packet that a
# timer's interrupt cut in two.
STRAY_SHARE = 0.005
# Of the packets, how many an interrupt may cut in two.
CUT_SHARE = 0.02
INTERVAL = re.compile(r"interval (\d+) lost (\d+)")
STAGE = re.compile(r"stage (\d+) instructions (\d+) calls (\d+)")
FUNCTION = re.compile(r"function (\S+) (\d+)")


@dataclass
class Interval:
    """Instructions between two marks.

    stages: by stage; functions: of a phase, by stage, then by function; calls:
    how often each stage was entered; lost: returns that the counter could not
    follow.
    """

    lost: int
    stages: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    functions: dict[str, dict[str, int]] = field(default_factory=dict)

    def server(self) -> int:
        """Instructions that are the server's."""
        return sum(n for name, n in self.stages.items() if name not in NOT_THE_SERVERS)


def parse(text: str, names: Sequence[str], file: Path) -> list[Interval]:
    """The intervals that the counter wrote, in order.

    names: of the stages, from 0; file: for messages. Raises FormatError for a
    line that is not the counter's or sums that do not add up, EmptyInputError
    for none.
    """
    found: list[Interval] = []
    stage = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if (match := FUNCTION.fullmatch(line)) and stage:
            of = found[-1].functions.setdefault(stage, {})
            # Two functions may have one name.
            of[match[1]] = of.get(match[1], 0) + int(match[2])
        elif match := INTERVAL.fullmatch(line):
            if int(match[1]) != len(found):
                raise FormatError(file, "an interval is missing", place=f"line {number}")
            found.append(Interval(int(match[2])))
            stage = ""
        elif (match := STAGE.fullmatch(line)) and found and int(match[1]) < len(names):
            stage = names[int(match[1])]
            found[-1].stages[stage] = int(match[2])
            found[-1].calls[stage] = int(match[3])
        else:
            raise FormatError(file, "is not the counter's output", place=f"line {number}")
    if not found:
        raise EmptyInputError(file, "holds no interval", mend="record it again")
    for at, interval in enumerate(found):
        for name, of in interval.functions.items():
            if sum(of.values()) != interval.stages[name]:
                raise FormatError(file, f"{name} and its functions differ", place=f"interval {at}")
    return found


def read_boot(text: str, names: Sequence[str], phases: int, file: Path) -> list[Interval]:
    """The intervals of one boot with so many phases: two for each, one for time-wait, the end.

    Raises FormatError for output of another length or with a line that is not the counter's.
    """
    found = parse(text, names, file)
    if len(found) != 2 * phases + 2:
        raise FormatError(
            file, f"{len(found)} intervals for {phases} phases", mend="record it again"
        )
    return found


def strays(counts: Interval) -> tuple[int, float]:
    """How well a phase keeps client and server apart, by the functions executed.

    Returns the instructions of the device's user side found with the server
    (there should be none) and the share of TCP's instructions that was counted as
    the client's, which has no TCP in the kernel.
    """
    own, theirs, all_of_tcp = 0, 0, 0
    for stage, functions in counts.functions.items():
        for name, number in functions.items():
            tcp = name.removeprefix("__").startswith(("tcp_", "inet_csk_"))
            all_of_tcp += number if tcp else 0
            theirs += number if tcp and stage in NOT_THE_SERVERS else 0
            own += number if stage not in NOT_THE_SERVERS and _is_clients(name) else 0
    return own, theirs / all_of_tcp if all_of_tcp else 0.0


def _is_clients(name: str) -> bool:
    return name.partition(".")[0] in CLIENTS_OWN


def check(found: Sequence[Interval], connections: int, file: Path) -> None:
    """Raise FormatError where a boot's counts cannot be the server's and all of the server's."""
    for number, counts in enumerate(found[1:-2:2], start=1):
        own, share = strays(counts)
        place = f"phase {number}"
        if own:
            raise FormatError(file, f"{own} of the client's instructions are counted", place=place)
        if share > STRAY_SHARE:
            raise FormatError(file, f"{share:.2%} of TCP counted as the client's", place=place)
        if abs(counts.calls.get(WINDOW, 0) - connections) > CUT_SHARE * connections:
            raise FormatError(file, "as many SYNs as connections there are not", place=place)
        if not counts.stages.get(CLIENT):
            raise FormatError(file, "the client was not told apart", place=place)
