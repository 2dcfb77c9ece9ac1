"""`faltcon lab`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import typer

from faltcon.lab.kernel.cli import app as kernel_app
from faltcon.lab.record_cli import app as record_app
from faltcon.lab.run_cli import EXAMPLES, run

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Record raw data with real programs.")
# One line a sub-command; each lives in its own module.
app.add_typer(record_app, name="record")
app.add_typer(kernel_app, name="kernel")
app.command(name="run", epilog=EXAMPLES)(run)
