"""Why a stack is in its class: the rules that name a function, and what they did in a profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.perf.classify import NONE, UNCLASSIFIED, Classifier, StackClass, kernel_stack
from faltcon.perf.rules import base_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faltcon.perf.rules import Rule, RuleSet
    from faltcon.perf.samples import Sample
    from faltcon.perf.tally import Tally

__all__ = ["Account", "account_of", "rules_naming", "unnamed_symbols"]

_SECTIONS = ("barrier", "direction", "layer", "context", "phase", "helper")


@dataclass
class Account:
    """What became of the stacks that hold a function.

    classes: weight by class. deciding: for each section, weight by the rule
    that decided and the function that it named. weight: of all these stacks.
    """

    symbol: str
    weight: int = 0
    classes: Counter[StackClass] = field(default_factory=Counter)
    deciding: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)


def rules_naming(rules: RuleSet, symbol: str) -> list[Rule]:
    """All rules about a function, section by section, in the order in which they are tried."""
    name = base_name(symbol)
    return [rule for section in _SECTIONS for rule in rules.naming(section, name)]


def account_of(samples: Iterable[Sample | Tally], symbol: str, classifier: Classifier) -> Account:
    """Follow the stacks of a profile that hold the function anywhere."""
    account = Account(base_name(symbol))
    for sample in samples:
        names = kernel_stack(sample.frames)
        if account.symbol not in names:
            continue
        account.weight += sample.weight
        account.classes[classifier.classify_names(names)] += sample.weight
        for section, finding in classifier.explain(names).items():
            label = f"{section} {finding.rule.number}"
            account.rules[label] = finding.rule
            decided = account.deciding.setdefault(section, Counter())
            decided[label, names[finding.frame]] += sample.weight
    return account


def unnamed_symbols(
    samples: Iterable[Sample | Tally], classifier: Classifier
) -> tuple[Counter[str], int]:
    """Innermost functions of stacks that no rule gives a layer or phase, and the whole weight.

    Helpers that inherit their caller's class are named by no rule either, but
    their stacks have a class, so they are not counted here.
    """
    unnamed: Counter[str] = Counter()
    whole = 0
    for sample in samples:
        whole += sample.weight
        found = classifier.classify(sample.frames)
        if UNCLASSIFIED in (found.layer, found.phase):
            names = kernel_stack(sample.frames)
            unnamed[names[0] if names else NONE] += sample.weight
    return unnamed, whole
