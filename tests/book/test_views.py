"""The interactive figures, used as a reader uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    Visitor = Callable[..., AbstractContextManager[Any]]

pytestmark = pytest.mark.browser

FLAME_PAGE = "where-the-cycles-go.html"
CHART_PAGE = "claims.html"


def test_flamegraph__searches_zooms_and_resets(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(FLAME_PAGE)
        flame = page.locator(".faltcon-flame").first
        frames = flame.locator("g.frame")
        assert frames.count() > 50
        flame.locator("input[type=search]").fill("tcp_conn_request")
        lit = flame.locator("g.frame rect[fill='#ff5fa2']")
        assert lit.count() >= 1
        lit.first.click()
        assert "tcp_conn_request" in flame.locator("[role=status]").inner_text()
        assert flame.locator("g.frame.fade").count() > 3
        flame.locator("button").click()
        assert flame.locator("g.frame.fade").count() == 0
        assert lit.count() == 0
        assert seen.errors == []


def test_flamegraph__works_with_keys_alone(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(FLAME_PAGE)
        flame = page.locator(".faltcon-flame").first
        flame.locator("a.faltcon-folded").focus()
        page.keyboard.press("Tab")
        status = flame.locator("[role=status]")
        assert "100.0 %" in status.inner_text()
        page.keyboard.press("ArrowDown")
        first = status.inner_text()
        page.keyboard.press("ArrowRight")
        assert status.inner_text() != first
        page.keyboard.press("Enter")
        assert flame.locator("g.frame.fade").count() == 1
        page.keyboard.press("Escape")
        assert flame.locator("g.frame.fade").count() == 0
        assert seen.errors == []


def test_flamegraph__opens_in_speedscope_without_leaving_the_site(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(FLAME_PAGE)
        with seen.context.expect_page() as opened:
            page.locator("a.faltcon-speedscope").first.click()
        scope = opened.value
        scope.get_by_text("Left Heavy").first.wait_for()
        assert scope.locator("canvas").count() >= 1
        assert seen.elsewhere == []
        # Without a graphics card, Chromium comments on the speed of drawing.
        assert [error for error in seen.errors if "GL Driver Message" not in error] == []


def test_flamegraph__saves_folded_stacks(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(FLAME_PAGE)
        with page.expect_download() as started:
            page.locator("a.faltcon-folded").first.click()
        lines = started.value.path().read_text(encoding="utf-8").splitlines()
        assert len(lines) > 100
        assert all(line.rpartition(" ")[2].isdigit() for line in lines)


def test_chart__is_drawn_again_when_the_theme_changes(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(CHART_PAGE)
        ink = (
            "() => getComputedStyle(document.querySelector("
            "'.faltcon-canvas .role-axis-label text')).fill"
        )
        light = page.evaluate(ink)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(f"({ink})() !== '{light}'")
        assert seen.errors == []


def test_chart__says_what_it_shows_and_has_its_numbers(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(CHART_PAGE)
        picture = page.locator(".faltcon-chart svg.marks").first
        assert len(picture.get_attribute("aria-label")) > 40
        table = page.locator(".faltcon-chart details table").first
        assert table.locator("tbody tr").count() >= 4


def test_figure__picture_and_data_can_be_saved(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open(FLAME_PAGE)
        for name, start in (("figure-1a.svg", "<?xml"), ("figure-1a.csv", "run,")):
            with page.expect_download() as started:
                page.locator(f"a[download='{name}']").click()
            assert started.value.suggested_filename == name
            assert started.value.path().read_text(encoding="utf-8").startswith(start)


SHOWN = "link => getComputedStyle(link, '::after').content"


def test_glossary__a_word_says_what_it_means_under_mouse_and_keyboard(visit: Visitor) -> None:
    with visit() as seen:
        page = seen.open("repetition.html")
        word = page.locator("article a[data-definition]").first
        assert word.evaluate(SHOWN) == "none"
        word.hover()
        assert len(word.evaluate(SHOWN)) > 20
        page.mouse.move(0, 0)
        page.keyboard.press("Tab")
        word.focus()
        assert len(word.evaluate(SHOWN)) > 20
        page.keyboard.press("Escape")
        assert word.evaluate(SHOWN) == "none"
        assert seen.errors == []
