"""Put beside the playground page what it runs: Pyodide, this project's Python, a recording.

Only the page `playground` asks for these files. The project's modules are those
that importing `faltcon.playground` loads; the packages under them are of pure
Python and go in whole, with their licences. Nothing is fetched: Pyodide is the
locked npm package, the packages are those of the locked environment.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

PAGE = "playground.md"
RECORDING = "traffic/h1close-clients/capture.pcap.zst"
PYODIDE = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "pyodide-lock.json",
    "python_stdlib.zip",
    "package.json",
    "README.md",
)
# What the worker counts while it loads.
COUNTED = ("pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
PACKAGES = ("dpkt", "h11", "hpack", "hyperframe")
# The browser's Python has no zstd, so the modules are those that load without it.
LIST_MODULES = """
import sys
sys.modules["zstandard"] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "zstandard" else real(name, *rest)
import faltcon.playground
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "faltcon"))
"""
# One date for all members: equal files give equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def own_modules() -> Iterator[tuple[str, Path]]:
    """This project's modules that the page imports: place in the archive, file."""
    listed = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        raise ExtensionError(f"faltcon.playground cannot be imported:\n{listed.stderr}")
    for name in listed.stdout.split():
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ExtensionError(f"{name} has no file")
        stem = name.replace(".", "/")
        package = spec.submodule_search_locations is not None
        yield (f"{stem}/__init__.py" if package else f"{stem}.py"), Path(spec.origin)


def package_files() -> Iterator[tuple[str, Path]]:
    """The packages under them, and their licences."""
    for package in PACKAGES:
        for file in importlib.metadata.files(package) or ():
            source = file.suffix == ".py" and file.parts[0] == package
            licence = ".dist-info" in file.parts[0] and "LICENSE" in file.name.upper()
            if source or licence:
                yield file.as_posix(), Path(str(file.locate()))


def write_archive(target: Path) -> None:
    """One zip of all Python that the page runs."""
    partial = target.with_name(f"{target.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for place, file in sorted([*own_modules(), *package_files()]):
            archive.writestr(zipfile.ZipInfo(place, EPOCH), file.read_bytes(), zipfile.ZIP_DEFLATED)
    partial.replace(target)


def put_in_place(app: Sphinx) -> None:
    """Copy and make what the page needs; a book without the page gets nothing."""
    source = Path(app.srcdir)
    if app.builder.format != "html" or not (source / PAGE).exists():
        return
    from faltcon import paths  # noqa: PLC0415  books without the page do without the package
    from faltcon.files import open_binary  # noqa: PLC0415

    target = Path(app.outdir) / "_static" / "playground"
    shutil.rmtree(target, ignore_errors=True)
    (target / "pyodide").mkdir(parents=True)
    for name in PYODIDE:
        origin = source / "node_modules" / "pyodide" / name
        if not origin.exists():
            raise ExtensionError(f"{origin} is missing; run `make setup`")
        shutil.copy2(origin, target / "pyodide" / name)
    for file in sorted((source / "_playground").iterdir()):
        if file.suffix in {".css", ".js"}:
            shutil.copy2(file, target / file.name)
    write_archive(target / "packages.zip")
    with open_binary(paths.raw_dir() / RECORDING) as stream:
        (target / "recording.pcap").write_bytes(stream.read())
    sizes = {name: (target / "pyodide" / name).stat().st_size for name in COUNTED}
    sizes["packages.zip"] = (target / "packages.zip").stat().st_size
    (target / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.connect("builder-inited", put_in_place)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
