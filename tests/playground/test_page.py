"""The Python behind the playground page, held to what the rest of the package says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from faltcon import paths
from faltcon.model import Counted, Eliminate, Policy, Scope, Steering, WindowKind
from faltcon.playground import Playground
from faltcon.playground.traces import SECOND
from faltcon.simulate import twin
from faltcon.simulate.inputs import load

RECORDING = paths.raw_dir() / "traffic" / "h1close-clients" / "capture.pcap.zst"
SLIDERS = {"k_t": 3, "window_s": 5, "timer_s": 30, "cores": 1}

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
# A distribution may start every Python with modules of its own (Debian: sitecustomize).
before = set(sys.modules)
import faltcon.playground
new = set(sys.modules) - before
print(*sorted({m.split(".")[0] for m in new} - set(sys.stdlib_module_names)))
"""


@pytest.fixture(scope="module")
def page() -> Playground:
    page = Playground()
    assert json.loads(page.read(str(RECORDING)))["error"] is None
    return page


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"k_t": 0, "timer_s": 2},
        {"cores": 4},
        {"cores": 3, "steering": "round-robin", "timer_s": 3},
        {"cores": 4, "scope": "global", "window_kind": "sliding", "window_s": 1},
        {"count": "syn", "eliminate": "at-most-one", "timer_s": 2},
    ],
    ids=str,
)
def test_answer__is_what_the_twin_says(page: Playground, choices: dict[str, object]) -> None:
    given = {**SLIDERS, **choices}
    found = json.loads(page.answer(json.dumps(given)))
    policy = Policy(
        k_t=given["k_t"],
        window_ns=given["window_s"] * SECOND,
        timer_ns=given["timer_s"] * SECOND,
        window_kind=WindowKind(given.get("window_kind", "tumbling")),
        scope=Scope(given.get("scope", "cpu")),
        counted=Counted(given.get("count", "established")),
        eliminate=Eliminate(given.get("eliminate", "none")),
    )
    trace = load(str(RECORDING)).trace
    cpus = trace.steer(given["cores"], Steering(given.get("steering", "rss")))
    counters = twin.run(trace, cpus, policy).counters
    assert found["counters"] == counters.as_dict()
    assert found["f_keys"] == len(trace.keys)
    assert sum(key["served"] for key in found["keys"]) == counters.hits
    assert found["served_share"] == counters.hits / counters.lookups


def test_frames__add_up_to_the_answer(page: Playground) -> None:
    sliders = json.dumps(SLIDERS)
    frames = json.loads(page.frames(sliders, 0, 10**6))["frames"]
    assert frames[-1]["counters"] == json.loads(page.answer(sliders))["counters"]
    assert [frame["time_s"] for frame in frames] == sorted(frame["time_s"] for frame in frames)
    assert json.loads(page.frames(sliders, 7, 3))["frames"] == frames[7:10]


def test_read__what_is_no_capture_is_said_in_one_line(tmp_path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no capture")
    error = json.loads(Playground().read(str(text)))["error"]
    assert "notes.txt" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    "bad", ["{}", "no JSON", '{"k_t": -1}', json.dumps({**SLIDERS, "scope": "x"})]
)
def test_answer__bad_choices_are_said(page: Playground, bad: str) -> None:
    assert json.loads(page.answer(bad))["error"]
    assert json.loads(page.frames(bad))["error"]


def archive(connections: int) -> dict[str, object]:
    """A HAR with a connection a second, each for one request."""
    entries = [
        {
            "connection": str(number),
            "serverIPAddress": "192.0.2.7",
            "startedDateTime": f"2026-01-01T00:00:{number:02}.000Z",
            "time": 12.5,
            "request": {"url": "https://example.org/"},
            "response": {"httpVersion": "http/1.1"},
        }
        for number in range(connections)
    ]
    return {"log": {"entries": entries}}


def test_read__a_har_is_what_the_simulation_makes_of_it(tmp_path) -> None:
    file = tmp_path / "network.har"
    file.write_text(json.dumps(archive(20)))
    page = Playground()
    about = json.loads(page.read(str(file)))
    assert (about["kind"], about["connections"], about["established"]) == ("HAR", 20, 20)
    assert about["unknown"]
    trace = load(str(file)).trace
    counters = twin.run(trace, trace.steer(1), Policy()).counters
    found = json.loads(page.answer(json.dumps(SLIDERS)))
    assert found["counters"] == counters.as_dict()
    assert counters.hits > 0


@pytest.mark.parametrize("text", ["{}", '{"log": {"entries": [{}, 1]}}', "[", '{"log": "x"}'])
def test_read__what_is_no_har_is_said_in_one_line(tmp_path, text: str) -> None:
    file = tmp_path / "network.har"
    file.write_text(text)
    error = json.loads(Playground().read(str(file)))["error"]
    assert "network.har: is no HAR" in error
    assert "\n" not in error


def test_tell__the_story_shows_every_part() -> None:
    page = Playground()
    assert json.loads(page.tell())["kind"] == "story"
    frames = json.loads(page.frames(json.dumps(SLIDERS), 0, 1000))["frames"]
    did = {part for frame in frames for part in frame["did"].split(", ")}
    assert {"f_pull: request", "f_push: request", "now an f-pair", "finds nobody idle"} <= did
    assert any(part.startswith("forgets") for part in did)
    # The stranger comes back when all are forgotten.
    assert frames[-1]["archive"][0]["nodes"][0]["f_pair"] is False


def test_share__is_the_answers(page: Playground) -> None:
    sliders = json.dumps(SLIDERS)
    share = json.loads(page.share(sliders))["served_share"]
    assert share == json.loads(page.answer(sliders))["served_share"]
    assert json.loads(page.share("{}"))["error"]


def test_frames__go_on_where_they_were_left(page: Playground) -> None:
    sliders = json.dumps(SLIDERS)
    whole = json.loads(page.frames(sliders, 0, 300))["frames"]
    page.frames(sliders, 0, 100)
    assert json.loads(page.frames(sliders, 100, 200))["frames"] == whole[100:]


def test_answer__before_a_file_is_read_is_empty() -> None:
    found = json.loads(Playground().answer(json.dumps(SLIDERS)))
    assert (found["served_share"], found["keys"]) == (None, [])


def test_imports__wheels_of_pure_python_alone() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(paths.project_root() / "analysis")],
        check=True,
        capture_output=True,
        text=True,
    )
    # zstandard is there on this machine; without it, plain and gzip captures are read.
    found = {name for name in run.stdout.split() if not name.startswith("_")}
    assert found <= {"faltcon", "dpkt", "h11", "hpack", "hyperframe", "zstandard"}


BARE = """
import sys
sys.path.insert(0, sys.argv[1])
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "zstandard":
            raise ModuleNotFoundError(name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "zstandard" else real(name, *rest)
sys.meta_path.insert(0, Absent())
from faltcon.playground import Playground
print(Playground().read(sys.argv[2]))
"""


def test_read__without_zstd_says_what_to_do() -> None:
    run = subprocess.run(
        [sys.executable, "-c", BARE, str(paths.project_root() / "analysis"), str(RECORDING)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "decompress it first" in json.loads(run.stdout)["error"]
