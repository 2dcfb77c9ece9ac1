"""The recordings of Figure 4 as tables: a server's instructions for whole connections.

Between `faltcon.stages`, which knows the counter's output, and the chapter,
which knows arms, servers and layouts. Section 4.3 of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import zstandard

from faltcon import paths, provenance, stages
from faltcon.errors import FormatError, UsageError
from faltcon.files import reading
from faltcon.stages import COUNTS, NOT_THE_SERVERS, STAGES, WINDOW
from faltcon.stats import interval

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from faltcon.stages import Interval
    from faltcon.stats import Estimate

__all__ = [
    "ARMS",
    "EXPERIMENTS",
    "TIMERS",
    "Phase",
    "changes",
    "costs",
    "load",
    "rates",
    "savings",
    "stage_table",
    "time_wait",
]

EXPERIMENTS = ("fig4a", "fig4b")
ARMS = ("stock", "level0", "level2", "level3")
# Time-wait sockets end a minute after their connection: counted over all phases of a boot.
TIMERS = "timers"


@dataclass(frozen=True)
class Phase:
    """One phase of a recorded boot.

    arm: stock or level0 to level3; value: rounds of work (server accept) or
    bytes of the answer (nginx); counts: of the phase, all connections;
    connections: how many; time_wait: instructions a connection for the end of
    its time-wait socket, the same for all of an experiment (see `time_wait`).
    """

    experiment: str
    run: str
    origin: str
    arm: str
    layout: int
    concurrent: int
    server: str
    value: int
    connections: int
    counts: Interval
    time_wait: float

    def stages(self) -> dict[str, float]:
        """The server's instructions a connection, by stage."""
        found = {
            name: total / self.connections
            for name, total in self.counts.stages.items()
            if name not in NOT_THE_SERVERS
        }
        found[TIMERS] = found.get(TIMERS, 0.0) + self.time_wait
        return found


def load(experiment: str, root: Path | None = None) -> list[Phase]:
    """Every recorded phase of `fig4a` or `fig4b`, in order of run and place.

    root: folder of recordings, data/raw if left out. Raises UsageError where
    there are none and InputError for a run that cannot be read.
    """
    if experiment not in EXPERIMENTS:
        raise UsageError(f"no experiment {experiment!r}; there are: {', '.join(EXPERIMENTS)}")
    folders = provenance.runs(paths.raw_dir() if root is None else root, experiment)
    boots = [_read(folder, experiment) for folder in folders]
    each = time_wait([(boot.made, boot.gone) for boot in boots])
    return [replace(phase, time_wait=each) for boot in boots for phase in boot.phases]


def time_wait(boots: Iterable[tuple[int, int]]) -> float:
    """Instructions for the end of one time-wait socket.

    boots: for each, connections made, and what timers took while the client
    waited for the last time-wait socket to go. The wait itself has a cost, the
    same for every boot; so the slope over boots with different numbers of
    connections is taken, and the quotient where all have the same number.
    """
    made, gone = np.array(list(boots), dtype=np.float64).T
    if np.ptp(made) == 0:
        return float(np.mean(gone / made))
    return float(np.polyfit(made, gone, 1)[0])


@dataclass(frozen=True)
class _Boot:
    """A boot's phases; connections made, warm-ups among them; the wait's instructions in timers."""

    phases: list[Phase]
    made: int
    gone: int


