"""What checkpatch, the compiler's W=1 and sparse say of the series, beyond what stock code has."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError
from faltcon.lab.kernel import build as kernels
from faltcon.lab.kernel import series
from faltcon.lab.kernel.build import Build, Variant
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faltcon.lab.kernel.base import BaseKernel
    from faltcon.lab.kernel.steps import Steps

__all__ = ["checkpatch", "lint", "new_warnings"]

# `path:line:column: warning: text`, the path inside the tree or below it.
WARNING = re.compile(r"^(?P<path>\S+?):\d+:\d+: (?P<text>(?:warning|error): .*)$")


def lint(base: BaseKernel, steps: Steps) -> list[str]:
    """All complaints about the series of this base; an empty list where there is none.

    checkpatch --strict reads each patch. The files that the series touches are
    compiled with W=1 and checked by sparse, in the tree with the series and every
    option of it on, and in the stock tree: a warning that both have does not count.
    """
    need("sparse", "perl")
    patches = series.patches(base.name)
    stock = Build(base, Variant.STOCK)
    ours = Build(base, Variant.KUNIT, cycles=True, first=len(patches))
    found: list[str] = []
    told: dict[str, list[str]] = {}
    for what in (stock, ours):
        kernels.build(what, steps)
        told[what.name] = kernels.warnings(what, series.touched(patches), steps, sparse=True)
    found += new_warnings(told[stock.name], told[ours.name])
    return [*checkpatch(ours.folder / "source", patches), *found]


def new_warnings(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Lines of `after` that `before` has not, whatever their places in the file.

    A warning that `after` has more often than `before` is given as often more.
    """
    known = Counter(_what(line) for line in before)
    new: list[str] = []
    for line in after:
        what = _what(line)
        if known[what]:
            known[what] -= 1
        else:
            new.append(line)
    return new


def _what(line: str) -> tuple[str, str]:
    match = WARNING.match(line)
    if not match:
        return "", line
    # The trees lie in folders of different names.
    return "/".join(Path(match["path"]).parts[-3:]), match["text"]


def checkpatch(tree: Path, patches: Iterable[Path]) -> list[str]:
    """What `checkpatch.pl --strict` of this tree says of patches, one line each.

    Raises ToolFailedError if it did not come to its end.
    """
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="faltcon-lint-") as folder:
        for patch in patches:
            # A file of a git repository is read as source, not as a patch.
            copy = Path(shutil.copy(patch, folder))
            script = str(tree / "scripts" / "checkpatch.pl")
            command = ["perl", script, "--strict", "--no-tree", "--terse", copy.name]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            lines = done.stdout.splitlines()
            if not lines or not lines[-1].startswith("total:"):
                raise ToolFailedError(command, done.returncode, done.stderr.strip()[-200:])
            found += lines[:-1]
    return found
