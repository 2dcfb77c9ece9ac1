"""Key the execution cache on everything that an executed cell reads besides its own text.

jupyter-cache knows a notebook by its code cells alone, so a changed recording,
module or locked version would leave old results on the page. Here the folder
of the cache carries a hash of those files. Sphinx counts that folder as part of
its environment: when it changes, every page is read, and executed, again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.application import Sphinx
    from sphinx.config import Config

KEPT_CACHES = 4
IGNORED_FOLDERS = {"__pycache__", "node_modules"}


def files_below(place: Path) -> Iterator[Path]:
    """Files at or below a path in a fixed order, without hidden and derived ones."""
    if place.is_file():
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(d for d in folders if d not in IGNORED_FOLDERS and d[0] != ".")
        for name in sorted(names):
            if name[0] != "." and not name.endswith(".pyc"):
                yield Path(folder) / name


def cache_key(places: Iterable[Path], settings: Iterable[str] = ()) -> str:
    """SHA-256, in hex, over names and contents of all files at or below these places."""
    total = hashlib.sha256()
    for setting in settings:
        total.update(f"setting {setting}\n".encode())
    for place in places:
        for file in files_below(place):
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            name = file.relative_to(place.parent).as_posix()
            total.update(f"{digest} {name}\n".encode())
    return total.hexdigest()


def inputs(project: Path) -> list[Path]:
    """What a chapter's cells read: recordings and transcriptions, the package, the versions."""
    data = Path(os.environ.get("FALTCON_DATA") or project / "data")
    outside = [Path(v) for n, v in sorted(os.environ.items()) if n.startswith("FALTCON_") and v]
    # A chapter adds up these histograms where a neighbour of the clone has them.
    outside += sorted(project.parent.glob("*/flow-histograms"))
    places = [data, project / "data" / "paper", project / "analysis", project / "uv.lock"]
    return places + [place for place in outside if place.exists() and place != data]


def prune(caches: Path, current: str) -> None:
    """Keep the newest few caches, so that going back and forth between branches is cheap."""
    others = [folder for folder in caches.iterdir() if folder.is_dir() and folder.name != current]
    others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in others[KEPT_CACHES - 1 :]:
        shutil.rmtree(folder)


def set_cache_folder(app: Sphinx, config: Config) -> None:
    """Point myst-nb's cache at the folder for the present data, package and lock."""
    project = Path(app.srcdir).resolve().parent
    settings = [
        f"python {sys.version}",
        *(f"{n}={v}" for n, v in sorted(os.environ.items()) if n.startswith("FALTCON_")),
    ]
    key = cache_key(inputs(project), settings)[:16]
    caches = Path(app.outdir).resolve().parent / ".jupyter_cache"
    folder = caches / key
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    prune(caches, key)
    config.nb_execution_cache_path = str(folder)
    # Sphinx does not notice that an extension or a template has changed.
    looks = [Path(app.srcdir) / name for name in ("_ext", "_templates")]
    config.faltcon_looks = cache_key(place for place in looks if place.exists())


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.add_config_value("faltcon_looks", "", "env", [str])
    app.connect("config-inited", set_cache_folder)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
