from __future__ import annotations

import itertools
import re

import pytest

from faltcon.files import open_binary
from faltcon.paths import raw_dir
from faltcon.perf.classify import Classifier
from faltcon.perf.renames import Rename, other_names, renames
from faltcon.perf.rules import base_name, load

RELEASE = re.compile(r"[567]\.\d+")
RULES = load().variant()


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def test_renames__each_has_its_source() -> None:
    for one in renames():
        assert re.fullmatch(r"[0-9a-f]{12}", one.commit)
        assert RELEASE.fullmatch(one.release)
        assert one.kind in {"renamed", "split"}
        assert one.subject
        assert one.before != one.after
        assert set(one.seen) == {"5.10", "6.1", "6.18"}
    ordered = [_number(one.release) for one in renames()]
    assert ordered == sorted(ordered)


def test_renames__a_kernel_before_the_release_has_the_old_name_alone_or_took_the_commit() -> None:
    for one in renames():
        for kernel, seen in one.seen.items():
            if one.kind == "renamed":
                later = _number(kernel) >= _number(one.release)
                assert seen != ("before" if later else "after"), (one, kernel)


@pytest.fixture(scope="module")
def recorded() -> set[str]:
    found = sorted((raw_dir() / "kernel-symbols").glob("6.18.44-*/kallsyms.zst"))
    assert found
    with open_binary(found[0]) as stream:
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return {base_name(line.split()[2]) for line in lines}


@pytest.mark.parametrize("one", renames(), ids=lambda one: one.after)
def test_renames__recorded_kernel_has_the_names_that_the_table_says(
    one: Rename, recorded: set[str]
) -> None:
    has = (one.before in recorded, one.after in recorded)
    names = {(True, True): "both", (True, False): "before", (False, True): "after"}
    assert names.get(has, "-") == one.seen["6.18"]


def test_other_names__follows_changes_in_a_row() -> None:
    assert list(other_names("tcp_v4_inbound_md5_hash")) == [
        "tcp_inbound_md5_hash",
        "tcp_inbound_hash",
    ]
    assert other_names("tcp_inbound_hash")["tcp_inbound_md5_hash"].release == "6.7"
    assert other_names("memcpy") == {}


@pytest.mark.parametrize("one", renames(), ids=lambda one: one.after)
def test_rules__give_both_names_the_same_class(one: Rename) -> None:
    """Whichever kernel it is, the function decides alike: alone, and under the receive path."""
    classifier = Classifier(RULES)
    outer = ("tcp_v4_do_rcv", "tcp_v4_rcv", "ip_local_deliver", "__netif_receive_skb_one_core")
    for around in ((), outer):
        before, after = (
            classifier.classify_names((name, *around)) for name in (one.before, one.after)
        )
        assert before == after, one


def test_rules__name_every_function_of_the_table() -> None:
    sections = ("barrier", "direction", "layer", "phase", "context", "helper")
    for name in itertools.chain.from_iterable((one.before, one.after) for one in renames()):
        assert any(RULES.naming(section, name) for section in sections), name


def test_rules__take_a_name_from_the_table() -> None:
    """`do_tcp_sendpages` stands in no rule: kernels from 6.5 on do not have it."""
    (rule,) = RULES.naming("direction", "do_tcp_sendpages")
    assert rule.answer == "tx"
    assert "tcp_sendmsg_locked" in rule.symbols
