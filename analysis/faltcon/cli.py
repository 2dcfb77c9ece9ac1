"""The command `faltcon`: one sub-command a stage, and one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

import faltcon
from faltcon.errors import FaltconError, InterruptedRunError

__all__ = ["main", "run"]

# Stage to the module of its commands, in the order of the help.
STAGES = {
    "perf": "faltcon.perf.cli",
    "traffic": "faltcon.traffic.cli",
    "lab": "faltcon.lab.cli",
    "model": "faltcon.simulate.cli",
    "data": "faltcon.data_cli",
}

EPILOG = (
    "Exit codes: 0 done; 1 a file could not be used or a check says no; 2 usage; "
    "3 this machine lacks a tool, a permission or a kernel feature; 4 a program that was run "
    "failed; 70 an error we did not foresee; 130 interrupted."
)


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


def _say(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text, markup=False)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and leave with its exit code; no traceback reaches the user.

    `FALTCON_DEBUG=1` in the environment shows the traceback of any error.
    """
    # A polite kill cleans up exactly as Ctrl-C does; a reader that stops early is no error.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line with these arguments and return its exit code."""
    debug = os.environ.get("FALTCON_DEBUG") == "1"
    try:
        outcome = _app(arguments)(arguments, prog_name="faltcon", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt, InterruptedRunError) as error:
        text = str(error) or "interrupted"
        _say(f"faltcon: {text}")
        return InterruptedRunError.exit_code
    except BrokenPipeError:
        # Whoever read our output has stopped; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TyperException as error:
        # The command line itself is wrong. Typer's errors of this kind know how to show the
        # usage beside the problem; its public base class does not say so.
        show = getattr(error, "show", None)
        if show is None:
            _say(f"faltcon: {error}")
        else:
            show()
        return error.exit_code
    except FaltconError as error:
        if debug:
            raise
        _say(f"faltcon: {error}")
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        _say(
            f"faltcon: an error that we did not foresee: {type(error).__name__}: {error}; "
            "please report it with the output of the same command under FALTCON_DEBUG=1"
        )
        return 70
    if outcome == InterruptedRunError.exit_code:
        # Typer turns Ctrl-C inside a command into this code, without a word.
        _say("faltcon: interrupted")
    return outcome if isinstance(outcome, int) else 0
