from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import MissingToolError, ToolFailedError
from faltcon.lab.kernel import lint

if TYPE_CHECKING:
    from pathlib import Path

OLD = "/a/stock/net/ipv4/tcp.c:10:1: warning: context imbalance in 'f'"
MOVED = "/a/patched/net/ipv4/tcp.c:14:1: warning: context imbalance in 'f'"
OTHER = "/a/patched/net/ipv4/tcp.c:20:1: warning: context imbalance in 'g'"


def test_a_warning_that_stock_has_elsewhere_in_the_file_is_not_new() -> None:
    assert lint.new_warnings([OLD], [MOVED]) == []


@pytest.mark.parametrize("line", [OTHER, MOVED.replace("tcp.c", "tcp_input.c"), "warning: odd"])
def test_another_one_is(line: str) -> None:
    assert lint.new_warnings([OLD], [MOVED, line]) == [line]


def test_one_that_comes_twice_is_new_once() -> None:
    assert lint.new_warnings([OLD], [MOVED, MOVED]) == [MOVED]


def tree_with(tree: Path, text: str) -> Path:
    (tree / "scripts").mkdir(parents=True)
    (tree / "scripts" / "checkpatch.pl").write_text(text)
    patch = tree / "0001-a.patch"
    patch.write_text("a patch")
    return patch


def test_checkpatch_says_what_it_says(tmp_path: Path) -> None:
    script = 'print "$ARGV[-1]:1: ERROR: odd\\ntotal: 1 errors\\n"; exit 1;'
    patch = tree_with(tmp_path, script)
    assert lint.checkpatch(tmp_path, [patch]) == ["0001-a.patch:1: ERROR: odd"]


def test_a_checkpatch_that_ends_early_is_no_clean_series(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError):
        lint.checkpatch(tmp_path, [tree_with(tmp_path, "exit 0;")])


def test_without_sparse_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "need", _missing)
    with pytest.raises(MissingToolError, match="sparse"):
        lint.lint(None, None)  # type: ignore[arg-type]


def _missing(*tools: str) -> None:
    raise MissingToolError(", ".join(tools), "sparse")
