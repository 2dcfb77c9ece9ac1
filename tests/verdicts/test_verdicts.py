from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from faltcon import claims, paths, verdicts
from faltcon.cli import run
from faltcon.errors import FormatError
from faltcon.verdicts.evidence import Evidence
from faltcon.verdicts.registry import ANSWERS

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.counts import Sums
    from faltcon.profiles import Profile
    from faltcon.verdicts import Answered


def test_check__every_claim_has_one_answer_and_no_answer_is_without_a_claim() -> None:
    assert set(ANSWERS) == {claim.id for claim in claims.load()}


def test_check__agrees_with_the_committed_verdicts(found: dict[str, Answered]) -> None:
    assert {name: row.finding.verdict for name, row in found.items()} == verdicts.committed()


def test_check__what_was_measured_has_an_interval_and_names_recordings_that_exist(
    found: dict[str, Answered],
) -> None:
    for row in found.values():
        finding = row.finding
        for source in finding.sources:
            assert (paths.project_root() / source).exists(), source
        if finding.origin == "measured here":
            # Several recordings, of other arms, may make one repetition.
            assert 1 <= finding.n <= len(finding.sources)
        if finding.origin == "measured here" and finding.ours is not None:
            assert finding.interval is not None
            assert finding.interval[0] <= finding.ours <= finding.interval[1]


def test_check__other_recordings_move_the_verdicts_that_rest_on_them_and_no_others(
    evidence: Evidence, found: dict[str, Answered]
) -> None:
    other = Evidence()
    other.__dict__["profiles"] = [_without_establishment(p) for p in evidence.profiles]
    other.__dict__["flows"] = evidence.flows
    other.__dict__["handshakes"] = evidence.handshakes
    other.__dict__["_connection_costs"] = evidence._connection_costs  # noqa: SLF001
    moved = {
        row.claim.id for row in verdicts.check(other) if row.finding != found[row.claim.id].finding
    }
    rests_on_profiles = {
        name
        for name, row in found.items()
        if row.finding.sources and row.finding.sources[0].startswith("data/raw/bottleneck")
    }
    assert {"handshake-share-rx", "linux-control-path"} <= moved
    assert moved <= rests_on_profiles


def _without_establishment(profile: Profile) -> Profile:
    """The same profile, had no connection ever been made."""
    breakdowns = {}
    for name, breakdown in profile.breakdowns.items():
        kept = {c: w for c, w in breakdown.weights.items() if c.phase != "establishment"}
        breakdowns[name] = dataclasses.replace(breakdown, weights=Counter(kept))
    stacks = Counter({s: w for s, w in profile.stacks.items() if "tcp_conn_request" not in s})
    return dataclasses.replace(profile, breakdowns=breakdowns, stacks=stacks)


def test_linux_control_path__a_step_that_is_never_seen_is_named(evidence: Evidence) -> None:
    other = Evidence()
    other.__dict__["profiles"] = [_without_establishment(p) for p in evidence.profiles]
    claim = claims.get("linux-control-path")
    finding = ANSWERS[claim.id](claim, other)
    assert finding.verdict == "partly"
    assert "inet_reqsk_alloc" in finding.why


@pytest.mark.parametrize(("factor", "moves"), [(1.0, False), (1.5, True)])
def test_saved__a_recording_that_grows_moves_figure_3_and_nothing_else(
    evidence: Evidence, found: dict[str, Answered], factor: float, moves: bool
) -> None:
    if not evidence.handshakes:
        assert found["saved-total"].finding.verdict == "cannot be tested here"
        return
    other = Evidence()
    for name in ("profiles", "flows"):
        other.__dict__[name] = getattr(evidence, name)
    other.__dict__["handshakes"] = [
        dataclasses.replace(boot, sums=_scaled(boot.sums, factor)) if boot.arm == "level2" else boot
        for boot in evidence.handshakes
    ]
    moved = {
        row.claim.id for row in verdicts.check(other) if row.finding != found[row.claim.id].finding
    }
    everything = {"cycles-saved-abstract", "saved-total", "saved-request-sock", "saved-synack"}
    assert moved == ((everything | {"saved-others"}) if moves else set())


def _scaled(sums: Sums, factor: float) -> Sums:
    inside = {name: round(factor * value) for name, value in sums.inside.items()}
    return dataclasses.replace(sums, inside=inside)


def test_committed__bad_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.toml"
    file.write_text('a = "perhaps"')
    with pytest.raises(FormatError, match="perhaps"):
        verdicts.committed(file)
    file.write_text("a = ")
    with pytest.raises(FormatError, match="not TOML"):
        verdicts.committed(file)


def test_write__what_is_written_is_read_again(tmp_path: Path, found: dict[str, Answered]) -> None:
    file = tmp_path / "verdicts.toml"
    verdicts.write(found.values(), file)
    assert verdicts.committed(file) == verdicts.committed()


def test_claims_check__prints_objects_and_fails_on_a_changed_verdict(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    found: dict[str, Answered],
) -> None:
    monkeypatch.setattr(verdicts, "check", lambda **_: list(found.values()))
    assert run(["claims", "check", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(found)
    wanted = {
        "id",
        "section",
        "claim",
        "paper",
        "ours",
        "interval",
        "n",
        "unit",
        "verdict",
        "origin",
    }
    assert wanted <= set(rows[0])

    changed = verdicts.committed() | {"gain-mean": "reproduced", "no-such-claim": "partly"}
    file = tmp_path / "verdicts.toml"
    file.write_text("\n".join(f'{name} = "{verdict}"' for name, verdict in changed.items()))
    monkeypatch.setattr(verdicts, "committed_file", lambda: file)
    assert run(["claims", "check"]) == 1
    message = capsys.readouterr().err
    assert "2 verdicts differ" in message
    assert "gain-mean: not reproduced (committed: reproduced)" in message
    assert "no-such-claim" in message

    assert run(["claims", "check", "--write"]) == 0
    assert run(["claims", "check"]) == 0


def test_claims_check__answers_the_claims_that_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["claims", "check", "server-clock", "f-key", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == ["f-key", "server-clock"]


@pytest.mark.parametrize("arguments", [["no-such-claim"], ["f-key", "--write"]])
def test_claims_check__refuses_unknown_claims_and_a_part_of_the_verdicts(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = verdicts.committed_file().read_bytes()
    assert run(["claims", "check", *arguments]) == 2
    assert arguments[0] in capsys.readouterr().err or "--write" in arguments
    assert verdicts.committed_file().read_bytes() == before
