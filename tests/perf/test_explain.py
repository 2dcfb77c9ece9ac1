from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon import paths
from faltcon.cli import run
from faltcon.perf.classify import Classifier, kernel_stack
from faltcon.perf.explain import account_of, rules_naming, unnamed_symbols
from faltcon.perf.rules import load
from faltcon.perf.samples import Frame, Sample
from faltcon.perf.sources import read_profile

if TYPE_CHECKING:
    from pathlib import Path


def sample(stack: str) -> Sample:
    frames = tuple(Frame(0, name, None, "[kernel.kallsyms]") for name in stack.split())
    return Sample("c", 1, 1, 0, 1.0, "cycles", 10, frames)


SAMPLES = [
    sample("tcp_ack.isra.0 tcp_rcv_established tcp_v4_rcv"),
    sample("tcp_ack tcp_rcv_state_process tcp_v4_rcv"),
    sample("udp_rcv mystery"),
]


def test_rules_naming__in_order() -> None:
    named = rules_naming(load().variant("ack-as-data"), "tcp_ack.part.0")
    assert [(rule.section, rule.answer) for rule in named] == [("layer", "tcp"), ("phase", "data")]


def test_account_of__follows_the_stacks() -> None:
    account = account_of(SAMPLES, "tcp_ack", Classifier())
    assert account.weight == 20
    assert {found.phase: weight for found, weight in account.classes.items()} == {
        "data": 10,
        "shutdown": 10,
    }
    named = {name for _, name in account.deciding["phase"]}
    assert named == {"tcp_rcv_established", "tcp_rcv_state_process"}


def test_unnamed_symbols__only_of_stacks_without_a_class() -> None:
    unnamed, whole = unnamed_symbols(SAMPLES, Classifier())
    assert unnamed == {"udp_rcv": 10}
    assert whole == 30


def test_explain__command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["perf", "explain", "tcp_fin"]) == 0
    assert "phase 5: shutdown. The peer's FIN" in capfd.readouterr().out
    assert run(["perf", "explain", "kmem_cache_alloc"]) == 0
    assert "helper 2: caller" in capfd.readouterr().out
    assert run(["perf", "explain", "no_such_function"]) == 0
    assert "no rule names" in capfd.readouterr().out
    frames = [f"\t12 {name} ([kernel.kallsyms])\n" for name in ("tcp_fin", "tcp_v4_rcv")]
    text = f"a 1 1.5: cycles: \n{''.join(frames)}\n"
    (tmp_path / "p").write_text(text)
    assert run(["perf", "explain", "tcp_fin", str(tmp_path / "p")]) == 0
    out = capfd.readouterr().out
    assert "100.0 %  rx, tcp, phase shutdown" in out


def test_rules__cover_the_recordings() -> None:
    """No function above 0.1 % of a recording is left without a class, or in no rule at all."""
    files = sorted(paths.raw_dir().glob("bottleneck/*/perf-script.txt.zst"))
    if not files:
        pytest.skip("no bottleneck recording under data/raw")
    classifier = Classifier()
    rules = classifier.rules
    for file in files:
        tallies = read_profile(file).tallies
        unnamed, whole = unnamed_symbols(tallies, classifier)
        for tally in tallies:
            names = kernel_stack(tally.frames)
            if names and not any(rules.naming(section, names[0]) for section in rules.sections):
                unnamed[names[0]] += tally.weight
        missing = {name: n / whole for name, n in unnamed.items() if n > 0.001 * whole}
        assert not missing, (file.parent.name, missing)
