"""What one sample of a profile is, whichever file it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["UNKNOWN", "Frame", "Sample", "is_kernel_dso"]

UNKNOWN = "[unknown]"

# perf writes kernel code in brackets; these bracketed names are user memory all the same.
_USER_BRACKETS = ("[unknown]", "[vdso]", "[vsyscall]", "[heap]", "[stack", "[anon", "[uprobes]")


class Frame(NamedTuple):
    """One call frame.

    address: as perf prints it (kernel: the virtual address; user: mostly the
    offset in the file). symbol: `[unknown]` where perf found none. offset:
    bytes into the symbol, None where the text does not say. dso: file, module
    or `[kernel.kallsyms]` that holds the code.
    """

    address: int
    symbol: str
    offset: int | None
    dso: str


@dataclass(slots=True)
class Sample:
    """One sample: who was running, when, on which event, and the stack, innermost frame first.

    pid is None where the text carries one number only (that is the thread).
    time_s: seconds on perf's clock. period: how much of the event the sample
    stands for, in the event's unit (ns for cpu-clock, cycles for cycles); None
    where the text does not say.
    """

    comm: str
    pid: int | None
    tid: int
    cpu: int | None
    time_s: float | None
    event: str | None
    period: int | None
    frames: tuple[Frame, ...]

    @property
    def weight(self) -> int:
        """What the sample counts for: its period, or one where none is given."""
        return self.period or 1

    @property
    def samples(self) -> int:
        """One: a sample can be used wherever a tally of equal samples can."""
        return 1

    @property
    def with_period(self) -> bool:
        """Whether the recording says how much the sample stands for."""
        return self.period is not None


def is_kernel_dso(dso: str) -> bool:
    """Whether code of this dso runs in the kernel (image or module)."""
    if dso.startswith("["):
        return not dso.startswith(_USER_BRACKETS)
    return (
        dso.endswith((".ko", ".ko.xz", ".ko.zst", ".ko.gz")) or "vmlinux" in dso.rsplit("/", 1)[-1]
    )
