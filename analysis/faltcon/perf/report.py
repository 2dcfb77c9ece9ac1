"""A breakdown as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from faltcon.perf.rules import CONTEXTS, DIRECTIONS, LAYERS, PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["notes", "suite_table", "tables"]


def tables(document: dict[str, Any]) -> Iterator[Table]:
    """The tables of one file's summary (`breakdown.summary`)."""
    yield _layers(document)
    if document["phases"]["weight"]:
        yield _phases(document)
    if any(document["rule_sets"].values()):
        yield _rule_sets(document["rule_sets"])


def notes(document: dict[str, Any]) -> Iterator[Text]:
    """What the tables leave out: residual, other events, lines that could not be used."""
    residual = document["unclassified"]
    if residual["innermost"]:
        top = ", ".join(list(residual["innermost"])[:5])
        yield Text(f"unclassified: {_percent(residual['share'])} % of all; innermost: {top}")
    for event, count in document["other_events"].items():
        yield Text(f"left out: {count} samples of {event}; name it with --event")
    for reason, count in document["skipped"].items():
        yield Text(f"skipped: {count} {reason}")
    if document["throttled"]:
        yield Text(f"throttled: sampling was held back {document['throttled']} times")


def suite_table(rows: list[dict[str, Any]]) -> Table:
    """Rows of suites.rows_of, one line a run and class."""
    lacking = {
        row["run"]: f"{row['run']}: left out {row['skipped']}, throttled {row['throttled']} times"
        for row in rows
        if row["skipped"] or row["throttled"]
    }
    caption = "; ".join(["share: of all the run's samples", *lacking.values()])
    table = Table(title="Timings with their profiles", caption=Text(caption))
    for column in ("run", "mean", "direction", "layer", "phase", "samples", "share %"):
        numeric = column in {"mean", "samples", "share %"}
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        mean = "" if row["mean_s"] is None else f"{1e6 * row['mean_s']:.2f} us"
        names = (Text(row["direction"]), Text(row["layer"]), Text(row["phase"]))
        share = f"{100 * row['share']:.2f}"
        table.add_row(Text(row["run"]), mean, *names, str(row["samples"]), share)
    return table


def _layers(document: dict[str, Any]) -> Table:
    event = document["event"] or "an event without a name"
    table = Table(
        title=Text(f"{document['file']}: {document['samples']} samples of {event}"),
        caption=f"% of the weight ({document['weight_unit']}) of each column's samples; "
        f"rules: {document['variant']}",
    )
    table.add_column("layer")
    for direction in (*DIRECTIONS, "none", "all"):
        table.add_column(direction, justify="right")
    for layer in (*LAYERS, "application", *CONTEXTS, "unclassified"):
        shares = [document[way].get(layer, {}).get("share", 0) for way in (*DIRECTIONS, "none")]
        table.add_row(layer, *map(_percent, [*shares, document["layers"][layer]["share"]]))
    table.add_section()
    shares = [document[way]["share"] for way in (*DIRECTIONS, "none")]
    table.add_row("of all", *map(_percent, [*shares, 1.0]))
    return table


def _phases(document: dict[str, Any]) -> Table:
    phases = document["phases"]
    table = Table(title="Phases of TCP's receive work", caption=f"% of the {phases['of']}")
    for column in ("phase", "of all phases", "by the rule"):
        table.add_column(column, justify="left" if column == "phase" else "right")
    for phase in (*PHASES, "unclassified"):
        entry = phases[phase]
        by_rule = _percent(entry["share_by_rule"]) if "share_by_rule" in entry else ""
        table.add_row(phase, _percent(entry["share"]), by_rule)
    return table


def _rule_sets(rule_sets: dict[str, dict[str, float]]) -> Table:
    table = Table(title="The phases under each rule set", caption="%; see explain and rules.toml")
    table.add_column("phase")
    for name in rule_sets:
        table.add_column(Text(name), justify="right")
    for phase in PHASES:
        shares = [shares.get(phase) for shares in rule_sets.values()]
        if any(share is not None for share in shares):
            table.add_row(phase, *map(_percent, shares))
    return table


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.1f}" if share else "0"
