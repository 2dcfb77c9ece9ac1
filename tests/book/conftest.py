"""The built book, served on localhost, and a headless Chromium to open it with."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Response,
        Route,
    )

PROJECT = Path(__file__).resolve().parents[2]
BOOK = PROJECT / "book"
# `make check-site` points these tests at the folder that is published.
SITE = Path(os.environ.get("SITE_UNDER_TEST") or BOOK / "_build" / "html").resolve()
SCREENSHOTS = PROJECT / "build" / "screenshots"


def built_pages() -> list[str]:
    """Every page of the built book, as a path below the site; empty when it is not built."""
    hidden = {"_static", "_sources", "_images", "_downloads"}
    return sorted(
        file.relative_to(SITE).as_posix()
        for file in SITE.rglob("*.html")
        if not hidden.intersection(file.relative_to(SITE).parts)
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `path` once for each page, or once to say that there is none."""
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", built_pages() or ["index.html"])


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the tests look at what the browser saw."""


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").exists():
        pytest.skip("the book is not built; run `make book`")
    return SITE


@pytest.fixture(scope="session")
def axe() -> Path:
    """axe-core's script."""
    script = BOOK / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe-core is not installed; run `make setup`")
    return script


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str, str], None]:
    """Keep a picture of the whole page under build/screenshots: `shoot(page, path, kind)`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def shot(page: Page, path: str, kind: str) -> None:
        name = path.removesuffix(".html").replace("/", "-")
        page.screenshot(path=SCREENSHOTS / f"{name}-{kind}.png", full_page=True)

    return shot


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on localhost; its URL, without a slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[Path], AbstractContextManager[str]]:
    """`serve(folder)` is a context manager that gives the URL of a folder."""
    return serving


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The URL of the served book, without a slash at its end."""
    with serving(site) as url:
        yield url


class Visit:
    """One page in one browser window, with all that went wrong or left the site."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("requestfailed", lambda r: self.errors.append(f"{r.url}: {r.failure}"))
        context.on("response", self._response)
        context.route("**/*", self._route)
        self.page: Page = context.new_page()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.url}: {response.status}")

    def _route(self, route: Route) -> None:
        url = route.request.url
        inside = url.startswith(self.address) or urlsplit(url).scheme in {"data", "blob", "about"}
        if not inside:
            self.elsewhere.append(url)
            route.abort()
        else:
            route.continue_()

    def open(self, path: str) -> Page:
        """Go to a page and wait until its figures are drawn."""
        self.page.goto(f"{self.address}/{path}", wait_until="load")
        self.page.wait_for_load_state("networkidle")
        canvases = self.page.locator(".faltcon-canvas")
        for index in range(canvases.count()):
            canvases.nth(index).locator("svg").first.wait_for(state="attached")
        return self.page


@pytest.fixture
def visit(browser: Browser, address: str) -> Callable[..., AbstractContextManager[Visit]]:
    """Open a window: `visit(theme="dark", width=390)` is a context manager giving a Visit.

    at: where the site is, if not at its usual address.
    """

    @contextlib.contextmanager
    def window(
        *, theme: str = "light", width: int = 1280, height: int = 900, at: str = address
    ) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, locale="en-US"
        )
        context.add_init_script(
            f"if (location.protocol === 'http:') {{ localStorage.setItem('mode', '{theme}');"
            f" localStorage.setItem('theme', '{theme}'); }}"
        )
        try:
            yield Visit(context, at)
        finally:
            context.close()

    return window
