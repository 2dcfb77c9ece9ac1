"""Where a profile's cycles go: sums by class, and the shares with their denominators.

The paper's Figure 1 (section 2.2.2): shares of layers in TX and in RX, and
shares of the phases in TCP's part of RX.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from faltcon.perf.classify import APPLICATION, NONE, UNCLASSIFIED, Classifier, kernel_stack
from faltcon.perf.rules import CONTEXTS, DIRECTIONS, LAYERS, PHASES, REPORTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faltcon.perf.classify import StackClass
    from faltcon.perf.rules import Rules
    from faltcon.perf.samples import Sample
    from faltcon.perf.tally import Tally

__all__ = ["Breakdown", "break_down", "phases_by_rule_set", "summary", "weight_unit"]

Part = Literal["direction", "layer", "phase"]

_ALL_LAYERS = (*LAYERS, APPLICATION, *CONTEXTS, UNCLASSIFIED)
_CLOCKS = ("cpu-clock", "task-clock")
_MOST_RESIDUAL_STACKS = 20


@dataclass
class Breakdown:
    """Sums over one file's samples of one event.

    weights and samples_by_class: by StackClass. residual: innermost kernel
    function of each stack that is unclassified in layer or phase, to its
    weight. skipped: reason to count of what could not be used. throttled: how
    often the kernel held sampling back. rule_sets: phase_shares under each rule
    set that is reported beside the chosen variant.
    """

    file: str
    variant: str
    shared: str
    phase_of: tuple[str, ...]
    event: str | None = None
    weight_unit: str = "samples"
    weights: Counter[StackClass] = field(default_factory=Counter)
    samples_by_class: Counter[StackClass] = field(default_factory=Counter)
    residual: Counter[str] = field(default_factory=Counter)
    other_events: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    inclusive: bool = False
    rule_sets: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.samples_by_class.total()

    @property
    def weight(self) -> int:
        """Their weight, in weight_unit."""
        return self.weights.total()

    def by(self, part: Part, direction: str | None = None) -> Counter[str]:
        """Weight by direction, layer or phase; of all samples or of one direction's."""
        sums: Counter[str] = Counter()
        for found, weight in self.weights.items():
            if direction is None or found.direction == direction:
                sums[getattr(found, part)] += weight
        return sums

    def phase_shares(self) -> dict[str, float]:
        """The paper's Figure 1b by this variant's rule: phase to share; sums to one.

        What becomes of shared work is the variant's choice: left out, a part
        of its own, or data. Empty where no TCP work was sampled.
        """
        sums = self.by("phase")
        phases = {phase: sums[phase] for phase in PHASES}
        shared = phases.pop("shared")
        if self.shared == "counted":
            phases["shared"] = shared
        elif self.shared == "data":
            phases["data"] += shared
        whole = sum(phases.values())
        return {phase: weight / whole for phase, weight in phases.items()} if whole else {}


def break_down(
    samples: Iterable[Sample | Tally],
    classifier: Classifier,
    *,
    file: str,
    event: str | None = None,
) -> Breakdown:
    """Sum the samples of one event (the first that is seen, unless named) by class."""
    rules = classifier.rules
    result = Breakdown(file, rules.variant, rules.shared, rules.phase_of, event=event)
    result.inclusive = rules.inclusive
    with_period = False
    for sample in samples:
        if sample.event is not None:
            if result.event is None:
                result.event = sample.event
            elif sample.event != result.event:
                result.other_events[sample.event] += sample.samples
                continue
        with_period = with_period or sample.with_period
        found = classifier.classify(sample.frames)
        result.weights[found] += sample.weight
        result.samples_by_class[found] += sample.samples
        if UNCLASSIFIED in (found.layer, found.phase):
            names = kernel_stack(sample.frames)
            result.residual[names[0] if names else "(no stack)"] += sample.weight
    result.weight_unit = weight_unit(result.event, with_period=with_period)
    return result


def summary(breakdown: Breakdown) -> dict[str, Any]:
    """The JSON form: every share stands beside what it is a share `of`."""
    whole = breakdown.weight
    layers = breakdown.by("layer")
    document: dict[str, Any] = {
        "file": breakdown.file,
        "event": breakdown.event,
        "variant": breakdown.variant,
        "samples": breakdown.samples,
        "weight": whole,
        "weight_unit": breakdown.weight_unit,
    }
    for direction in (*DIRECTIONS, NONE):
        document[direction] = _direction(breakdown, direction)
    document["layers"] = {
        layer: _part(layers[layer], whole, "weight of all samples") for layer in _ALL_LAYERS
    }
    document["phases"] = _phases(breakdown)
    document["rule_sets"] = breakdown.rule_sets
    document["unclassified"] = _part(layers[UNCLASSIFIED], whole, "weight of all samples") | {
        "innermost": dict(breakdown.residual.most_common(_MOST_RESIDUAL_STACKS))
    }
    document["other_events"] = dict(breakdown.other_events)
    document["skipped_lines"] = breakdown.skipped.total()
    document["skipped"] = dict(breakdown.skipped)
    document["throttled"] = breakdown.throttled
    document["error"] = None
    return document


def phases_by_rule_set(
    tallies: Iterable[Sample | Tally], rules: Rules, event: str | None
) -> dict[str, dict[str, float]]:
    """Phase shares under each rule set that is reported, as far as the file has it."""
    kept = list(tallies)
    return {
        name: break_down(kept, Classifier(rules.variant(name)), file="", event=event).phase_shares()
        for name in REPORTED
        if name in rules.variants
    }


def _direction(breakdown: Breakdown, direction: str) -> dict[str, Any]:
    weights = breakdown.by("layer", direction)
    whole = weights.total()
    document = _part(whole, breakdown.weight, "weight of all samples")
    for layer in _ALL_LAYERS:
        if weights[layer] or layer in LAYERS:
            document[layer] = _part(weights[layer], whole, f"weight of {direction} samples")
    return document


def _phases(breakdown: Breakdown) -> dict[str, Any]:
    shares = breakdown.phase_shares()
    of = f"tcp weight of {' and '.join(breakdown.phase_of)} samples"
    if breakdown.inclusive:
        of = "weight of samples under a phase's functions"
    sums = breakdown.by("phase")
    del sums[NONE]
    whole = sums.total()
    choice = {
        "apart": "classified phases without shared",
        "counted": "classified phases with shared",
        "data": "classified phases, shared counted as data",
    }[breakdown.shared]
    document: dict[str, Any] = {
        "weight": whole,
        "of": of,
        "shared_is": breakdown.shared,
    }
    for phase in (*PHASES, UNCLASSIFIED):
        entry = _part(sums[phase], whole, of)
        if phase in shares:
            entry["share_by_rule"] = shares[phase]
            entry["by_rule_of"] = choice
        document[phase] = entry
    return document


def _part(weight: int, whole: int, of: str) -> dict[str, Any]:
    return {"weight": weight, "share": weight / whole if whole else None, "of": of}


def weight_unit(event: str | None, *, with_period: bool) -> str:
    """Unit of a period of this event: ns, cycles or events; samples where none was given."""
    if not with_period:
        return "samples"
    name = (event or "").split(":")[0]
    if name in _CLOCKS:
        return "ns"
    return "cycles" if "cycles" in name else "events"
