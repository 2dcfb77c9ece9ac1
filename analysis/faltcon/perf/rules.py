"""The rule file: which kernel functions say what about a stack.

`rules.toml` beside this module explains the format and holds the rules.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass, field, replace
from fnmatch import translate
from importlib import resources
from pathlib import Path
from typing import Any

from faltcon.errors import FormatError, UsageError
from faltcon.files import reading
from faltcon.perf.renames import other_names

__all__ = ["DEFAULT_VARIANT", "DIRECTIONS", "LAYERS", "PHASES", "Rule", "RuleSet", "Rules", "load"]

DEFAULT_VARIANT = "innermost"
# The rule sets that a breakdown reports side by side.
REPORTED = ("innermost", "inclusive", "paper-like")
DIRECTIONS = ("tx", "rx", "backlog", "call", "deferred")
LAYERS = ("driver", "core", "ip", "tcp", "socket")
CONTEXTS = ("idle", "other")
PHASES = ("establishment", "data", "shutdown", "shared")
SHARED = ("apart", "counted", "data")

_CLASSES = {
    "barrier": (),
    "helper": (),
    "direction": DIRECTIONS,
    "layer": LAYERS,
    "context": CONTEXTS,
    "phase": PHASES,
}
_FIELDS = {"is", "symbols", "except", "leaf", "under", "not_under", "not_over", "why"}
_SUFFIX = re.compile(r"(?:\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)?)+$")
_MEND = "see the head of analysis/faltcon/perf/rules.toml for the format"


def base_name(symbol: str) -> str:
    """A function's name without what a compiler added to it."""
    return _SUFFIX.sub("", symbol) if "." in symbol else symbol


@dataclass(frozen=True)
class Rule:
    """One rule: functions of these names mean this class, under these conditions.

    number: place among the file's rules of its section, from 1 (a variant's
    own rules count on from its name).
    """

    section: str
    number: str
    answer: str
    symbols: tuple[str, ...]
    why: str
    under: tuple[str, ...] = ()
    not_under: tuple[str, ...] = ()
    not_over: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    leaf: bool = False

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _any_of(self.symbols)

    @functools.cached_property
    def _excepted(self) -> re.Pattern[str] | None:
        return _any_of(self.excepted) if self.excepted else None

    @functools.cached_property
    def _under(self) -> re.Pattern[str] | None:
        return _any_of(self.under) if self.under else None

    @functools.cached_property
    def _not_under(self) -> re.Pattern[str] | None:
        return _any_of(self.not_under) if self.not_under else None

    def names(self, symbol: str) -> bool:
        """Whether the rule is about this function (base name)."""
        if self._pattern.match(symbol) is None:
            return False
        return self._excepted is None or self._excepted.match(symbol) is None

    @functools.cached_property
    def _not_over(self) -> re.Pattern[str] | None:
        return _any_of(self.not_over) if self.not_over else None

    def holds(self, outer: tuple[str, ...], inner: tuple[str, ...]) -> bool:
        """Whether the conditions hold with these functions further out, and these further in."""
        if self.leaf and inner:
            return False
        if self._not_over is not None and any(map(self._not_over.match, inner)):
            return False
        if self._under is not None and not any(map(self._under.match, outer)):
            return False
        return self._not_under is None or not any(map(self._not_under.match, outer))


