"""Arguments that the commands of this stage share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Event", "File", "Files", "Symbols"]

_TAKEN = "perf.data or perf script text (plain, gzip, zstd); - is standard input."
File = Annotated[str, typer.Argument(help=_TAKEN)]
Files = Annotated[list[str], typer.Argument(help=_TAKEN)]
Event = Annotated[
    str | None, typer.Option(help="Take samples of this event; the first one seen if left out.")
]
Symbols = Annotated[
    Path | None,
    typer.Option(
        "--kallsyms",
        help="Symbols of the recorded kernel (kallsyms or System.map), for perf.data; if left out: "
        "the one beside the file, of the project's recordings, or of this kernel.",
    ),
]
