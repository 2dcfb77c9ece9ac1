"""`faltcon labs`: make the graded labs, and grade a submission."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from faltcon import paths
from faltcon.errors import UsageError
from faltcon.labs import making

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Labs for a course: make them, grade them.")

_Seed = Annotated[int, typer.Option(help="Hidden tests are made from this; keep yours secret.")]


def _built() -> Path:
    return paths.project_root() / "build" / "labs"


def _make_all(folder: Path, seed: int) -> None:
    for lab in track(making.LABS, description="labs", console=Console(stderr=True)):
        making.make(lab, folder / lab, seed)
        typer.echo(folder / lab)


@app.command(epilog="Examples:  faltcon labs make   |   faltcon labs make --out /tmp/labs")
def make(
    out: Annotated[Path | None, typer.Option(help="Folder; build/labs if left out.")] = None,
) -> None:
    """Make every lab: the student's notebook, and an autograder to try it with."""
    _make_all(out or _built(), making.PUBLIC_SEED)


@app.command(epilog="Examples:  faltcon labs archive --seed 4711 --out ~/course")
def archive(
    seed: _Seed,
    out: Annotated[Path, typer.Option(help="Folder outside the project.")],
) -> None:
    """Make the instructor's archive: solutions and hidden tests for a seed of your own."""
    folder = out.expanduser().resolve()
    if folder.is_relative_to(paths.project_root()):
        raise UsageError(f"{folder} is inside the project, where students look; name another")
    _make_all(folder, seed)


@app.command(
    epilog="Examples:  faltcon labs grade pcaps.ipynb   |   "
    "faltcon labs grade pcaps-ann.ipynb --archive ~/course/pcaps/autograder.zip --json"
)
def grade(
    file: Annotated[Path, typer.Argument(help="A student's notebook. Its code is run.")],
    archive: Annotated[
        Path | None, typer.Option(help="Autograder; build/labs/<lab>'s if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Grade a submission: points by question."""
    found = making.grade(file, archive or _built() / making.lab_of(file) / "autograder.zip")
    if as_json:
        questions = {name: list(points) for name, points in found.questions.items()}
        total = {"reached": found.reached, "possible": found.possible, "questions": questions}
        typer.echo(json.dumps(total))
        return
    table = Table("Question", "Points", "Of")
    for name, (reached, possible) in found.questions.items():
        table.add_row(name, f"{reached:g}", f"{possible:g}")
    table.add_row("all", f"{found.reached:g}", f"{found.possible:g}", style="bold")
    Console().print(table)
