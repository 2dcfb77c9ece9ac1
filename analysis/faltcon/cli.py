"""The command `faltcon`: one sub-command a stage, and one place where errors become exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

import faltcon
from faltcon.claims_cli import app as claims_app
from faltcon.data_cli import app as data_app
from faltcon.errors import FaltconError, InterruptedRunError
from faltcon.lab.cli import app as lab_app
from faltcon.perf.cli import app as perf_app
from faltcon.simulate.cli import app as model_app
from faltcon.traffic.cli import app as traffic_app

__all__ = ["app", "main"]

EPILOG = (
    "Examples: faltcon traffic summary capture.pcap | faltcon perf breakdown perf-script.txt | "
    "faltcon data verify\n\n"
    "Exit codes: 0 done; 1 a file could not be used or a check says no; 2 usage; "
    "3 this machine lacks a tool, a permission or a kernel feature; 4 a program that was run "
    "failed; 70 an error we did not foresee; 130 interrupted."
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
    help="Record, parse, draw and check the FALTCON paper's measurements.",
)
app.add_typer(perf_app, name="perf")
app.add_typer(traffic_app, name="traffic")
app.add_typer(lab_app, name="lab")
app.add_typer(model_app, name="model")
app.add_typer(data_app, name="data")
app.add_typer(claims_app, name="claims")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faltcon {faltcon.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    del version  # its callback has done the work


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


def _tell_usage(error: TyperException, console: Console) -> None:
    """Say what is wrong with the command line.

    Typer's errors of this kind know how to show the usage beside the problem; its
    public base class does not say so.
    """
    show = getattr(error, "show", None)
    if show is None:
        console.print(f"faltcon: {error}", markup=False)
    else:
        show()


def _tell_unforeseen(error: Exception, console: Console) -> int:
    """Say what went wrong outside our own errors; the exit code."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        _discard_output()
        console.print(f"faltcon: the output: {error.strerror}; make room or write elsewhere")
        return FaltconError.exit_code
    console.print(
        f"faltcon: an error that we did not foresee: {type(error).__name__}: {error}; "
        "please report it with the output of the same command under FALTCON_DEBUG=1",
        markup=False,
    )
    return 70


def run(arguments: list[str]) -> int:
    """Run the command line with these arguments and return its exit code."""
    debug = os.environ.get("FALTCON_DEBUG") == "1"
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        outcome = app(arguments, prog_name="faltcon", standalone_mode=False)
        # What is still in the buffer may meet a full disk or a closed pipe: now, not at the exit.
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt, InterruptedRunError) as error:
        text = str(error) or "interrupted"
        console.print(f"faltcon: {text}", markup=False)
        return InterruptedRunError.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read our output has stopped; Typer ends itself where it meets that.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _discard_output()
        return 0
    except TyperException as error:
        _tell_usage(error, console)
        return error.exit_code
    except FaltconError as error:
        if debug:
            raise
        console.print(f"faltcon: {error}", markup=False)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return _tell_unforeseen(error, console)
    if outcome == InterruptedRunError.exit_code:
        # Typer turns Ctrl-C inside a command into this code, without a word.
        console.print("faltcon: interrupted", markup=False)
    return outcome if isinstance(outcome, int) else 0
