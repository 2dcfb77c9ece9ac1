"""The commands of all stages as one Typer application."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer
from typer.exceptions import TyperException

import faltcon
from faltcon.errors import InterruptedRunError, UsageError

__all__ = ["STAGES", "run"]

# Stage to the module of its commands, in the order of the help.
STAGES = {
    "perf": "faltcon.perf.cli",
    "traffic": "faltcon.traffic.cli",
    "lab": "faltcon.lab.cli",
    "model": "faltcon.simulate.cli",
    "data": "faltcon.data_cli",
    "claims": "faltcon.claims_cli",
    "labs": "faltcon.labs.cli",
}

EPILOG = (
    "Examples: faltcon traffic summary capture.pcap | faltcon perf breakdown perf-script.txt | "
    "faltcon data verify\n\n"
    "Exit codes: 0 done; 1 a file could not be used or a check says no; 2 usage; "
    "3 this machine lacks a tool, a permission or a kernel feature; 4 a program that was run "
    "failed; 70 an error we did not foresee; 130 interrupted."
)


def run(arguments: list[str]) -> int:
    """Run the command line with these arguments and return its exit code.

    Raises InterruptedRunError, and whatever a command raises.
    """
    try:
        outcome = _app(arguments)(arguments, prog_name="faltcon", standalone_mode=False)
    except typer.Abort as error:
        raise InterruptedRunError("interrupted") from error
    except TyperException as error:
        return _told(error)
    if outcome == InterruptedRunError.exit_code:
        # Typer turns Ctrl-C inside a command into this code, without a word.
        raise InterruptedRunError("interrupted")
    return outcome if isinstance(outcome, int) else 0


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faltcon {faltcon.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    del version  # its callback has done the work


def _app(arguments: list[str]) -> typer.Typer:
    """The command line; of the stages only the one that is asked for, where one is."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        epilog=EPILOG,
        help="Record, parse, draw and check the FALTCON paper's measurements.",
    )
    app.callback()(_root)
    # A stage brings its libraries along, which another stage need not wait for.
    wanted = arguments[:1] if arguments[:1] and arguments[0] in STAGES else list(STAGES)
    for name in wanted:
        app.add_typer(importlib.import_module(STAGES[name]).app, name=name)
    return app


def _told(error: TyperException) -> int:
    """Say what is wrong with the command line; the exit code.

    Typer's errors of this kind know how to show the usage beside the problem; its
    public base class does not say so.
    """
    show = getattr(error, "show", None)
    if show is None:
        raise UsageError(str(error)) from error
    show()
    return int(error.exit_code)