@dataclass(frozen=True)
class RuleSet:
    """The rules of one variant, ready to use."""

    variant: str
    description: str
    shared: str
    phase_of: tuple[str, ...]
    sections: dict[str, tuple[Rule, ...]]
    inclusive: bool = False
    _found: dict[tuple[str, str], tuple[Rule, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def naming(self, section: str, symbol: str) -> tuple[Rule, ...]:
        """The section's rules that are about a function (base name), in the file's order."""
        key = section, symbol
        rules = self._found.get(key)
        if rules is None:
            rules = tuple(rule for rule in self.sections[section] if rule.names(symbol))
            self._found[key] = rules
        return rules


@dataclass(frozen=True)
class Rules:
    """A rule file as read: the base rules and what each variant adds."""

    file: str
    base: dict[str, tuple[Rule, ...]]
    variants: dict[str, dict[str, Any]]

    def variant(self, name: str = DEFAULT_VARIANT) -> RuleSet:
        """The rules of a variant. Raises UsageError for a name that the file does not have."""
        if name not in self.variants:
            known = ", ".join(self.variants)
            raise UsageError(f"no variant {name!r} in {self.file}; it has: {known}")
        entry = self.variants[name]
        own = {
            section: _rules(self.file, section, entry.get(section, []), f"{name}.")
            for section in _CLASSES
        }
        alone = entry.get("alone", [])
        return RuleSet(
            variant=name,
            description=str(entry.get("description", "")),
            shared=entry["shared"],
            phase_of=tuple(entry["phase_of"]),
            sections={
                section: own[section] + (() if section in alone else self.base[section])
                for section in _CLASSES
            },
            inclusive=entry.get("search") == "inclusive",
        )


def load(file: str | Path | None = None) -> Rules:
    """Read a rule file; the project's own when none is named.

    Raises InputError or FormatError, naming the section and rule that are wrong.
    """
    if file is None:
        return _own_rules()
    with reading(file):
        return _read(str(file), Path(file).read_bytes())


@functools.cache
def _own_rules() -> Rules:
    text = resources.files("faltcon.perf").joinpath("rules.toml").read_bytes()
    return _read("rules.toml", text)


def _read(file: str, content: bytes) -> Rules:
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(file, f"is not TOML ({error})", mend=_MEND) from error
    if document.get("format") != 1:
        raise FormatError(file, "does not say `format = 1`", mend=_MEND)
    unknown = document.keys() - _CLASSES.keys() - {"format", "variants"}
    if unknown:
        raise FormatError(file, f"unknown section {min(unknown)}", mend=_MEND)
    base = {section: _rules(file, section, document.get(section, []), "") for section in _CLASSES}
    variants = document.get("variants", {})
    if not isinstance(variants, dict) or DEFAULT_VARIANT not in variants:
        raise FormatError(file, f"has no [variants.{DEFAULT_VARIANT}]", mend=_MEND)
    for name, entry in variants.items():
        _check_variant(file, name, entry)
    return Rules(file, base, variants)


def _check_variant(file: str, name: str, entry: Any) -> None:
    place = f"variants.{name}"
    if not isinstance(entry, dict) or entry.get("shared") not in SHARED:
        raise FormatError(
            file, f"shared must be one of {', '.join(SHARED)}", place=place, mend=_MEND
        )
    phase_of = entry.get("phase_of")
    if not isinstance(phase_of, list) or not set(phase_of) <= set(DIRECTIONS):
        raise FormatError(
            file, f"phase_of must list some of {', '.join(DIRECTIONS)}", place=place, mend=_MEND
        )
    if entry.get("search", "innermost") not in {"innermost", "inclusive"}:
        raise FormatError(file, "search must be innermost or inclusive", place=place, mend=_MEND)
    alone = entry.get("alone", [])
    if not isinstance(alone, list) or not set(alone) <= _CLASSES.keys():
        raise FormatError(file, "alone must list some of the sections", place=place, mend=_MEND)
    for section in entry.keys() - {"description", "shared", "phase_of", "search", "alone"}:
        if section not in _CLASSES:
            raise FormatError(file, f"unknown section {section}", place=place, mend=_MEND)
        _rules(file, section, entry[section], f"{name}.")


def _rules(file: str, section: str, entries: Any, prefix: str) -> tuple[Rule, ...]:
    if not isinstance(entries, list):
        raise FormatError(file, f"{section} is no list of [[{section}]]", mend=_MEND)
    rules = [
        _rule(file, section, entry, f"{prefix}{number}")
        for number, entry in enumerate(entries, start=1)
    ]
    return tuple(_with_renames(rule, rules) for rule in rules)


def _with_renames(rule: Rule, section: list[Rule]) -> Rule:
    """The rule with what other kernels call its functions, unless a rule has that name itself."""

    def elsewhere(symbols: tuple[str, ...]) -> tuple[str, ...]:
        found = dict.fromkeys(name for symbol in symbols for name in other_names(symbol))
        return tuple(name for name in found if name not in symbols)

    symbols = tuple(
        name for name in elsewhere(rule.symbols) if not any(other.names(name) for other in section)
    )
    return replace(
        rule,
        symbols=rule.symbols + symbols,
        under=rule.under + elsewhere(rule.under),
        not_under=rule.not_under + elsewhere(rule.not_under),
        not_over=rule.not_over + elsewhere(rule.not_over),
    )


def _rule(file: str, section: str, entry: Any, number: str) -> Rule:
    place = f"{section} {number}"
    if not isinstance(entry, dict) or entry.keys() - _FIELDS:
        raise FormatError(
            file, f"a rule has only {', '.join(sorted(_FIELDS))}", place=place, mend=_MEND
        )
    answers = _CLASSES[section]
    if answers and entry.get("is") not in answers:
        raise FormatError(
            file, f"`is` must be one of {', '.join(answers)}", place=place, mend=_MEND
        )
    fields = ("symbols", "except", "under", "not_under", "not_over")
    lists = {name: entry.get(name, []) for name in fields}
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise FormatError(file, f"{name} is no list of names", place=place, mend=_MEND)
    if not lists["symbols"] or not isinstance(entry.get("why"), str):
        raise FormatError(file, "a rule needs symbols and a why", place=place, mend=_MEND)
    return Rule(
        section=section,
        number=number,
        answer=str(entry.get("is", "caller" if section == "helper" else "stop")),
        symbols=tuple(lists["symbols"]),
        why=entry["why"],
        under=tuple(lists["under"]),
        not_under=tuple(lists["not_under"]),
        not_over=tuple(lists["not_over"]),
        excepted=tuple(lists["except"]),
        leaf=entry.get("leaf") is True,
    )


def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(name) for name in names))
