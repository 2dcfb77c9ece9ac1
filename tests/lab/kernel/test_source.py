from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from faltcon.errors import InputError, ToolFailedError
from faltcon.files import sha256_of
from faltcon.lab.kernel import base, source
from faltcon.lab.kernel.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONTENT = b"a package"


class Archive(Steps):
    """Steps that run no apt: a download leaves a file, unless the archive is empty."""

    def __init__(self, folder: Path, content: bytes | None) -> None:
        super().__init__(folder, Console(file=io.StringIO()))
        self.content = content
        self.commands: list[list[str]] = []

    def run(
        self,
        what: str,
        takes: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> float:
        del what, takes, environment
        self.commands.append(list(command))
        if "download" in command:
            if self.content is None or cwd is None:
                raise ToolFailedError(command, 100, "E: Version was not found")
            (cwd / "a.deb").write_bytes(self.content)
        return 0.0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> base.BaseKernel:
    monkeypatch.setenv("FALTCON_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "need", lambda *_: None)
    file = tmp_path / "content"
    file.write_bytes(CONTENT)
    return dataclasses.replace(base.load(), sha256=sha256_of(file))


def test_a_package_is_fetched_once(kernel: base.BaseKernel, tmp_path: Path) -> None:
    archive = Archive(tmp_path, CONTENT)
    assert source.fetch(kernel, archive).read_bytes() == CONTENT
    assert source.fetch(kernel, archive).read_bytes() == CONTENT
    wanted = f"{kernel.package}={kernel.version}"
    assert archive.commands == [["apt-get", "download", wanted]]


def test_another_content_is_refused(kernel: base.BaseKernel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has sha256"):
        source.fetch(kernel, Archive(tmp_path, b"another"))


def test_a_version_that_is_gone_is_told(kernel: base.BaseKernel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"base\.toml .*cannot give .*--source"):
        source.fetch(kernel, Archive(tmp_path, None))


def test_another_suite_has_lists_of_its_own(kernel: base.BaseKernel, tmp_path: Path) -> None:
    archive = Archive(tmp_path, CONTENT)
    source.fetch(dataclasses.replace(kernel, suite="old-security"), archive)
    update, download = archive.commands
    assert update[-1] == "update"
    for command in archive.commands:
        lists = [word for word in command if word.startswith("-oDir::State::lists=")]
        assert str(tmp_path / "cache") in lists[0]
    assert update[1:-1] == download[1 : len(update) - 1]


def test_a_suite_that_is_gone_is_told(kernel: base.BaseKernel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Debian's old-security cannot give"):
        source.fetch(dataclasses.replace(kernel, suite="old-security"), Archive(tmp_path, None))
