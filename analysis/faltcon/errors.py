"""Every error that this project raises on purpose.

    FaltconError                 exit  meaning
    ├── UsageError                 2   the command line asks for something that makes no sense
    ├── InputError                 1   a file is not what it should be
    │   ├── FormatError            1   not the format that was asked for or expected
    │   ├── EmptyInputError        1   nothing in the file could be used
    │   ├── TruncatedInputError    1   the file ends before its first usable record
    │   └── ProvenanceError        1   a recording does not match its provenance
    ├── CheckFailedError           1   a check ran and its answer is no
    ├── HostError                  3   this machine lacks something
    │   ├── MissingToolError       3   a program is not installed
    │   ├── MissingPermissionError 3   root or a capability is needed
    │   ├── KernelFeatureError     3   the running kernel cannot do what is asked
    │   └── PortInUseError         3   something else listens on the port
    ├── ToolFailedError            4   a program that we ran failed
    └── InterruptedRunError      130   stopped by Ctrl-C or SIGTERM, after cleaning up

Exit 0 is success; 70 is an error that we did not foresee (a bug: the command
prints how to report it). Each message is one line: what, where, and the mend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

__all__ = [
    "CheckFailedError",
    "EmptyInputError",
    "FaltconError",
    "FormatError",
    "HostError",
    "InputError",
    "InterruptedRunError",
    "KernelFeatureError",
    "MissingPermissionError",
    "MissingToolError",
    "PortInUseError",
    "ProvenanceError",
    "ToolFailedError",
    "TruncatedInputError",
    "UsageError",
]


class FaltconError(Exception):
    """Base of all errors that a user of this project can meet."""

    exit_code: ClassVar[int] = 1


class UsageError(FaltconError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class InputError(FaltconError):
    """A file is not what it should be.

    `file` is the path as the user gave it; `place` says where in it (a line, a
    byte offset, a field) or is empty; `problem` says what is wrong and `mend`
    what to do about it.
    """

    def __init__(
        self, file: str | PathLike[str], problem: str, *, place: str = "", mend: str = ""
    ) -> None:
        self.file = str(file)
        self.place = place
        self.problem = problem
        self.mend = mend
        where = f"{self.file} ({place})" if place else self.file
        super().__init__(f"{where}: {problem}" + (f"; {mend}" if mend else ""))


class FormatError(InputError):
    """Not the format that was asked for or expected."""


class EmptyInputError(InputError):
    """Nothing in the file could be used."""


class TruncatedInputError(InputError):
    """The file ends before its first usable record."""


class ProvenanceError(InputError):
    """A recording does not match its provenance."""


class CheckFailedError(FaltconError):
    """A check ran to its end and its answer is no."""


class HostError(FaltconError):
    """This machine lacks something that the command needs."""

    exit_code = 3


class MissingToolError(HostError):
    """A program is not installed; `package` is the Debian package that holds it.

    Several at once: their names with commas between, and their packages with spaces.
    """

    def __init__(self, tool: str, package: str) -> None:
        self.tool = tool
        self.package = package
        verb = "are" if ", " in tool else "is"
        super().__init__(f"{tool} {verb} not installed; on Debian: apt-get install {package}")


class MissingPermissionError(HostError):
    """Root or a capability is needed."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"not permitted: {what}; {mend}")


class KernelFeatureError(HostError):
    """The running kernel cannot do what is asked."""

    def __init__(self, feature: str, mend: str) -> None:
        super().__init__(f"this kernel has no {feature}; {mend}")


class PortInUseError(HostError):
    """Something else listens on the port that a server needs."""

    def __init__(self, port: int, where: str) -> None:
        self.port = port
        super().__init__(
            f"port {port} is in use in {where}; stop what listens there or choose another port"
        )


class ToolFailedError(FaltconError):
    """A program that we ran failed; the message holds the end of what it printed."""

    exit_code = 4

    def __init__(self, command: Sequence[str], returncode: int, output: str) -> None:
        self.command = list(command)
        self.returncode = returncode
        tail = " | ".join(line.strip() for line in output.strip().splitlines()[-3:])
        super().__init__(
            f"{' '.join(self.command)} ended with code {returncode}"
            + (f": {tail}" if tail else " and printed nothing")
        )


class InterruptedRunError(FaltconError):
    """Stopped by Ctrl-C or SIGTERM, after cleaning up."""

    exit_code = 130
