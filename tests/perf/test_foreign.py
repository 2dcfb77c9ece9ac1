"""What `convert` writes, read by a program that is not ours: speedscope, from file://.

Of Firefox profiler's form no reader of its own is packaged; speedscope reads an older form only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from faltcon.cli import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SPEEDSCOPE = (
    Path(__file__).resolve().parents[2] / "book" / "node_modules" / "speedscope/dist/release"
)
KERNEL = [f"\t{n:x} {name} ([kernel.kallsyms])\n" for n, name in enumerate(("inner", "outer"), 16)]
TEXT = "".join(
    f"a 1/2 [000] {second}.2:  100 cpu-clock: \n{''.join(KERNEL)}\n"
    f"b 1/3 [000] {second}.5:  {2**33 + 300} cpu-clock: \n\t401000 main é</script> (/bin/b)\n\n"
    for second in range(3)
)
STACKS = {"a;outer_[k];inner_[k]": 300, "b;main é</script>": 3 * (2**33 + 300)}

pytestmark = pytest.mark.skipif(
    not SPEEDSCOPE.exists(), reason="speedscope is not installed; run make setup"
)


def stacks_of(document: dict[str, Any]) -> dict[str, float]:
    """Folded stacks of a speedscope file's one profile, of either kind."""
    names = [frame["name"] for frame in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    found: dict[str, float] = defaultdict(int)
    if profile["type"] == "sampled":
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
            found[";".join(names[frame] for frame in sample)] += weight
        return found
    opened: list[str] = []
    last = 0
    for event in profile["events"]:
        if event["at"] > last:
            found[";".join(opened)] += event["at"] - last
            last = event["at"]
        if event["type"] == "O":
            opened.append(names[event["frame"]])
        else:
            assert opened.pop() == names[event["frame"]]
    return found


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (tmp_path / "p.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path / "p.txt"


def test_speedscope__holds_to_its_own_schema(profile: Path) -> None:
    target = profile.with_suffix(".json")
    assert run(["perf", "convert", "--to", "speedscope", str(profile), "-o", str(target)]) == 0
    schema = json.loads((SPEEDSCOPE / "file-format-schema.json").read_text("utf-8"))
    document = json.loads(target.read_text("utf-8"))
    jsonschema.validate(document, schema)
    assert stacks_of(document) == STACKS
    document["profiles"][0]["weights"] = ["many"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


@pytest.mark.browser
@pytest.mark.parametrize("form", ["speedscope", "pprof"])
def test_convert__speedscope_reads_the_same_stacks(
    form: str, profile: Path, browser: Browser
) -> None:
    target = profile.with_name({"speedscope": "p.json", "pprof": "p.pb.gz"}[form])
    assert run(["perf", "convert", "--to", form, str(profile), "-o", str(target)]) == 0
    context = browser.new_context(offline=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((SPEEDSCOPE / "index.html").as_uri())
    page.set_input_files("input[type=file]", str(target))
    with page.expect_download() as download:
        page.get_by_text("Export").click()
    exported = json.loads(Path(download.value.path()).read_text("utf-8"))
    context.close()
    kind = {"speedscope": "speedscope json", "pprof": "protobuf encoded pprof"}[form]
    assert f"Importing as {kind} file" in said
    assert stacks_of(exported) == STACKS
