from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import ToolFailedError, UsageError
from faltcon.lab.kernel import guest
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build, Variant
from faltcon.lab.kernel.guest import Guest, run

if TYPE_CHECKING:
    from pathlib import Path


def boots(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(guest, "command", lambda *_: ["sh", "-c", script])


def test_a_console_is_read_to_its_last_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boots(monkeypatch, r"printf 'one\r\ntwo\n'; sleep 0.2; printf 'three'")
    shown: list[str] = []
    lines = run(Build(load()), tmp_path, Guest(), tmp_path / "console.log", shown.append)
    assert lines == ["one", "two", "three"]
    assert shown == ["one", "two"]
    assert (tmp_path / "console.log").read_bytes() == b"one\r\ntwo\nthree"


def test_a_silent_guest_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boots(monkeypatch, "echo one; sleep 60")
    with pytest.raises(ToolFailedError, match=r"silent; the console is in .*console\.log"):
        run(Build(load()), tmp_path, Guest(silence_s=0.5), tmp_path / "console.log")


def test_a_guest_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boots(monkeypatch, "while :; do echo x; sleep 0.1; done")
    with pytest.raises(ToolFailedError, match="no end after"):
        run(Build(load()), tmp_path, Guest(timeout_s=0.5), tmp_path / "console.log")


def test_a_sanitizer_build_is_not_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not for counting"):
        run(Build(load(), Variant.KCSAN), tmp_path, Guest(icount=True), tmp_path / "log")
