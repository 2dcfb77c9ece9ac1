"""What the chapter on the design shows: the paper's tables, the model played in words, traces.

Each function returns a table (pandas) or a trace; the chapter prints and draws.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pandas as pd

from faltcon import paths
from faltcon.errors import FormatError
from faltcon.files import reading
from faltcon.model import SHARED, script, words
from faltcon.model.policy import WindowKind
from faltcon.model.scenarios import play
from faltcon.model.script import Event
from faltcon.model.window import Window
from faltcon.simulate import inputs, sweep, twin
from faltcon.simulate.replay import SERIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faltcon.model import Policy
    from faltcon.simulate.trace import Trace

__all__ = ["over_time", "recorded", "related_work", "states", "walk", "window_counts"]

RELATED_COLUMNS = {
    "name": "Work",
    "approach": "Approach",
    "hardware_offloading": "Hardware offloading",
    "in_kernel_optimization": "In-kernel optimization",
    "data_path_optimization": "Data path",
    "control_path_optimization": "Control path",
    "kernel_compatibility": "Kernel compatibility",
    "requires_specialized_hw": "Specialized hardware",
    "section_2_1": "The text says",
}


def related_work() -> pd.DataFrame:
    """Table 1 of the paper, a row a work, and what section 2.1 says of it.

    Columns: RELATED_COLUMNS' names and Remark. Raises FormatError.
    """
    file = paths.paper_dir() / "table1.toml"
    rows = []
    for number, work in enumerate(_tables(file, "work"), start=1):
        missing = (RELATED_COLUMNS.keys() | {"agrees"}) - work.keys()
        if missing:
            raise FormatError(file, f"lacks {', '.join(sorted(missing))}", place=f"work {number}")
        row = {heading: work[key] for key, heading in RELATED_COLUMNS.items()}
        if "reference" in work:
            row["Work"] = f"{work['name']} [{work['reference']}]"
        rows.append({**row, "Remark": work.get("remark", "")})
    return pd.DataFrame(rows)


def states() -> pd.DataFrame:
    """Table 2 of the paper, a row a kind of states; shares are per cent of their structure's."""
    file = paths.paper_dir() / "table2.toml"
    return pd.DataFrame(
        {
            "Structure": entry["structure"],
            "States": "reusable" if entry["reusable"] else "not reusable",
            "What": entry["what"],
            "Fields that the paper names": ", ".join(entry["fields"]),
            "Share (%)": entry["share"],
        }
        for entry in _tables(file, "states")
    )


def _tables(file: Path, name: str) -> list[dict[str, Any]]:
    with reading(file):
        text = file.read_text("utf-8")
    try:
        found = tomllib.loads(text).get(name)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="restore it from git") from error
    if not isinstance(found, list) or not found:
        raise FormatError(file, f"has no [[{name}]] tables", mend="restore it from git")
    return found


def walk(lines: str, **parameters: int) -> pd.DataFrame:
    """Play a script (`faltcon.model.script`) and tell what happens, a row an event.

    parameters: any of `script.PARAMETERS`; the others are as in
    kernel/scenarios.toml. Raises FormatError or UsageError for a bad script.
    """
    with script.DEFAULT_FILE.open("rb") as stream:
        defaults = tomllib.load(stream)["defaults"]
    table = {"name": "a__walk", "shows": "the model", "script": lines, **parameters}
    (scenario,) = script.parse({"defaults": defaults, "scenario": [table]})
    rows = []
    before = dict.fromkeys(SHARED, 0)
    for outcome in play(scenario):
        step, now = outcome.step, outcome.counters
        who = "" if step.event is Event.TIMER else f"client {chr(ord('A') + step.key)}: "
        rows.append(
            {
                "Time (ms)": step.at_ms,
                "What happens": f"{who}{words.HAPPENS[step.event]}",
                "What FALTCON does": words.told(step.event, before, now),
                "f-pairs": now["f_pairs"],
                "Requests kept": now["objects"],
                "SYNACKs kept": now["synacks"],
            }
        )
        before = dict(now)
    return pd.DataFrame(rows)


def window_counts(moments_s: Sequence[float], policy: Policy) -> pd.DataFrame:
    """Connections at these times as each kind of window counts them, a row a time.

    Columns: `Time (s)` and, for each kind, its count; above k_t it says f-pair.
    """
    second = 1_000_000_000
    columns: dict[str, list[Any]] = {"Time (s)": list(moments_s)}
    for kind in WindowKind:
        chosen = type(policy)(k_t=policy.k_t, window_ns=policy.window_ns, window_kind=kind)
        window = Window(chosen, int(moments_s[0] * second))
        told = []
        for moment in moments_s:
            now = int(moment * second)
            window.roll(now, 0)
            window.add(now)
            told.append(f"{window.count}{': f-pair' if window.count > policy.k_t else ''}")
        columns[str(kind).capitalize()] = told
    return pd.DataFrame(columns)


def recorded(scenario: str) -> Trace:
    """The trace of a recording, data/raw/traffic/<scenario>. Raises InputError."""
    return inputs.load(str(paths.raw_dir() / "traffic" / scenario / "capture.pcap.zst")).trace


def over_time(trace: Trace, policy: Policy, cores: int, *, every_s: float) -> pd.DataFrame:
    """What the archive holds, sampled: a row each `every_s` seconds.

    Columns: `time_s`, `nodes`, `f_pairs`, `objects`, `synacks` (pieces) and
    `hit_share` of the handshakes since the row before, missing where none were.
    """
    sample_ns = int(every_s * sweep.SECOND)
    result = twin.run(trace, trace.steer(cores), policy, sample_ns=sample_ns)
    frame = pd.DataFrame(result.series, columns=list(SERIES))
    grown = frame[["lookups", "hits"]].diff()
    frame["hit_share"] = (grown["hits"] / grown["lookups"]).where(grown["lookups"] > 0)
    frame.insert(0, "time_s", frame.index * every_s)
    return frame
