"""`faltcon claims`: the paper's claims and our verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from faltcon.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from faltcon.verdicts import Answered

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The paper's claims, and our verdicts on them.")


@app.callback()
def _group() -> None:
    """Keep this a group while it has a single command."""


@app.command(
    epilog="Examples:  faltcon claims check   |   faltcon claims check saved-total   |   "
    "faltcon claims check --json"
)
def check(
    claims: Annotated[
        list[str] | None, typer.Argument(help="Ids of claims; all claims if left out.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a claim, one a line.")
    ] = False,
    rewrite: Annotated[
        bool, typer.Option("--write", help="Commit the verdicts found, instead of comparing.")
    ] = False,
) -> None:
    """Compute every verdict anew from the data. Exit 1 when one differs from the committed one."""
    from faltcon import verdicts

    only = claims or []
    if only and rewrite:
        raise UsageError("--write commits the verdicts on all claims; leave the ids out")
    with Console(stderr=True).status("reading the recordings"):
        found = verdicts.check(only=only)
    known = {} if rewrite else verdicts.committed()
    if only:
        known = {name: verdict for name, verdict in known.items() if name in only}
    for row in found if as_json else ():
        typer.echo(json.dumps(_object(row), ensure_ascii=False))
    if not as_json:
        Console(width=None if Console().is_terminal else 160).print(_table(found))
    if rewrite:
        verdicts.write(found)
        return
    ids = {row.claim.id for row in found}
    changed = [
        f"{row.claim.id}: {row.finding.verdict} (committed: {known.get(row.claim.id, 'nothing')})"
        for row in found
        if known.get(row.claim.id) != row.finding.verdict
    ] + [f"{name}: no such claim (committed: {known[name]})" for name in known if name not in ids]
    if changed:
        raise CheckFailedError(
            f"{len(changed)} verdicts differ from {verdicts.committed_file()}: "
            f"{'; '.join(changed)}; if the data are right, run `faltcon claims check --write`"
        )


def _object(row: Answered) -> dict[str, Any]:
    claim, finding = row.claim, row.finding
    return {
        "id": claim.id,
        "section": claim.section,
        "claim": claim.text,
        "paper": claim.value,
        "bound": claim.bound,
        "ours": finding.ours,
        "interval": finding.interval,
        "n": finding.n,
        "unit": claim.unit,
        "verdict": finding.verdict,
        "why": finding.why,
        "estimate": finding.estimate,
        "origin": finding.origin,
        "sources": finding.sources,
    }


def _table(found: list[Answered]) -> Table:
    table = Table("Claim", "Section", "Paper", "Ours", "n", "Verdict", "Why")
    for row in found:
        claim, finding = row.claim, row.finding
        ours = "" if finding.ours is None else f"{finding.ours:.1f}"
        if finding.interval is not None:
            low, high = finding.interval
            ours += f" [{low:.1f}, {high:.1f}]"
        n = str(finding.n) if finding.n else ""
        table.add_row(claim.id, claim.section, claim.shown, ours, n, finding.verdict, finding.why)
    return table
