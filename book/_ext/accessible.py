"""Mend what screen readers stumble over in pages made by the extensions that the book uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

MENDS = {
    # myst-nb: the name must hold the words that are seen ("Show code cell source").
    ' aria-label="Toggle hidden content"': "",
    # docutils: a role that ARIA 1.2 has dropped.
    ' role="doc-biblioentry"': "",
    # Without that role, the entries are no items of a list.
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}


def mend(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Replace the faulty attributes in the page's body."""
    body = context.get("body")
    if body:
        for faulty, right in MENDS.items():
            body = body.replace(faulty, right)
        context["body"] = body


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.connect("html-page-context", mend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
