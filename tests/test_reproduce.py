"""`make reproduce`: what happens when a raw log is altered, with and without its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from faltcon import paths, provenance, verdicts
from faltcon.handshake import COUNTS, EXPERIMENT
from faltcon.verdicts.evidence import Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.verdicts import Answered

ARM = "level2"


def _link(source: str, target: str) -> str:
    """Share the bytes with the original, which must never be written through the link."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the recordings, to be altered."""
    if not (paths.raw_dir() / EXPERIMENT).is_dir():
        pytest.skip(f"no recordings of {EXPERIMENT}")
    return shutil.copytree(paths.data_dir(), tmp_path / "data", copy_function=_link)


def logs(data: Path) -> list[Path]:
    """The raw counts of every boot of one arm."""
    return sorted((data / "raw" / EXPERIMENT).glob(f"minimal-l*-{ARM}/{COUNTS}"))


def rewrite(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text)


def scale(file: Path, factor: float) -> None:
    """Multiply the counts from SYN to SYNACK, as the plugin would have printed them."""
    text = re.sub(
        r"(?<=inside )\d+", lambda number: str(round(factor * int(number[0]))), file.read_text()
    )
    rewrite(file, text)


def renew_checksum(file: Path) -> None:
    document = provenance.load(file.parent)
    content = file.read_bytes()
    document["files"][file.name] |= {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    rewrite(file.parent / provenance.FILE_NAME, json.dumps(document))


def answers(evidence: Evidence, data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answered]:
    """The claims answered with the altered boots, and all other data as they are."""
    other = Evidence()
    for name in ("profiles", "flows"):
        other.__dict__[name] = getattr(evidence, name)
    monkeypatch.setenv("FALTCON_DATA", str(data))
    assert provenance.verify(data / "raw")[1] == []
    return {row.claim.id: row for row in verdicts.check(other)}


@pytest.mark.slow
def test_reproduce__one_scaled_log_moves_what_rests_on_it_and_nothing_else(
    evidence: Evidence, found: dict[str, Answered], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logs(data)[0]
    scale(log, 1.5)
    renew_checksum(log)
    after = answers(evidence, data, monkeypatch)
    moved = {name for name, row in after.items() if row.finding != found[name].finding}
    source = f"data/raw/{EXPERIMENT}/{log.parent.name}"
    resting = {name for name, row in found.items() if source in row.finding.sources}
    assert moved
    assert moved <= resting


@pytest.mark.slow
def test_reproduce__scaled_logs_change_the_verdicts_that_rest_on_them_and_no_others(
    evidence: Evidence, found: dict[str, Answered], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for log in logs(data):
        scale(log, 1.5)
        renew_checksum(log)
    after = answers(evidence, data, monkeypatch)
    changed = {n for n, row in after.items() if row.finding.verdict != found[n].finding.verdict}
    resting = {
        name
        for name, row in found.items()
        if any(source.endswith(ARM) and EXPERIMENT in source for source in row.finding.sources)
    }
    assert {"saved-total", "cycles-saved-abstract"} <= changed
    assert changed <= resting


@pytest.mark.slow
def test_reproduce__says_both_what_was_altered_and_which_verdicts_change(data: Path) -> None:
    first, *others = logs(data)
    for log in (first, *others):
        scale(log, 1.5)
    for log in others:
        renew_checksum(log)
    done = subprocess.run(
        [sys.executable, paths.project_root() / "tools" / "reproduce"],
        env=os.environ | {"FALTCON_DATA": str(data)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.count("has changed since it was recorded") + done.stdout.count(
        "has not the recorded"
    ) == len({first})
    assert f"{first.parent.name}/{COUNTS}" in done.stdout
    assert "saved-total: not reproduced (committed: partly)" in done.stderr
    assert "Traceback" not in done.stderr
