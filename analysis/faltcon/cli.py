"""The command `faltcon`: one sub-command a stage, and one place where errors become exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys

from faltcon.errors import FaltconError, InterruptedRunError

__all__ = ["main", "run"]


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
        code = _outcome(arguments)
        # What is still in the buffer may meet a full disk or a closed pipe: now, not at the exit.
        sys.stdout.flush()
    except (KeyboardInterrupt, InterruptedRunError) as error:
        text = str(error) or "interrupted"
        _say(f"faltcon: {text}")
        return InterruptedRunError.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read our output has stopped; Typer ends itself where it meets that.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _discard_output()
        return 0
    except FaltconError as error:
        if debug:
            raise
        _say(f"faltcon: {error}")
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return _tell_unforeseen(error)
    return code


def _outcome(arguments: list[str]) -> int:
    """Run the command; what needs no library to read its arguments does not wait for one."""
    if arguments[:2] == ["perf", "fold"]:
        from faltcon.perf.folding import plainly_asked

        work = plainly_asked(arguments[2:])
        if work is not None:
            work()
            return 0
    from faltcon.subcommands import run as run_stage

    return run_stage(arguments)
