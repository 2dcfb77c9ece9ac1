"""Folded stacks: one line a distinct stack, `comm;outermost;…;innermost weight`.

The lines are those of FlameGraph's stackcollapse-perf.pl, byte for byte, so
that either can feed the same tools: same names, same annotations, same order.
Known differences, all in favour of the recording: a comm that holds a number
as a word, or has one letter, is kept whole; a frame on the header's own line counts; samples
of another event are left out also where a tracepoint's payload follows the
event's name.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.perf.samples import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from faltcon.perf.samples import Frame, Sample
    from faltcon.perf.tally import Tally

__all__ = ["FoldOptions", "Folder", "fold", "folded_bytes"]

_KERNEL = re.compile(r"^\[|vmlinux$")
_JIT = re.compile(r"/tmp/perf-\d+\.map")  # noqa: S108  where perf looks for a JIT's symbols
_GO_METHOD = re.compile(r"\.\(.*\)\.")
_ARGUMENTS = re.compile(r"\((?!anonymous namespace\)).*", re.DOTALL)
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_RUST_ESCAPE = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C)\$")
_RUST_CODE = re.compile(r"\$u([0-9a-f]{2})\$")
_RUST_SIGNS = {
    "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ",",
}  # fmt: skip
_MOST_TEXTS = 1 << 16
_QUOTES = str.maketrans("", "", "\"'")


@dataclass(frozen=True)
class FoldOptions:
    """What to add to names, and which samples to take.

    pid, tid: process, or process and thread, beside comm (`?` for a process
    that the text does not name). kernel, jit: `_[k]` after kernel functions,
    `_[j]` after functions of a perf map. addrs: the address beside unknown
    functions. event: take samples of this event only; None takes the first
    event seen (adding up different events means nothing).
    """

    pid: bool = False
    tid: bool = False
    kernel: bool = False
    jit: bool = False
    addrs: bool = False
    event: str | None = None


@dataclass
class Folder:
    """Add samples one by one; `stacks` maps each folded stack to its weight."""

    options: FoldOptions = field(default_factory=FoldOptions)
    other_events: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._event = self.options.event
        self.with_period = False  # whether any sample said how much it stands for
        self._folded: Counter[str] = Counter()
        self._names: dict[tuple[Frame, bool], tuple[str, ...]] = {}
        # By identity, which is looked up faster than a frame: the frame, and its text.
        self._texts: dict[tuple[int, bool], tuple[Frame, str]] = {}

    def add(self, sample: Sample | Tally) -> bool:
        """Count a sample or a tally; False where it is of another event than the one taken."""
        if sample.event is not None:
            if self._event is None:
                self._event = sample.event
            elif sample.event != self._event:
                self.other_events[sample.event] += sample.samples
                return False
        self.with_period = self.with_period or sample.with_period
        root = self._root(sample)
        self._folded[self._joined(root, sample.frames, java=root == "java")] += sample.weight
        return True

    @property
    def event(self) -> str | None:
        """The event whose samples are taken; None before the first names one."""
        return self._event

    @property
    def stacks(self) -> Counter[str]:
        """Folded stack to weight, in no order."""
        return self._folded.copy()

    def stack_of(self, sample: Sample) -> str:
        """The sample's stack alone, folded, without comm and without counting it."""
        return self._joined("", sample.frames, java=sample.comm == "java")[1:]

    def _joined(self, root: str, frames: tuple[Frame, ...], *, java: bool) -> str:
        parts = [root]
        for frame in reversed(frames):
            known = self._texts.get((id(frame), java))
            if known is None:
                if len(self._texts) >= _MOST_TEXTS:
                    self._texts.clear()
                text = "".join(f";{name}" for name in self._frame_names(frame, java=java))
                # Kept with its text, the frame cannot give its identity to another one.
                known = self._texts[id(frame), java] = frame, text
            parts.append(known[1])
        return "".join(parts)

    def _root(self, sample: Sample | Tally) -> str:
        root = sample.comm
        process = "?" if sample.pid is None else sample.pid
        if self.options.tid:
            root = f"{root}-{process}/{sample.tid}"
        elif self.options.pid:
            root = f"{root}-{process}"
        return root.replace(" ", "_")

    def _frame_names(self, frame: Frame, *, java: bool) -> tuple[str, ...]:
        key = frame, java
        names = self._names.get(key)
        if names is None:
            names = self._names[key] = _names(frame, self.options, java=java)
        return names


def fold(samples: Iterable[Sample | Tally], options: FoldOptions | None = None) -> Counter[str]:
    """Folded stack to summed weight (the event's unit, or samples where no period is given)."""
    folder = Folder(options or FoldOptions())
    for sample in samples:
        folder.add(sample)
    return folder.stacks


def folded_bytes(stacks: Mapping[str, int]) -> bytes:
    """The folded file: one `stack weight` a line, sorted by the stack's bytes."""
    lines = [(stack.encode("utf-8", "surrogateescape"), weight) for stack, weight in stacks.items()]
    return b"".join(b"%s %d\n" % line for line in sorted(lines))


def _names(frame: Frame, options: FoldOptions, *, java: bool) -> tuple[str, ...]:
    """Names of a frame, outermost first: several where a JVM agent wrote `caller->inlined`."""
    symbol, dso = frame.symbol or " ", frame.dso
    if " (" in dso:
        # The collapse takes the last parenthesis for the dso, also in `(/memfd:x (deleted))`.
        symbol, _, dso = f"{symbol} ({dso})".rpartition(" (")
        dso = dso.rstrip(")")
    if symbol.startswith("("):
        return ()
    names: list[str] = []
    for part in _split_inlined(symbol):
        name = part
        if name == UNKNOWN:
            # The file says more than nothing.
            name = "unknown" if dso == UNKNOWN else dso.rsplit("/", 1)[-1]
            name = f"[{name} <{frame.address:x}>]" if options.addrs else f"[{name}]"
        name = name.replace(";", ":")
        if not _GO_METHOD.search(name):
            name = _ARGUMENTS.sub("", name)
        name = _mend_rust(name.translate(_QUOTES))
        if java and "/" in name:
            name = name.removeprefix("L")
        if names:
            name = name if "_[i]" in name else f"{name}_[i]"
        elif options.kernel and _KERNEL.search(dso) and "unknown" not in dso:
            name = f"{name}_[k]"
        elif options.jit and _JIT.search(dso):
            name = f"{name}_[j]"
        names.append(name)
    return tuple(names)


def _mend_rust(name: str) -> str:
    """Undo Rust's escapes where perf's demangler left a name half done, and drop its hash."""
    if not _RUST_HASH.search(name):
        return name
    name = _RUST_HASH.sub("", name).replace("..", "::")
    name = _RUST_ESCAPE.sub(lambda match: _RUST_SIGNS.get(match[1], match[0]), name)
    return _RUST_CODE.sub(lambda match: chr(int(match[1], 16)), name)


def _split_inlined(symbol: str) -> list[str]:
    parts = symbol.split("->")
    while parts and not parts[-1]:
        parts.pop()  # `operator->` is a name, not a call into nothing
    return parts
