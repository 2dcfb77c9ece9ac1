"""Nothing in the built pages loads code, styles, fonts or pictures from another host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOADING = {
    "script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src",
    "video": "src", "audio": "src", "object": "data", "embed": "src",
}  # fmt: skip
# <link rel=...> that fetches something; rel=canonical or rel=license do not.
FETCHING_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "manifest"}


class Loads(HTMLParser):
    """Collects what a page would load from a URL with a host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        url = values.get(LOADING.get(tag, ""))
        if url is None or not re.match(r"(https?:)?//", url):
            return
        if tag == "link" and not FETCHING_RELATIONS.intersection((values.get("rel") or "").split()):
            return
        self.found.append(f"<{tag}> {url}")


def loads(html: str) -> list[str]:
    parser = Loads()
    parser.feed(html)
    return parser.found


def test_loads__sees_a_script_from_elsewhere() -> None:
    html = '<script src="https://example.org/x.js"></script><a href="https://example.org">y</a>'
    assert loads(html) == ["<script> https://example.org/x.js"]


def test_pages__load_from_their_own_folder_alone(site: Path, path: str) -> None:
    assert loads((site / path).read_text(encoding="utf-8")) == []


def test_pages__name_no_delivery_network(site: Path, path: str) -> None:
    html = (site / path).read_text(encoding="utf-8")
    networks = r"unpkg\.com|jsdelivr|cdnjs|googleapis|gstatic|cdn\.plot\.ly"
    assert re.findall(networks, html) == []


def test_styles__load_from_their_own_folder_alone(site: Path) -> None:
    found = {
        f"{file.relative_to(site)}: {url}"
        for file in site.rglob("*.css")
        for url in re.findall(
            r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", file.read_text(encoding="utf-8")
        )
    }
    assert found == set()
