from __future__ import annotations

import gzip
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.lab.kernel.initramfs import END_MARK, Entry, make, newc

if TYPE_CHECKING:
    from pathlib import Path


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,12}", fullmatch=True), st.binary(max_size=40)), max_size=8
    )
)
def test_every_member_starts_on_four_bytes(files: list[tuple[str, bytes]]) -> None:
    archive = newc([Entry(name, stat.S_IFREG | 0o644, content) for name, content in files])
    at, found = 0, []
    while True:
        assert at % 4 == 0
        assert archive[at : at + 6] == b"070701"
        size, length = int(archive[at + 54 : at + 62], 16), int(archive[at + 94 : at + 102], 16)
        name = archive[at + 110 : at + 110 + length - 1].decode()
        start = (at + 110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        found.append((name, archive[start : start + size]))
        at = (start + size + 3) // 4 * 4
    assert found == files


def test_cpio_reads_it(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed")
    archive = newc([Entry("bin", stat.S_IFDIR | 0o755), Entry("bin/x", stat.S_IFREG | 0o755, b"#")])
    done = subprocess.run(
        ["cpio", "-it", "--quiet"], input=archive, capture_output=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == [b"bin", b"bin/x"]


def test_the_same_contents_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faltcon.lab.kernel.initramfs._busybox", lambda: b"busybox")
    program = tmp_path / "p"
    program.write_bytes(b"program")
    one = make(tmp_path / "1.gz", "p", {"p": program}).read_bytes()
    two = make(tmp_path / "2.gz", "p", {"p": program}).read_bytes()
    assert one == two
    text = gzip.decompress(one)
    assert END_MARK.encode() in text
    assert b"poweroff -f" in text
