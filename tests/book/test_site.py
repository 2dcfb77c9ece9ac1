"""The published folder: what `make site` adds, that it works anywhere, that old links answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    Visitor = Callable[..., AbstractContextManager[Any]]
    Server = Callable[[Path], AbstractContextManager[str]]

PROJECT = Path(__file__).resolve().parents[2]
URL = "https://example.org/a/book/"


def make(book: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROJECT / "tools" / "make-site", "--book", book, *options, target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made from the built book."""
    built = PROJECT / "book" / "_build" / "html"
    if not (built / "index.html").exists():
        pytest.skip("the book is not built; run `make book`")
    target = tmp_path_factory.mktemp("published") / "site"
    answer = make(built, target, "--url", URL.rstrip("/"))
    assert answer.returncode == 0, answer.stderr
    return target


def lines(name: str) -> list[str]:
    text = (PROJECT / "book" / "_site" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_published__every_page_that_ever_was_still_answers(site: Path) -> None:
    assert len(lines("published.txt")) >= 15
    for name in lines("published.txt"):
        assert (site / f"{name}.html").exists(), f"{name}: name its new place in redirects.txt"


def test_published__no_name_is_listed_twice() -> None:
    assert len(set(lines("published.txt"))) == len(lines("published.txt"))


def test_make_site__lists_every_page_once_with_the_sites_address(made: Path) -> None:
    tree = ET.parse(made / "sitemap.xml")  # noqa: S314  written by the tool under test
    listed = [element.text or "" for element in tree.iter() if element.tag.endswith("}loc")]
    assert len(listed) == len(set(listed))
    assert f"{URL}intro.html" in listed
    assert not any(name in " ".join(listed) for name in ("404", "search", "index.html"))
    for address in listed:
        assert (made / address.removeprefix(URL)).is_file()


def test_make_site__each_page_tells_what_it_is_about(made: Path) -> None:
    described = set()
    for file in made.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        if 'property="og:title"' not in text:
            continue
        described.add(file.stem)
        words = text.split('<meta property="og:description" content="')[1].split('"')[0]
        assert len(words) > 20, file
        assert f'<link rel="canonical" href="{URL}{file.name}">' in text
    assert set(lines("published.txt")) <= described


def test_make_site__draws_a_preview(made: Path) -> None:
    with Image.open(made / "_static" / "preview.png") as picture:
        assert picture.size == (1200, 630)
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 100


def test_make_site__the_page_for_what_is_not_found_leads_to_the_sites_top(made: Path) -> None:
    text = (made / "404.html").read_text(encoding="utf-8")
    assert 'href="/a/book/intro.html"' in text
    assert 'src="/a/book/_static/' in text
    assert 'href="/intro.html"' not in text
    assert 'data-content_root="/a/book/"' in text


def test_make_site__a_published_page_that_is_gone_is_named(made: Path, tmp_path: Path) -> None:
    book = shutil.copytree(made, tmp_path / "book", ignore=shutil.ignore_patterns("_*"))
    (book / "glossary.html").unlink()
    answer = make(book, tmp_path / "site")
    assert answer.returncode == 1
    assert "glossary" in answer.stderr
    assert "redirects.txt" in answer.stderr
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("book", "options", "words"),
    [("nowhere", [], "make book"), ("nowhere", ["--url", "book/"], "no address")],
)
def test_make_site__says_what_is_missing(
    tmp_path: Path, book: str, options: list[str], words: str
) -> None:
    answer = make(tmp_path / book, tmp_path / "site", *options)
    assert answer.returncode == 1
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.browser
def test_site__works_below_any_path(visit: Visitor, serve: Server, made: Path) -> None:
    with serve(made.parents[1]) as top, visit(at=f"{top}/{made.parent.name}/site") as seen:
        page = seen.open("index.html")
        page.wait_for_url("**/site/intro.html")
        page = seen.open("claims.html")
        assert page.locator(".faltcon-canvas svg.marks").count() >= 1
        assert (seen.errors, seen.elsewhere) == ([], [])


@pytest.mark.browser
@pytest.mark.parametrize("name", ["intro", "claims", "where-the-cycles-go", "design"])
def test_site__works_from_a_folder(visit: Visitor, made: Path, name: str) -> None:
    with visit(at=f"file://{made}") as seen:
        page = seen.open(f"{name}.html")
        assert page.locator("article h1").count() == 1
        assert (seen.errors, seen.elsewhere) == ([], [])


@pytest.mark.browser
def test_site__search_works_from_a_folder(visit: Visitor, made: Path) -> None:
    with visit(at=f"file://{made}") as seen:
        page = seen.open("search.html?q=handshake")
        page.locator("#search-results li").first.wait_for()
        assert seen.elsewhere == []