def _read(folder: Path, experiment: str) -> _Boot:
    document = provenance.load(folder)
    parameters = document["parameters"]
    for name in ("kernel", "layout", "concurrent", "connections", "phases"):
        if name not in parameters:
            raise FormatError(folder / provenance.FILE_NAME, f"says no {name}")
    words = [word.split(",") for word in str(parameters["phases"]).split()]
    file = folder / COUNTS
    with reading(file):
        packed = file.read_bytes()
    try:
        text = zstandard.ZstdDecompressor().decompress(packed).decode("utf-8", errors="replace")
    except zstandard.ZstdError as error:
        raise FormatError(file, f"cannot be unpacked ({error})", mend="record it again") from error
    with reading(folder / STAGES):
        names = (folder / STAGES).read_text("utf-8").splitlines()
    found = stages.read_boot(text, names, len(words), file)
    connections = int(parameters["connections"])
    every = len(words) * connections
    # Warm-ups are not counted apart; they are as many for each phase, and known by the calls.
    gone = found[2 * len(words)].stages.get(TIMERS, 0)
    made = sum(one.calls.get(WINDOW, 0) for one in found[: 2 * len(words)])
    if made < every:
        raise FormatError(file, f"{made} SYNs for {every} connections", mend="record it again")
    phases = [
        Phase(
            experiment=experiment,
            run=folder.name,
            origin=document["origin"],
            arm="stock" if parameters["kernel"] == "stock" else f"level{level}",
            layout=int(parameters["layout"]),
            concurrent=int(parameters["concurrent"]),
            server=server,
            value=int(value),
            connections=connections,
            counts=found[2 * place + 1],
            time_wait=0.0,
        )
        for place, (level, server, value) in enumerate(words)
    ]
    return _Boot(phases, made, gone)


def costs(phases: Iterable[Phase]) -> pd.DataFrame:
    """What a connection costs the server: one row a phase.

    Columns experiment, run, arm, layout, server, value, instructions (a
    connection), window (those from SYN to SYNACK), user (in user space).
    """
    rows = [
        {
            "experiment": p.experiment,
            "run": p.run,
            "arm": p.arm,
            "layout": p.layout,
            "server": p.server,
            "value": p.value,
            "instructions": sum(of.values()),
            "window": of[WINDOW],
            "user": of[stages.USER],
        }
        for p in phases
        if (of := p.stages())
    ]
    return pd.DataFrame(rows)


def stage_table(phases: Iterable[Phase], server: str, value: int) -> pd.DataFrame:
    """Instructions a connection by stage (index) and arm (columns), median over layouts."""
    rows = [
        {"arm": p.arm, "stage": name, "layout": p.layout, "instructions": number}
        for p in phases
        if (p.server, p.value) == (server, value)
        for name, number in p.stages().items()
    ]
    if not rows:
        raise UsageError(f"no recording of {server} with {value}")
    wide = pd.DataFrame(rows).pivot_table(
        index="stage", columns="arm", values="instructions", aggfunc="median"
    )
    wide = wide.reindex(columns=[arm for arm in ARMS if arm in wide])
    return wide.fillna(0.0).sort_values("stock", ascending=False)


def _pairs(table: pd.DataFrame, arm: str, column: str = "instructions") -> pd.DataFrame:
    """Stock's and an arm's values side by side, for every layout and point that both have."""
    keys = ["layout", "server", "value"]
    stock, ours = (
        table[table["arm"] == name].set_index(keys)[column].rename(name) for name in ("stock", arm)
    )
    joined = pd.concat([stock, ours], axis=1, join="inner")
    if joined.empty:
        raise UsageError(f"{arm} and stock were not recorded in the same layouts")
    return joined


def rates(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Connections a second against stock, at the same work a second: C_stock / C_arm - 1.

    The server is taken to be busy, and an instruction to take the same time
    everywhere. One row a layout and point, column `gain`.
    """
    joined = _pairs(table, arm)
    return (joined["stock"] / joined[arm] - 1).rename("gain").reset_index()


def savings(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Instructions a connection that an arm spares, by layout and point: column `saved`."""
    joined = _pairs(table, arm)
    return (joined["stock"] - joined[arm]).rename("saved").reset_index()


def changes(table: pd.DataFrame, arm: str) -> dict[tuple[str, int], Estimate]:
    """Relative connection rate against stock by server and value: 0.02 is two per cent more.

    Median over layouts with its 95 % interval.
    """
    table_of = rates(table, arm)
    return {
        (server, value): interval(
            list(table_of[(table_of["server"] == server) & (table_of["value"] == value)]["gain"])
        )
        for server, value in dict.fromkeys(
            zip(table_of["server"].map(str), table_of["value"].map(int), strict=True)
        )
    }
