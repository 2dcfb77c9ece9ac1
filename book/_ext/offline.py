"""Serve everything that a page loads from the book's own folder.

Sphinx and its extensions point browsers at content delivery networks. This
extension copies the locked npm packages beside the pages (only the files that
a page can ask for), aims MathJax at its copy and takes away the scripts that
would load code from elsewhere.

The copies are made here and not kept in `_static/`, because Jupyter Book loads
every script that it finds there on every page.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.errors import ExtensionError
from sphinx.util import logging

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.config import Config

logger = logging.getLogger(__name__)

# from node_modules, to _static/vendor; a folder is copied whole
VENDORED = {
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/es5/output/chtml/fonts": "mathjax/output/chtml/fonts",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "vega/build/vega.min.js": "vega/vega.min.js",
    "vega/LICENSE": "vega/LICENSE",
    "vega-lite/build/vega-lite.min.js": "vega/vega-lite.min.js",
    "vega-embed/build/vega-embed.min.js": "vega/vega-embed.min.js",
    "d3/dist/d3.min.js": "d3/d3.min.js",
    "d3/LICENSE": "d3/LICENSE",
    "d3-flame-graph/dist/d3-flamegraph.umd.min.js": "d3/d3-flamegraph.umd.min.js",
    "d3-flame-graph/LICENSE": "d3/LICENSE.d3-flame-graph",
    "speedscope/dist/release": "speedscope",
    "speedscope/LICENSE": "speedscope/LICENSE",
}
# speedscope's example profile; no page opens it
LEFT_OUT = shutil.ignore_patterns("*.map", "perf-vertx-*")

# Scripts with these words fetch code from other hosts when a reader presses a button.
UNWANTED_SCRIPTS = ("thebe",)


def aim_at_copies(_app: Sphinx, config: Config) -> None:
    """Set the paths of what Sphinx itself would load from a network."""
    config.mathjax_path = "vendor/mathjax/tex-mml-chtml.js"


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file or a folder where the copy is missing or older."""
    if source.is_dir():
        if not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial, ignore=LEFT_OUT)
            partial.replace(target)
        return
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def copy_scripts(app: Sphinx) -> None:
    """Put the vendored packages and the book's own lazily loaded scripts beside the pages."""
    if app.builder.format != "html":
        return
    source = Path(app.srcdir)
    modules = source / "node_modules"
    static = Path(app.outdir) / "_static"
    for origin, place in sorted(VENDORED.items(), key=lambda item: "." in Path(item[0]).name):
        if not (modules / origin).exists():
            raise ExtensionError(f"{modules / origin} is missing; run `make setup`")
        copy_tree(modules / origin, static / "vendor" / place)
    for script in sorted((source / "_js").glob("*.js")):
        copy_tree(script, static / "lazy" / script.name)


def drop_unwanted(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Take the scripts of unused services off the page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            item
            for item in context.get(kind, [])
            if not any(
                word in f"{getattr(item, 'filename', item)} {getattr(item, 'attributes', '')}"
                for word in UNWANTED_SCRIPTS
            )
        ]


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.connect("config-inited", aim_at_copies)
    app.connect("builder-inited", copy_scripts)
    # After every other extension has added what it wants.
    app.connect("html-page-context", drop_unwanted, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
