from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import FormatError, UsageError
from faltcon.lab.kernel import base

if TYPE_CHECKING:
    from pathlib import Path


def test_the_default_base_is_pinned_to_one_file() -> None:
    kernel = base.load()
    assert kernel.name == base.default_base()
    assert kernel.package == f"linux-source-{kernel.name}"
    assert kernel.version.startswith(kernel.release)
    assert len(kernel.sha256) == 64


def test_an_unknown_base_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no base kernel 2\.4; base\.toml has: .*6\.1"):
        base.load("2.4")


def test_a_base_without_a_field_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "base.toml"
    file.write_text('default = "9"\n[base."9"]\npackage = "linux-source-9"\n')
    with pytest.raises(FormatError, match="lacks version"):
        base.load("9", file)


def test_broken_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "base.toml"
    file.write_text("default = \n")
    with pytest.raises(FormatError, match="is not TOML"):
        base.load(None, file)


def test_the_work_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    assert base.work_dir() == tmp_path
    monkeypatch.delenv("FALTCON_KERNEL_DIR")
    assert base.work_dir().parts[-2:] == ("build", "kernel")


def test_clones_share_what_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FALTCON_KERNEL_CACHE", str(tmp_path))
    assert base.cache_dir() == tmp_path
    monkeypatch.delenv("FALTCON_KERNEL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert base.cache_dir() == tmp_path / "faltcon" / "kernel"
