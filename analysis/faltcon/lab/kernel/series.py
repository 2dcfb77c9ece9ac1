"""The patch series: its identity, and a tree with it applied that builds incrementally."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import InputError, ToolFailedError, UsageError
from faltcon.files import reading, write_text
from faltcon.lab.kernel.base import kernel_dir
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faltcon.lab.kernel.steps import Steps

__all__ = ["apply", "digest", "linked_copy", "patches", "stock_patches", "test_patches", "touched"]

RECORD = ".faltcon-series.json"
PATH_LINE = re.compile(rb"^(?:---|\+\+\+) [ab]/(\S+)", re.MULTILINE)


def patches(base: str) -> list[Path]:
    """The files of the series for this base, in order. Raises UsageError if there is none."""
    folder = kernel_dir() / "patches" / base
    found = sorted(folder.glob("[0-9][0-9][0-9][0-9]-*.patch"))
    if not found:
        raise UsageError(f"no patch series for base {base} in {folder}")
    return found


def test_patches(base: str) -> list[Path]:
    """Patches on top of the series that only tests use; a kernel without their options is the same.

    An empty list where a base has none.
    """
    return sorted((kernel_dir() / "patches" / base / "tests").glob("[0-9]*.patch"))


def stock_patches(base: str) -> list[Path]:
    """What puts the stamps into a kernel without the series. Raises UsageError if nothing does."""
    folder = kernel_dir() / "patches" / base / "stock"
    found = sorted(folder.glob("[0-9]*.patch"))
    if not found:
        raise UsageError(f"no cycle stamps for a stock {base} in {folder}")
    return found


def digest(series: Sequence[Path]) -> str:
    """SHA-256 over the names and contents of the series, in order."""
    total = hashlib.sha256()
    for patch in series:
        with reading(patch):
            content = patch.read_bytes()
        total.update(f"{patch.name} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def touched(series: Sequence[Path]) -> set[str]:
    """Paths inside the tree that the series creates, changes or deletes."""
    found: set[str] = set()
    for patch in series:
        with reading(patch):
            found |= {match.decode() for match in PATH_LINE.findall(patch.read_bytes())}
    return found


def _patched_copies(origin: Path, files: set[str], series: Sequence[Path], scratch: Path) -> None:
    """Copy the touched files to `scratch` and apply the series there."""
    for name in files:
        if (origin / name).exists():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin / name, scratch / name)
    for patch in series:
        # Outside any repository, or git would apply to that repository's paths.
        done = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(patch.resolve())],
            cwd=scratch,
            env={"GIT_CEILING_DIRECTORIES": str(scratch.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InputError(
                patch,
                f"does not apply to {origin} ({done.stderr.strip().splitlines()[0]})",
                mend="is this tree the base that the series is for?",
            )


def linked_copy(origin: Path, tree: Path, steps: Steps) -> None:
    """Make `tree` a copy of `origin`, by hard links where the file system has them.

    Nothing to do where it exists. A link's file is never written through.
    """
    if tree.exists():
        return
    tree.parent.mkdir(parents=True, exist_ok=True)
    partial = tree.with_name(f".{tree.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    linked = subprocess.run(
        ["cp", "-al", str(origin), str(partial)], capture_output=True, text=True, check=False
    )
    if linked.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        steps.run("copy the tree", "up to a minute", ["cp", "-a", str(origin), str(partial)])
    partial.rename(tree)


def apply(origin: Path, tree: Path, series: Sequence[Path], steps: Steps) -> None:
    """Make `tree` the tree `origin` with the series applied, touching only what changes.

    A file keeps its time stamp when its content stays the same, so that make
    rebuilds only what a changed patch concerns. Raises InputError naming the
    patch that does not apply.
    """
    need("git")
    linked_copy(origin, tree, steps)
    record = tree / RECORD
    before: set[str] = set()
    if record.exists():
        before = set(json.loads(record.read_text("utf-8"))["files"])
    files = before | touched(series)
    with tempfile.TemporaryDirectory(prefix="faltcon-series-") as folder:
        scratch = Path(folder) / "tree"
        scratch.mkdir()
        _patched_copies(origin, files, series, scratch)
        # Both lists, until the tree is whole: an interrupted run forgets no file.
        write_text(record, json.dumps({"series": "", "files": sorted(files)}, indent=1) + "\n")
        changed = sum(_replace(scratch / name, tree / name) for name in sorted(files))
    content = {"series": digest(series), "files": sorted(touched(series))}
    write_text(record, json.dumps(content, indent=1) + "\n")
    steps.say(f"apply {len(series)} patches: {changed} files changed")


def _replace(new: Path, old: Path) -> bool:
    """Make `old` what `new` is (absent, too); tell whether something changed."""
    try:
        if not new.exists():
            existed = old.exists()
            old.unlink(missing_ok=True)
            return existed
        if old.exists() and old.read_bytes() == new.read_bytes():
            return False
        old.parent.mkdir(parents=True, exist_ok=True)
        old.unlink(missing_ok=True)
        shutil.copyfile(new, old)
        old.chmod(new.stat().st_mode)
    except OSError as error:
        raise ToolFailedError(["apply", str(old)], 1, str(error)) from error
    return True
