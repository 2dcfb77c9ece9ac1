"""The command `faltcon`: one sub-command a stage, and one place where errors become exit codes."""

from __future__ import annotations

import errno
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
    # Who closes our output wants none; left closed, the next file opened would take its place.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    sys.exit(run(sys.argv[1:]))


def _discard_output() -> None:
    """Keep Python from writing at exit what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_usage(error: TyperException) -> None:
    """Say what is wrong with the command line.

    Typer's errors of this kind know how to show the usage beside the problem; its
    public base class does not say so.
    """
    show = getattr(error, "show", None)
    if show is None:
        _say(f"faltcon: {error}")
    else:
        show()


def _tell_unforeseen(error: Exception) -> int:
    """Say what went wrong outside our own errors; the exit code."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        _discard_output()
        _say(f"faltcon: the output: {error.strerror}; make room or write elsewhere")
        return FaltconError.exit_code
    _say(
        f"faltcon: an error that we did not foresee: {type(error).__name__}: {error}; "
        "please report it with the output of the same command under FALTCON_DEBUG=1"
    )
    return 70


def run(arguments: list[str]) -> int:
    """Run the command line with these arguments and return its exit code."""
    debug = os.environ.get("FALTCON_DEBUG") == "1"
    try:
        outcome = _app(arguments)(arguments, prog_name="faltcon", standalone_mode=False)
        # What is still in the buffer may meet a full disk or a closed pipe: now, not at the exit.
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt, InterruptedRunError) as error:
        text = str(error) or "interrupted"
        _say(f"faltcon: {text}")
        return InterruptedRunError.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read our output has stopped; Typer ends itself where it meets that.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _discard_output()
        return 0
    except TyperException as error:
        _tell_usage(error)
        return error.exit_code
    except FaltconError as error:
        if debug:
            raise
        _say(f"faltcon: {error}")
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return _tell_unforeseen(error)
    if outcome == InterruptedRunError.exit_code:
        # Typer turns Ctrl-C inside a command into this code, without a word.
        _say("faltcon: interrupted")
    return outcome if isinstance(outcome, int) else 0
