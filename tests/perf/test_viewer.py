"""The HTML files that the commands write, opened from file:// in headless Chromium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faltcon.cli import run
from faltcon.perf.viewer import page as page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[2] / "book" / "node_modules" / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
FRAMES = [f"\t{n:x} {name} ([kernel.kallsyms])\n" for n, name in enumerate(("inner", "outer"), 16)]
TEXT = "".join(
    f"a 1/2 [000] {second}.2{second}:  100 cpu-clock: \n{''.join(FRAMES)}\n"
    f"b 1/3 [000] {second}.5:  300 cpu-clock: \n\t401000 main</script> (/bin/b)\n\n"
    for second in range(3)
)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith("file:") else problems.append(r.url))
    yield page
    context.close()
    assert problems == []


def violations(page: Page) -> list[str]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run make setup")
    page.add_script_tag(path=str(AXE))
    options = json.dumps({"runOnly": {"type": "tag", "values": LEVELS}})
    found = page.evaluate(f"axe.run(document, {options}).then(result => result.violations)")
    return [f"{v['id']}: {n['html'][:200]}" for v in found for n in v["nodes"]]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (tmp_path / "p.txt").write_text(TEXT)
    return tmp_path / "p.txt"


def test_flame__search_zoom_and_keys(profile: Path, opened: Page) -> None:
    target = profile.with_suffix(".html")
    assert run(["perf", "flame", str(profile), "-o", str(target)]) == 0
    opened.goto(target.as_uri())
    names = "#graph button"
    labels = opened.eval_on_selector_all(names, "all => all.map(one => one.ariaLabel)")
    assert "all: 100.00 % of all" in labels
    assert "outer_[k]: 25.00 % of all" in labels
    assert "main</script>: 75.00 % of all" in labels
    for theme in ("dark", "light"):
        assert violations(opened) == [], theme
        opened.click("#theme")
    opened.fill("#search", "INNER")
    assert opened.locator(f"{names}.found").count() == 1
    assert "25.00 %" in opened.inner_text("#status")
    opened.click("#reset")
    opened.locator(names).filter(has_text="all").focus()
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Enter")
    focused = opened.evaluate("document.activeElement.ariaLabel")
    assert focused.startswith("a: 25.00 %")
    assert opened.locator(names).filter(has_text="main").count() == 0
    opened.keyboard.press("Escape")
    assert opened.locator(names).filter(has_text="main").count() == 1
    before = opened.locator(names).filter(has_text="all").bounding_box()
    opened.click("#turn")
    after = opened.locator(names).filter(has_text="all").bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] > before["y"]


def test_flame__a_difference_shows_its_marks(tmp_path: Path, opened: Page) -> None:
    content = page_of(
        {"c;x": 0.3, "c;y": 0.7}, title="a vs b", note="", changes={"c;x": 0.1, "c;y": -0.1},
        marked=["x"],
    )  # fmt: skip
    (tmp_path / "d.html").write_bytes(content)
    opened.goto((tmp_path / "d.html").as_uri())
    marked = opened.locator("#graph button.marked")
    assert marked.count() == 1
    label = marked.get_attribute("aria-label")
    assert label == "x: 30.00 % of all, +10.00 points, beyond chance"
    assert violations(opened) == []


def test_diff__command(profile: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = profile.with_name("q.txt")
    other.write_text(TEXT.replace("  300 ", "  100 "))
    target = profile.with_name("d.html")
    sets = [str(profile), "vs", str(other)]
    assert run(["perf", "diff", "--json", *sets, "-o", str(target)]) == 0
    found = json.loads(capfd.readouterr().out)
    shares = {one["frame"]: (one["share_before"], one["share_after"]) for one in found["frames"]}
    assert shares["outer_[k]"] == (0.25, 0.5)
    assert not any(one["marked"] for one in found["frames"])
    assert target.stat().st_size > 5000
    assert run(["perf", "diff", *sets]) == 0
    assert "takes 3 recordings a side" in capfd.readouterr().out
    assert run(["perf", "diff", str(profile)]) == 2


def test_heatmap__opens(profile: Path, opened: Page) -> None:
    target = profile.with_suffix(".html")
    assert run(["perf", "heatmap", str(profile), "-o", str(target)]) == 0
    opened.goto(target.as_uri())
    assert opened.locator("rect").count() == 6
    assert violations(opened) == []


def test_convert__other_forms(profile: Path, tmp_path: Path) -> None:
    for form in ("firefox", "pprof", "parquet"):
        target = tmp_path / form
        assert run(["perf", "convert", "--to", form, str(profile), "-o", str(target)]) == 0
        assert target.stat().st_size > 100
    assert run(["perf", "convert", "--to", "parquet", str(profile)]) == 2
