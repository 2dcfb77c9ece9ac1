from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import FormatError, InputError, UsageError
from faltcon.perf import rules
from faltcon.perf.rules import base_name, load

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'format = 1\n[variants.innermost]\nshared = "apart"\nphase_of = ["rx"]\n'
RULE = '[[layer]]\nis = "tcp"\nsymbols = ["tcp_*"]\nwhy = "x"\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "r.toml"
    file.write_text(text)
    return file


def test_rules__own_file_says_why_of_every_rule() -> None:
    own = load()
    for name in own.variants:
        ruleset = own.variant(name)
        assert ruleset.description
        for section in ruleset.sections.values():
            assert all(len(rule.why) > 5 for rule in section)


def test_rules__own_file_gives_each_direction_layer_and_phase() -> None:
    sections = load().variant().sections
    assert {rule.answer for rule in sections["direction"]} == set(rules.DIRECTIONS)
    assert {rule.answer for rule in sections["layer"]} == set(rules.LAYERS)
    assert {rule.answer for rule in sections["phase"]} == set(rules.PHASES)


def test_rules__no_rule_repeats_a_name_that_the_first_already_decides() -> None:
    """A name with no condition in two rules of a section would make the second one dead."""
    for section, entries in load().variant().sections.items():
        seen: dict[str, str] = {}
        for rule in entries:
            for symbol in rule.symbols:
                assert symbol not in seen, (section, symbol, seen.get(symbol), rule.number)
                if not (rule.under or rule.not_under or rule.leaf):
                    seen[symbol] = rule.number


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("finish_task_switch.isra.0", "finish_task_switch"),
        ("tcp_send_ack.part.0.cold", "tcp_send_ack"),
        ("x.constprop.0.isra.12", "x"),
        ("do_one.llvm.123", "do_one"),
        ("main.init", "main.init"),
        ("tcp_v4_rcv", "tcp_v4_rcv"),
    ],
)
def test_base_name(symbol: str, expected: str) -> None:
    assert base_name(symbol) == expected


def test_load__a_readers_own_file(tmp_path: Path) -> None:
    ruleset = load(write(tmp_path, HEAD + RULE)).variant()
    assert ruleset.naming("layer", "tcp_ack")[0].answer == "tcp"
    assert ruleset.naming("layer", "udp_rcv") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("format = ", "is not TOML"),
        ("format = 2\n", "format = 1"),
        ('format = 1\n[[layers]]\nis = "tcp"\n', "unknown section layers"),
        ("format = 1\n", r"variants\.innermost"),
        (HEAD.replace("apart", "away"), "shared must be one of"),
        (HEAD.replace("rx", "up"), "phase_of must list"),
        (HEAD + RULE.replace("tcp", "udp", 1), "layer 1.*must be one of"),
        (HEAD + RULE.replace("why", "who"), "a rule has only"),
        (HEAD + RULE.replace('["tcp_*"]', '"tcp_*"'), "symbols is no list"),
        (HEAD + RULE.replace('["tcp_*"]', "[]"), "needs symbols"),
        (HEAD + "[[variants.innermost.sort]]\nis = 1\n", "unknown section sort"),
        ("format = 1\nlayer = 3\n", r"no list of \[\[layer\]\]"),
    ],
)
def test_load__says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        load(write(tmp_path, text))


def test_load__absent_file_and_unknown_variant(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="it has: innermost"):
        load().variant("outermost")


def test_rule__conditions(tmp_path: Path) -> None:
    text = HEAD + RULE + 'under = ["a"]\nnot_under = ["b*"]\nleaf = true\n'
    rule = load(write(tmp_path, text)).variant().sections["layer"][0]
    assert rule.holds(("x", "a"), ())
    assert not rule.holds(("x", "a"), ("y",))
    assert not rule.holds(("x",), ())
    assert not rule.holds(("a", "bb"), ())


def test_rule__excepts_names(tmp_path: Path) -> None:
    rule = '[[layer]]\nis = "socket"\nsymbols = ["sk_*"]\nexcept = ["sk_skb_*"]\nwhy = "x"\n'
    text = HEAD.splitlines(keepends=True)
    ruleset = load(write(tmp_path, text[0] + rule + "".join(text[1:]))).variant()
    assert ruleset.naming("layer", "sk_alloc")
    assert not ruleset.naming("layer", "sk_skb_reason_drop")
