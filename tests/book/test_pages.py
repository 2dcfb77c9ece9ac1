"""Every page of the built book, as a reader's browser meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from playwright.sync_api import Page

    Visitor = Callable[..., AbstractContextManager[Any]]
    Shooter = Callable[[Page, str, str], None]

pytestmark = pytest.mark.browser

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]


def violations(page: Page, axe: Path) -> list[str]:
    """What axe-core finds against WCAG 2.0 to 2.2, levels A and AA: one line an element."""
    page.add_script_tag(path=str(axe))
    options = json.dumps({"runOnly": {"type": "tag", "values": LEVELS}})
    found = page.evaluate(f"axe.run(document, {options}).then(result => result.violations)")
    return [f"{v['id']}: {n['html'][:200]} {n['any'][:1]}" for v in found for n in v["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page__opens_without_errors_and_is_accessible(
    visit: Visitor, axe: Path, shoot: Shooter, path: str, theme: str
) -> None:
    with visit(theme=theme) as seen:
        page = seen.open(path)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        shoot(page, path, theme)
        problems = violations(page, axe)
        # The theme's decoration may have an empty alt text; a picture in the text may not.
        nameless = page.eval_on_selector_all(
            "article img",
            "images => images.filter(i => !i.alt.trim()).map(i => i.outerHTML.slice(0, 200))",
        )
        assert seen.elsewhere == []
        assert seen.errors == []
        assert problems == []
        assert nameless == []


def test_page__fits_a_phone(visit: Visitor, shoot: Shooter, path: str) -> None:
    with visit(width=390, height=844) as seen:
        page = seen.open(path)
        shoot(page, path, "phone")
        wide = page.evaluate(
            """() => [...document.querySelectorAll('main *')]
                 .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
                 .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
        )
        scroll = page.evaluate("document.documentElement.scrollWidth")
        assert scroll <= 390, wide
        assert seen.errors == []


def test_search__finds_a_word(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open("search.html?q=handshake")
        page.locator("#search-results li").first.wait_for()
        assert page.locator("#search-results li").count() >= 2
        assert seen.elsewhere == []


def test_axe__finds_a_planted_fault(visit: Visitor, axe: Path) -> None:
    with visit() as seen:
        page = seen.open("index.html")
        page.evaluate("document.querySelector('article').innerHTML += '<img src=\"data:,\">'")
        assert any(line.startswith("image-alt") for line in violations(page, axe))


def test_visit__sees_a_request_that_leaves_the_site(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open("index.html")
        page.evaluate("fetch('http://192.0.2.1/x').catch(() => 0)")
        assert seen.elsewhere == ["http://192.0.2.1/x"]
        assert seen.errors
