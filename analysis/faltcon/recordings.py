"""The page of recordings, made from provenance.json: what was recorded, where and how."""

from __future__ import annotations

import html
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from faltcon import book, paths, provenance, published

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Run", "load", "machines", "runs", "transcriptions"]

_ORIGINS = {
    "measured-here": "measured here",
    "published": "published by others",
    "synthetic": "synthetic",
}


@dataclass(frozen=True)
class Run:
    """One recorded run: its folder's names and its provenance as written."""

    experiment: str
    run: str
    document: dict[str, Any]

    @property
    def size_bytes(self) -> int:
        """Size of its files together, without the provenance."""
        return sum(int(entry["bytes"]) for entry in self.document["files"].values())


def load(root: Path) -> list[Run]:
    """Every run below a folder of recordings. Raises UsageError where there is none."""
    return [
        Run(folder.parent.name, folder.name, provenance.load(folder))
        for folder in provenance.runs(root)
    ]


def machines(everything: list[Run]) -> book.View:
    """A table of the machines and kernels that were recorded on."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in everything:
        machine, kernel = run.document["machine"], run.document["kernel"]
        memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
        cpu = f"{machine['cpu_model']}, {machine['cpus']} cores"
        base = kernel["base_package"] or "the machine's own"
        clock, kind = machine["clock_source"], machine["virtualization"]
        groups[cpu, memory, kind, clock, kernel["release"], base].append(run)
    rows = [
        (*key, len(found), f"{_day(found, min)} to {_day(found, max)}")
        for key, found in sorted(groups.items())
    ]
    columns = [
        "Processor",
        "Memory",
        "Virtual machine",
        "Clock",
        "Kernel",
        "From",
        "Runs",
        "Recorded",
    ]
    return book.table(pd.DataFrame(rows, columns=columns))


def runs(everything: list[Run]) -> book.View:
    """A folded entry for each run, grouped by experiment; each group has its name as anchor."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in everything:
        groups[run.experiment].append(run)
    parts = [
        f'<section id="{html.escape(name)}"><h3>{html.escape(name)} '
        f"({len(found)}, {_megabytes(sum(r.size_bytes for r in found))})</h3>"
        + "".join(map(_entry, found))
        + "</section>"
        for name, found in sorted(groups.items())
    ]
    return book.View(f'<div class="faltcon-runs">{"".join(parts)}</div>')


def transcriptions() -> book.View:
    """What lies in data/paper, with the comment that names each file's source."""
    rows = []
    for file in sorted(paths.paper_dir().iterdir()):
        lines = file.read_text(encoding="utf-8").splitlines()
        head = []
        for line in lines:
            if not line.startswith("#"):
                break
            head.append(line.lstrip("# "))
        rows.append((f"data/paper/{file.name}", " ".join(head)))
    files = book.table(pd.DataFrame(rows, columns=["File", "What it is"]))
    origins = pd.DataFrame(
        [(name, entry["path"], entry["sha256"]) for name, entry in published.origins().items()],
        columns=["Histogram", "Path in flow-models/agh_2015", "SHA-256"],
    )
    return files + book.table(origins, caption="The histograms that the flow sums were taken from.")


def _entry(run: Run) -> str:
    document = run.document
    facts = [
        ("Origin", _ORIGINS.get(document["origin"], document["origin"])),
        ("Started", document["date"]),
        ("Command", document["command"]),
        ("Load", (document["load_generator"] or {}).get("command", "none")),
        ("Tools", ", ".join(f"{name} {version}" for name, version in document["tools"].items())),
        ("Parameters", _pairs(document["parameters"])),
        ("Results", _pairs(document.get("results", {}))),
        ("Notes", " ".join(document.get("notes", []))),
    ]
    definitions = "".join(
        f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in facts if text
    )
    files = "".join(
        f"<li><code>{html.escape(name)}</code>, {entry['bytes']:,} bytes: "
        f"{html.escape(entry['description'])}<br><small>{entry['sha256']}</small></li>"
        for name, entry in document["files"].items()
    )
    name = html.escape(f"{run.experiment}/{run.run}")
    return (
        f'<details id="{html.escape(run.run)}"><summary><code>{name}</code></summary>'
        f"<p>{html.escape(document['description'])}</p><dl>{definitions}</dl>"
        f"<ul>{files}</ul></details>"
    )


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _day(found: list[Run], choose: Any) -> str:
    return str(choose(run.document["date"] for run in found))[:10]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
