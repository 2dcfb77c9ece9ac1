from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import zstandard

from faltcon import kernel_pages, provenance
from faltcon.errors import FormatError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

PATCH = (
    """From 0000 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Mon, 23 Nov 2026 00:00:00 +0000
Subject: [PATCH 2/9] tcp: keep something that is long enough to be
 folded

Because it
pays.

More.

Signed-off-by: A <a@example.org>
---
 net/ipv4/new.c | 2 ++
 net/ipv4/old.c | 3 ++-
 2 files changed, 4 insertions(+), 1 deletion(-)

diff --git a/net/ipv4/new.c b/net/ipv4/new.c
new file mode 100644
index 000..111
--- /dev/null
+++ b/net/ipv4/new.c
@@ -0,0 +1,2 @@
+one
+++two
diff --git a/net/ipv4/old.c b/net/ipv4/old.c
index 000..111 100644
--- a/net/ipv4/old.c
+++ b/net/ipv4/old.c
@@ -1,2 +1,3 @@
 same
-gone
+come
+come too
"""
    "-- \n2.39.5\n"
)
LINES = """KTAP version 1
1..4
ok 1 - first
ok 2 - second # SKIP no VRF in this kernel
ok 3 - third
    # skipped: no qdisc in this kernel
ok 4 fourth # SKIP
"""


def test_patches__what_a_patch_says_and_changes(tmp_path: Path) -> None:
    (tmp_path / "0002-x.patch").write_text(PATCH)
    (found,) = kernel_pages.patches("6.1", tmp_path)
    assert found == kernel_pages.Patch(
        number=2,
        subject="tcp: keep something that is long enough to be folded",
        why="Because it pays.",
        files=2,
        added=4,
        removed=1,
        new_code=2,
    )


def test_patches__what_a_later_patch_adds_to_a_new_file_is_new_code_too(tmp_path: Path) -> None:
    (tmp_path / "0002-x.patch").write_text(PATCH)
    later = PATCH.replace("new file mode 100644\n", "").replace(
        "--- /dev/null", "--- a/net/ipv4/new.c"
    )
    (tmp_path / "0003-y.patch").write_text(later.replace("PATCH 2/9", "PATCH 3/9"))
    assert [patch.new_code for patch in kernel_pages.patches("6.1", tmp_path)] == [2, 2]
    (tmp_path / "0002-x.patch").unlink()
    assert [patch.new_code for patch in kernel_pages.patches("6.1", tmp_path)] == [0]


def test_patches__of_the_project_are_numbered_in_order() -> None:
    found = kernel_pages.patches("6.1")
    assert [patch.number for patch in found] == list(range(1, len(found) + 1))
    assert all(patch.added and patch.files and patch.why for patch in found)


@pytest.mark.parametrize("content", ["", "nonsense", PATCH.split("diff --git", maxsplit=1)[0]])
def test_patches__a_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "0001-x.patch").write_text(content)
    with pytest.raises(FormatError, match=r"0001-x\.patch"):
        kernel_pages.patches("6.1", tmp_path)


def test_patches__an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no patch"):
        kernel_pages.patches("6.1", tmp_path)


def write(root: Path, passed: int) -> Path:
    folder = root / "kernel-test" / "one"
    folder.mkdir(parents=True)
    (folder / "ktap.txt.zst").write_bytes(zstandard.compress(LINES.encode()))
    document = {"results": {"passed": passed, "failed": 0}}
    (folder / provenance.FILE_NAME).write_text(json.dumps(document))
    return folder


def test_recorded_runs__are_read_again_from_what_the_tests_printed(tmp_path: Path) -> None:
    write(tmp_path, passed=2)
    (found,) = kernel_pages.recorded_runs(tmp_path)
    assert found.report.passed == ["first", "third"]
    assert found.skipped_because == {
        "second": "no VRF in this kernel", "fourth": "no qdisc in this kernel",
    }  # fmt: skip
    assert found.report.good


def test_recorded_runs__another_count_than_the_provenance_says_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, passed=3)
    with pytest.raises(FormatError, match="says 2 passed, its provenance 3"):
        kernel_pages.recorded_runs(tmp_path)


def test_recorded_runs__without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kernel-test"):
        kernel_pages.recorded_runs(tmp_path)
