"""From a stack to its class: which way, which layer, which part of a connection's life.

Figure 1 of the paper (section 2.2.2) is one such classification; the paper
does not state its rules. Ours are in `rules.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faltcon.perf.rules import RuleSet, base_name, load
from faltcon.perf.samples import UNKNOWN, is_kernel_dso

if TYPE_CHECKING:
    from faltcon.perf.rules import Rule
    from faltcon.perf.samples import Frame

__all__ = [
    "APPLICATION",
    "NONE",
    "UNCLASSIFIED",
    "Classifier",
    "Finding",
    "StackClass",
    "kernel_stack",
]

NONE = "none"
UNCLASSIFIED = "unclassified"
APPLICATION = "application"

# Above this, an address is the kernel's on every 64-bit Linux.
_KERNEL_ADDRESSES = 1 << 63


class StackClass(NamedTuple):
    """What a stack was found to be.

    direction: tx, rx, backlog, call, deferred or none. layer: driver, core,
    ip, tcp, socket, application, idle, other or unclassified. phase: of TCP
    work in the directions that the variant names: establishment, data,
    shutdown, shared or unclassified; else none.
    """

    direction: str
    layer: str
    phase: str


class Finding(NamedTuple):
    """A rule that decided, and the frame (index into the kernel stack) that it named."""

    frame: int
    rule: Rule


def kernel_stack(frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """Base names of the kernel's part of a stack, innermost first; empty in user space."""
    names: list[str] = []
    for frame in frames:
        if not is_kernel_dso(frame.dso) and not (
            frame.dso == UNKNOWN and frame.address >= _KERNEL_ADDRESSES
        ):
            break
        names.append(base_name(frame.symbol))
    return tuple(names)


@dataclass
class Classifier:
    """Classify stacks by one variant of the rules; equal stacks are worked out once."""

    rules: RuleSet = field(default_factory=lambda: load().variant())

    def __post_init__(self) -> None:
        self._by_frames: dict[tuple[Frame, ...], StackClass] = {}
        self._by_names: dict[tuple[str, ...], StackClass] = {}

    def classify(self, frames: tuple[Frame, ...]) -> StackClass:
        """Class of a stack, innermost frame first."""
        found = self._by_frames.get(frames)
        if found is None:
            names = kernel_stack(frames)
            # In the kernel a stack has at least the interrupted function, so an empty one was
            # taken in user space by a recording that keeps the kernel's frames alone.
            found = self.classify_names(names) if names else StackClass(NONE, APPLICATION, NONE)
            self._by_frames[frames] = found
        return found

    def classify_names(self, names: tuple[str, ...]) -> StackClass:
        """Class of a kernel stack given as base names, innermost first."""
        found = self._by_names.get(names)
        if found is None:
            found = self._by_names[names] = self._decide(self.explain(names))
        return found

    def explain(self, names: tuple[str, ...]) -> dict[str, Finding]:
        """Which rule decided in each section: direction, layer, phase, context, barrier."""
        findings: dict[str, Finding] = {}
        for section in ("barrier", "context"):
            finding = self._first(section, names)
            if finding is not None:
                findings[section] = finding
        end = findings["barrier"].frame if "barrier" in findings else len(names)
        inside = names[:end]
        for section in ("direction", "layer", "phase"):
            outermost = section == "phase" and self.rules.inclusive
            finding = self._first(section, inside, outermost=outermost)
            if finding is not None:
                findings[section] = finding
        return findings

    def _first(
        self, section: str, names: tuple[str, ...], *, outermost: bool = False
    ) -> Finding | None:
        order = range(len(names) - 1, -1, -1) if outermost else range(len(names))
        for index in order:
            for rule in self.rules.naming(section, names[index]):
                if rule.holds(names[index + 1 :], names[:index]):
                    return Finding(index, rule)
        return None

    def _decide(self, findings: dict[str, Finding]) -> StackClass:
        found = self._by_search(findings)
        if not self.rules.inclusive:
            return found
        phase = findings.get("phase")
        return found._replace(phase=NONE if phase is None else phase.rule.answer)

    def _by_search(self, findings: dict[str, Finding]) -> StackClass:
        if "layer" not in findings:
            context = findings.get("context")
            if context is not None:
                return StackClass(NONE, context.rule.answer, NONE)
            direction = findings.get("direction")
            way = NONE if direction is None else direction.rule.answer
            return StackClass(way, UNCLASSIFIED, NONE)
        layer = findings["layer"].rule.answer
        direction = findings.get("direction")
        way = NONE if direction is None else direction.rule.answer
        if layer != "tcp" or way not in self.rules.phase_of:
            return StackClass(way, layer, NONE)
        phase = findings.get("phase")
        return StackClass(way, layer, UNCLASSIFIED if phase is None else phase.rule.answer)
