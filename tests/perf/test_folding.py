from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import subcommands
from faltcon.perf import cli, folding

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS = {
    "pid": False, "tid": False, "kernel": False, "jit": False, "annotate_all": False,
    "addrs": False, "event": None, "unclosed": None, "kallsyms": None,
}  # fmt: skip
WORDS = [*folding.SWITCHES, "-", "a.perf", "b.perf"]


def _asked(run: Callable[[], object]) -> list[tuple[str, dict[str, Any]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (folding, cli):
            patch.setattr(
                module, "fold_file", lambda file, **options: asked.append((file, options))
            )
        run()
    return asked


@given(arguments=st.lists(st.sampled_from(WORDS), max_size=5))
def test_plainly_asked__is_what_the_command_line_understands(arguments: list[str]) -> None:
    def shortly() -> None:
        work = folding.plainly_asked(arguments)
        if work is not None:
            work()

    for file, options in _asked(shortly):
        read = _asked(lambda: subcommands.run(["perf", "fold", *arguments]))
        assert read == [(file, OPTIONS | options)]


@pytest.mark.parametrize(
    "arguments",
    [[], [""], ["a", "b"], ["--help"], ["a", "--event", "x"], ["a", "--kern"], ["a", "--", "b"]],
)
def test_plainly_asked__leaves_the_rest_to_the_library(arguments: list[str]) -> None:
    assert folding.plainly_asked(arguments) is None


def test_fold_file__needs_no_library_of_command_lines() -> None:
    code = (
        "import io, sys; from faltcon.cli import run;"
        "code = run(['perf', 'fold', '/dev/null']); print(code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, *loaded = done.stdout.split()
    assert code == "1"
    assert not {"typer", "pydantic", "numba", "pandas", "numpy.random", "numpy.ma"} & set(loaded)
