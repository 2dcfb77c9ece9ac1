"""The bottleneck recordings as tables: each profile read once, sorted by every rule variant.

Between `faltcon.perf`, which knows files, and the chapter on Figure 1, which
knows runs: which set-up, which response size, which repetition.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faltcon import paths, provenance
from faltcon.errors import FormatError
from faltcon.perf import rules, tables
from faltcon.perf.breakdown import Breakdown, break_down
from faltcon.perf.classify import Classifier
from faltcon.perf.fasttext import read_script
from faltcon.perf.fold import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


__all__ = ["Profile", "folded", "functions_of", "load", "phase_of_all", "read", "shares"]

EXPERIMENT = "bottleneck"
SCRIPT = "perf-script.txt.zst"


@dataclass(frozen=True)
class Profile:
    """One recorded run with its classes by every variant of the rules.

    setup: how client and server were joined (napi, veth, loopback).
    response_bytes: size of the response's body. connections_per_s: as the load
    generator counted. other_share: the part of the samples (0 to 1) that the
    recorder found in programs without a part in the run. stacks: kernel stacks,
    folded, to their number.
    """

    run: str
    origin: str
    setup: str
    response_bytes: int
    repetition: int
    connections_per_s: float
    other_share: float
    breakdowns: dict[str, Breakdown]
    stacks: Counter[str]


def load(
    root: Path | None = None, *, setup: str | None = None, response_bytes: int | None = None
) -> list[Profile]:
    """Every recorded profile (of one set-up, of one response size), in order of the run's name.

    root: folder of recordings, data/raw if left out. Raises UsageError where
    there are none and InputError for a run that cannot be read.
    """
    folders = provenance.runs(paths.raw_dir() if root is None else root, EXPERIMENT)
    classifiers = {name: Classifier(rules.load().variant(name)) for name in rules.load().variants}
    found = []
    for folder in folders:
        document = provenance.load(folder)
        parameters = document["parameters"]
        if setup is not None and parameters.get("variant") != setup:
            continue
        if response_bytes is not None and parameters.get("response_bytes") != response_bytes:
            continue
        found.append(read(folder, classifiers))
    return found


def read(folder: Path, classifiers: dict[str, Classifier]) -> Profile:
    """One run's profile. Raises FormatError where its provenance lacks a parameter."""
    document = provenance.load(folder)
    parameters, results = document["parameters"], document.get("results", {})
    for name, place in (
        ("variant", parameters),
        ("response_bytes", parameters),
        ("connections_per_second", results),
        ("samples", results),
        ("samples_other_programs", results),
    ):
        if name not in place:
            raise FormatError(folder / provenance.FILE_NAME, f"says no {name}")
    # Many files one after the other: the compiled reader's start-up is paid once.
    profile = read_script(folder / SCRIPT)
    folder_of_stacks = Folder()
    for tally in profile.tallies:
        folder_of_stacks.add(tally)
    breakdowns = {}
    for name, classifier in classifiers.items():
        breakdowns[name] = break_down(profile.tallies, classifier, file=folder.name)
        breakdowns[name].skipped = profile.skipped
    return Profile(
        run=folder.name,
        origin=document["origin"],
        setup=str(parameters["variant"]),
        response_bytes=int(parameters["response_bytes"]),
        repetition=int(document["repetition"]),
        connections_per_s=float(results["connections_per_second"]),
        other_share=results["samples_other_programs"] / results["samples"],
        breakdowns=breakdowns,
        stacks=folder_of_stacks.stacks,
    )


def shares(profiles: Iterable[Profile], variants: Sequence[str] | None = None) -> pd.DataFrame:
    """Phase shares of TCP's receive work: one row a run, rule variant and phase.

    Columns run, setup, response_bytes, variant, phase, share (0 to 1).
    """
    parts = []
    for profile in profiles:
        for variant, breakdown in profile.breakdowns.items():
            if variants is None or variant in variants:
                part = tables.phase_shares({profile.run: breakdown})
                parts.append(
                    part.assign(setup=profile.setup, response_bytes=profile.response_bytes)
                )
    return pd.concat(parts, ignore_index=True)


def phase_of_all(profiles: Iterable[Profile], variant: str) -> pd.DataFrame:
    """Phases as shares of *all* sampled time that was not idle: columns run, phase, share.

    What Amdahl's rule asks for, and Figure 1 does not give.
    """
    rows = []
    for profile in profiles:
        breakdown = profile.breakdowns[variant]
        busy = breakdown.weight - breakdown.by("layer")["idle"]
        sums = breakdown.by("phase")
        rows += [
            {"run": profile.run, "phase": phase, "share": sums[phase] / busy}
            for phase in rules.PHASES
        ]
    return pd.DataFrame(rows, columns=["run", "phase", "share"])


def folded(profiles: Iterable[Profile]) -> Counter[str]:
    """The stacks of all these runs together, in the runs' unit of weight.

    The polling threads' names end in a number that changes with each run; it is left out.
    """
    total: Counter[str] = Counter()
    for profile in profiles:
        for stack, weight in profile.stacks.items():
            total[re.sub(r"^(napi/\w+)-\d+", r"\1", stack)] += weight
    return total


def functions_of(stacks: Iterable[str], variant: str = rules.DEFAULT_VARIANT) -> dict[str, str]:
    """For each function of these folded stacks the layer that it would have by itself.

    Only for colours: the classification looks at whole stacks.
    """
    classifier = Classifier(rules.load().variant(variant))
    names = {name for stack in stacks for name in stack.split(";")[1:]}
    found = {}
    for name in names:
        found[name] = classifier.classify_names((rules.base_name(name),)).layer
    return found
