"""`faltcon lab`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import typer

from faltcon.lab.kernel.cli import app as kernel_app

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Record raw data with real programs.")
app.add_typer(kernel_app, name="kernel")


@app.callback()
def _group() -> None:
    """Keep this a group while it has a single command."""
