"""The playground page: files really dropped, the model really run, in headless Chromium."""

from __future__ import annotations

import base64
import json
import os
import struct
import time
from typing import TYPE_CHECKING

import pytest

from faltcon import paths
from faltcon.cli import run as run_command
from faltcon.files import open_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from playwright.sync_api import Page

    Visitor = Callable[..., AbstractContextManager[Any]]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATH = "playground.html"
RECORDING = "traffic/h1close-clients/capture.pcap.zst"
# Generous: the machine may be busy. What the page promises in seconds is weighed with `busyness`.
PATIENCE_MS = 240_000
SHIFT_S = 60
PACKETS = 20_000


def busyness() -> float:
    """How much slower this machine is than when it has nothing else to do, 1 at least.

    Runnable processes for each processor: a browser's threads get that much less of it.
    """
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def recording() -> bytes:
    with open_binary(paths.raw_dir() / RECORDING) as stream:
        return stream.read()


def records(capture: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Time in the file's unit, length on the wire, bytes of each packet."""
    at = 24
    while at < len(capture):
        seconds, fraction, size, wire = struct.unpack_from("<IIII", capture, at)
        yield seconds, fraction, capture[at : at + 16 + size]
        at += 16 + size
        assert wire >= size


def repeated(capture: bytes, packets: int) -> bytes:
    """A capture of so many packets: the recording again and again, a minute later each time."""
    parts, left, turn = [capture[:24]], packets, 0
    while left > 0:
        for seconds, fraction, record in list(records(capture))[:left]:
            parts.append(struct.pack("<II", seconds + turn * SHIFT_S, fraction) + record[8:])
            left -= 1
        turn += 1
    return b"".join(parts)


def padded(capture: bytes, size: int) -> Iterator[bytes]:
    """The capture, then frames of 60,000 bytes that are no IP, until the file has this size."""
    yield capture
    first = next(records(capture))
    payload = bytes(12) + b"\x88\xb5" + bytes(59_986)
    record = struct.pack("<IIII", first[0], first[1], len(payload), len(payload)) + payload
    for _ in range((size - len(capture)) // len(record) + 1):
        yield record


def archive() -> dict[str, object]:
    """A HAR of one browser that opens a connection for each of 20 requests."""
    entries = [
        {
            "connection": str(number),
            "serverIPAddress": "192.0.2.7",
            "startedDateTime": f"2026-01-01T00:00:{number:02}.000Z",
            "time": 12.5,
            "request": {"url": "https://example.org/"},
            "response": {"httpVersion": "http/1.1"},
        }
        for number in range(20)
    ]
    return {"log": {"version": "1.2", "entries": entries}}


def drop(page: Page, file: Path) -> None:
    """Drop a small file on the zone, as a hand would."""
    content = base64.b64encode(file.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([content, name]) => {
             const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
             const transfer = new DataTransfer();
             transfer.items.add(new File([bytes], name));
             return transfer;
           }""",
        [content, file.name],
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("#pg-drop", kind, {"dataTransfer": transfer})


def wait_for_answer(page: Page, since: str | None = None) -> dict[str, int]:
    """The totals, when all that the page draws is drawn."""
    page.wait_for_function(
        "since => { const done = document.getElementById('pg-top').dataset.done;"
        " return document.getElementById('pg-error').textContent || (done && done !== since); }",
        arg=since,
        timeout=PATIENCE_MS,
    )
    assert page.locator("#pg-error").text_content() == ""
    cells = page.locator("#pg-totals [data-total]")
    return dict(
        cells.evaluate_all("cells => cells.map(c => [c.dataset.total, Number(c.dataset.value)])")
    )


def turn(page: Page) -> str | None:
    return page.locator("#pg-top").get_attribute("data-done")


def complaint(page: Page) -> str:
    page.wait_for_function(
        "document.getElementById('pg-error').textContent !== ''", timeout=PATIENCE_MS
    )
    return page.locator("#pg-error").text_content() or ""


@pytest.fixture
def page_of(visit: Visitor, site: Path) -> Iterator[tuple[Page, Any]]:
    if not (site / PATH).exists():
        pytest.skip("the book was built without the playground; run `make book`")
    with visit() as seen:
        yield seen.open(PATH), seen


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """What `faltcon model run --json` says."""

    def run(file: Path, *options: str) -> dict[str, Any]:
        assert run_command(["model", "run", "--json", *options, str(file)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    return run


def test_page__asks_for_python_only_when_it_is_started(page_of: tuple[Page, Any]) -> None:
    page, seen = page_of
    asked: list[str] = []
    seen.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "pyodide" in url]
    page.click("#pg-start")
    totals = wait_for_answer(page)
    assert [url for url in asked if "pyodide" in url]
    assert totals["hits"] > 0
    assert seen.elsewhere == []
    assert seen.errors == []


def test_story__goes_event_by_event_by_keyboard(page_of: tuple[Page, Any]) -> None:
    page, seen = page_of
    page.locator("#pg-start").focus()
    page.keyboard.press("Enter")
    wait_for_answer(page)
    told = page.locator("#pg-told")
    assert "Event 1 of" in told.inner_text()
    page.locator("#pg-next").focus()
    pulled = False
    for number in range(2, 64):
        page.keyboard.press("Enter")
        assert f"Event {number} of" in told.inner_text()
        pulled |= "f_pull: request" in told.inner_text()
    assert pulled
    assert page.locator("#pg-next").is_disabled()
    page.locator("#pg-first").focus()
    page.keyboard.press("Enter")
    assert "Event 1 of" in told.inner_text()
    page.locator("#pg-k_t").focus()
    before = turn(page)
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert wait_for_answer(page, before)["f_pairs_made"] >= 3
    assert seen.errors == []


def test_capture__of_20000_packets_answers_soon_and_as_the_command_does(
    page_of: tuple[Page, Any], counted: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    page, seen = page_of
    file = tmp_path / "twenty-thousand.pcap"
    file.write_bytes(repeated(recording(), PACKETS))
    page.click("#pg-start")
    wait_for_answer(page)
    before, began = turn(page), time.monotonic()
    drop(page, file)
    totals = wait_for_answer(page, before)
    taken_s = time.monotonic() - began
    assert "20,000 packets" in page.locator("#pg-about").inner_text()
    expected = counted(file)
    assert totals == {name: expected[name] for name in totals}
    assert len(totals) == 8
    share = float(page.locator("#pg-verdict").get_attribute("data-share") or "nan")
    assert share == expected["hit_share"]
    assert page.locator("#pg-keys tbody tr").count() == expected["f_keys"]
    assert seen.elsewhere == []
    assert seen.errors == []
    assert taken_s < 20 * busyness()


def test_sliders__answer_as_the_command_does(
    page_of: tuple[Page, Any], counted: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    page, _ = page_of
    file = tmp_path / "short.pcap"
    file.write_bytes(recording())
    drop(page, file)
    wait_for_answer(page)
    before = turn(page)
    page.evaluate(
        """() => { for (const [name, value] of [["k_t", 1], ["window_s", 2.5], ["timer_s", 2],
                                                ["cores", 4]]) {
                     document.getElementById("pg-" + name).value = value; } }"""
    )
    page.select_option("#pg-scope", "global", force=True)
    totals = wait_for_answer(page, before)
    options = ["--k-t", "1", "--window", "2.5s", "--timer", "2s", "--cores", "4"]
    expected = counted(file, *options, "--scope", "global")
    assert totals == {name: expected[name] for name in totals}


def test_capture__cut_is_used_as_far_as_it_goes(
    page_of: tuple[Page, Any], counted: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    page, _ = page_of
    file = tmp_path / "cut.pcap"
    file.write_bytes(recording()[:300_007])
    drop(page, file)
    totals = wait_for_answer(page)
    assert "ends early" in page.locator("#pg-about").inner_text()
    expected = counted(file)
    assert expected["truncated"]
    assert totals == {name: expected[name] for name in totals}


def test_archive__of_a_browser_is_read(
    page_of: tuple[Page, Any], counted: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    page, _ = page_of
    file = tmp_path / "network.har"
    file.write_text(json.dumps(archive()))
    drop(page, file)
    totals = wait_for_answer(page)
    expected = counted(file)
    assert totals["hits"] > 0
    assert totals == {name: expected[name] for name in totals}
    assert "Such a file does not tell" in page.locator("#pg-about").inner_text()


def test_text__is_refused_in_plain_words_and_the_page_lives_on(
    page_of: tuple[Page, Any], tmp_path: Path
) -> None:
    page, seen = page_of
    for name, content, words in (
        ("notes.txt", b"no capture at all", "is not a pcap or pcapng capture"),
        ("empty.pcap", b"", "is empty"),
        ("log.json", b'{"log": 1}', "is no HAR"),
        ("short.pcap", recording()[:20], "ends before its file header"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        drop(page, file)
        page.wait_for_function(
            "name => document.getElementById('pg-error').textContent.startsWith(name)",
            arg=name,
            timeout=PATIENCE_MS,
        )
        said = complaint(page)
        assert words in said
        assert "Traceback" not in said
        assert "/dropped" not in said
    page.click("[data-trace=story]")
    assert wait_for_answer(page)["hits"] > 0
    assert seen.errors == []


def test_capture__of_100_mb_is_read_from_the_disk(
    page_of: tuple[Page, Any], counted: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    page, _ = page_of
    file = tmp_path / "large.pcap"
    with file.open("wb") as stream:
        for part in padded(recording(), 100_000_000):
            stream.write(part)
    assert file.stat().st_size > 100_000_000
    page.set_input_files("#pg-file", file)
    totals = wait_for_answer(page)
    expected = counted(file)
    assert totals == {name: expected[name] for name in totals}


def test_file__above_the_limit_is_refused_with_the_limit(page_of: tuple[Page, Any]) -> None:
    page, _ = page_of
    transfer = page.evaluate_handle(
        """() => { const transfer = new DataTransfer();
                   const block = new Uint8Array(32e6);
                   transfer.items.add(new File(Array(16).fill(block), "huge.pcap"));
                   return transfer; }"""
    )
    page.dispatch_event("#pg-drop", "drop", {"dataTransfer": transfer})
    said = complaint(page)
    assert said.startswith("huge.pcap: is larger than 500 MB")
    assert "faltcon model run" in said


def test_page__works_without_a_network_once_loaded(
    page_of: tuple[Page, Any], tmp_path: Path
) -> None:
    page, seen = page_of
    page.click("#pg-start")
    wait_for_answer(page)
    before = turn(page)
    seen.context.set_offline(True)
    file = tmp_path / "network.har"
    file.write_text(json.dumps(archive()))
    drop(page, file)
    assert wait_for_answer(page, before)["hits"] > 0


def test_page__forbids_requests_to_other_hosts(page_of: tuple[Page, Any]) -> None:
    page, seen = page_of
    refused = page.evaluate(
        """async () => { const inPage = await fetch('http://192.0.2.1/').catch(e => 'refused');
             const code = "fetch('http://192.0.2.1/').then(() => postMessage('sent'), " +
                          "() => postMessage('refused'))";
             const worker = new Worker(URL.createObjectURL(new Blob([code])));
             const inWorker = await new Promise(r => { worker.onmessage = e => r(e.data); });
             return [inPage, inWorker]; }"""
    )
    assert refused == ["refused", "refused"]
    assert seen.elsewhere == []


def test_stop__ends_what_runs_and_one_can_begin_again(
    page_of: tuple[Page, Any], tmp_path: Path
) -> None:
    page, _ = page_of
    file = tmp_path / "long.pcap"
    file.write_bytes(repeated(recording(), 5 * PACKETS))
    page.set_input_files("#pg-file", file)
    page.click("#pg-stop")
    assert "Stopped" in complaint(page)
    page.click("[data-trace=story]")
    assert wait_for_answer(page)["hits"] > 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_answer__is_accessible_and_fits_a_phone(
    visit: Visitor, axe: Path, site: Path, theme: str, shoot: Callable[[Page, str, str], None]
) -> None:
    if not (site / PATH).exists():
        pytest.skip("the book was built without the playground; run `make book`")
    with visit(theme=theme, width=360, height=800) as seen:
        page = seen.open(PATH)
        page.click("[data-trace=recording]")
        wait_for_answer(page)
        page.click("#pg-sliders summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.add_script_tag(path=str(axe))
        levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
        options = json.dumps({"runOnly": {"type": "tag", "values": levels}})
        found = page.evaluate(f"axe.run(document, {options}).then(result => result.violations)")
        assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == []
        shoot(page, PATH, f"played-{theme}-phone")


def test_start__is_within_15_seconds_from_localhost(page_of: tuple[Page, Any]) -> None:
    page, _ = page_of
    page.click("#pg-start")
    wait_for_answer(page)
    loaded_s = float(page.locator("#pg-top").get_attribute("data-load-seconds") or "nan")
    assert loaded_s < 15 * busyness()
