"""`faltcon data`: the state of the raw recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from faltcon import paths, provenance
from faltcon.errors import CheckFailedError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Check the raw recordings, sum them up, compare.")


@app.command(
    epilog="Examples:  faltcon data verify   |   FALTCON_DATA=/mnt/mine faltcon data verify"
)
def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of recordings; data/raw if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Check each file's sha256 and each provenance field. Exit 1 when something differs."""
    root = folder if folder is not None else paths.raw_dir()
    checked, problems = provenance.verify(root)
    if as_json:
        found = [{"file": str(p.file), "problem": p.problem} for p in problems]
        typer.echo(json.dumps({"runs": checked, "problems": found}))
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{checked} recordings checked, {len(problems)} problems")
    if problems:
        raise CheckFailedError(f"{len(problems)} problems under {root}; restore them from git")
    if not checked:
        raise CheckFailedError(f"no recording under {root}; name the folder that holds them")


@app.command(
    epilog="Example:  faltcon data costs > costs.json && "
    "faltcon model run capture.pcap --costs costs.json"
)
def costs(
    configuration: Annotated[
        str, typer.Option(help="Which kernels of the recordings of figure 3.")
    ] = "minimal",
    level: Annotated[int, typer.Option(min=1, max=3, help="The sysctl tcp_faltcon.")] = 2,
) -> None:
    """Print what a handshake costs with and without FALTCON, as JSON for `faltcon model run`."""
    from faltcon import handshake

    found = handshake.costs(handshake.load(configuration=configuration), f"level{level}")
    document = {"unit": found.unit, "origin": found.origin, "parts": found.parts}
    typer.echo(json.dumps(document, indent=1))


@app.command(
    epilog="Examples:  faltcon data compare build/experiment   |   "
    "faltcon data compare /mnt/mine --json"
)
def compare(
    new: Annotated[Path, typer.Argument(help="Folder of new recordings.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Set new recordings of figures 3 and 4 beside the committed ones. Exit 1 beyond 1 per cent."""
    from faltcon import compare as work

    table = work.compare(new)
    far = table[table["change"].abs() > work.MARGIN]
    if as_json:
        typer.echo(json.dumps({"compared": table.to_dict("records"), "beyond": len(far)}))
    else:
        for row in table.to_dict("records"):
            typer.echo(
                f"{row['experiment']:6} {row['arm']:14} {row['what']:30} "
                f"{row['instructions']:12.0f} {row['committed']:12.0f} {row['change']:+8.2%}"
            )
    if len(far):
        raise CheckFailedError(f"{len(far)} of {len(table)} medians moved by more than 1 %")
