"""Show what a word of the glossary means where it is used, on hover and on focus.

Each link to a glossary's term gets the start of its definition as an attribute,
which the style sheet shows beside it. The link itself leads to the whole.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

GLOSSARY = "glossary"
LONGEST = 240
LINK = re.compile(r'<a class="reference internal" href="[^"]*#(term-[^"]+)"')


def definitions(env: BuildEnvironment) -> dict[str, str]:
    """The anchor of each term of the glossary, with the start of its definition."""
    found: dict[str, str] = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        text = " ".join(item.next_node(nodes.definition).astext().split())
        if len(text) > LONGEST:
            text = text[:LONGEST].rsplit(" ", 1)[0] + "\N{HORIZONTAL ELLIPSIS}"
        found |= {anchor: text for term in item.findall(nodes.term) for anchor in term["ids"]}
    return found


def explain(
    app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Put the definitions beside the links of a page."""
    body = context.get("body")
    if not body or page == GLOSSARY or GLOSSARY not in app.env.found_docs:
        return
    known: dict[str, str] = app.env.__dict__.setdefault("faltcon_definitions", {})
    if not known:
        known.update(definitions(app.env))

    def with_definition(link: re.Match[str]) -> str:
        text = known.get(link[1])
        return f'{link[0]} data-definition="{html.escape(text)}"' if text else link[0]

    context["body"] = LINK.sub(with_definition, body)


def forget(_app: Sphinx, env: BuildEnvironment, _names: list[str]) -> None:
    """The glossary may have changed since the last build."""
    env.__dict__.pop("faltcon_definitions", None)


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.connect("env-before-read-docs", forget)
    app.connect("html-page-context", explain)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
