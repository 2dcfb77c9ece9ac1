from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from faltcon.errors import InputError, UsageError
from faltcon.lab.kernel import base, series
from faltcon.lab.kernel.steps import Steps

if TYPE_CHECKING:
    from pathlib import Path

PATCH = """From 0 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Subject: [PATCH] one

---
 a.c   | 2 +-
 new.c | 1 +
 2 files changed, 2 insertions(+), 1 deletion(-)

diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -1,3 +1,3 @@
 one
-two
+{second}
 three
diff --git a/new.c b/new.c
new file mode 100644
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+{new}
--\x20
2.39.5
"""


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path / "logs", Console(file=io.StringIO()))


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "a.c").write_text("one\ntwo\nthree\n")
    (folder / "b.c").write_text("untouched\n")
    return folder


def patch(folder: Path, second: str = "TWO", new: str = "made") -> list[Path]:
    file = folder / "0001-one.patch"
    file.write_text(PATCH.format(second=second, new=new))
    return [file]


def test_touched_names_changed_and_new_files(tmp_path: Path) -> None:
    assert series.touched(patch(tmp_path)) == {"a.c", "new.c"}


def test_apply_leaves_the_origin_as_it_was(tmp_path: Path, origin: Path, steps: Steps) -> None:
    tree = tmp_path / "tree"
    series.apply(origin, tree, patch(tmp_path), steps)
    assert (tree / "a.c").read_text() == "one\nTWO\nthree\n"
    assert (tree / "new.c").read_text() == "made\n"
    assert (origin / "a.c").read_text() == "one\ntwo\nthree\n"
    assert not (origin / "new.c").exists()


def test_only_what_changed_gets_a_new_time(tmp_path: Path, origin: Path, steps: Steps) -> None:
    tree = tmp_path / "tree"
    series.apply(origin, tree, patch(tmp_path), steps)
    before = {name: (tree / name).stat().st_mtime_ns for name in ("a.c", "b.c", "new.c")}
    series.apply(origin, tree, patch(tmp_path, new="changed"), steps)
    assert (tree / "a.c").stat().st_mtime_ns == before["a.c"]
    assert (tree / "b.c").stat().st_mtime_ns == before["b.c"]
    assert (tree / "new.c").read_text() == "changed\n"


def test_a_file_that_the_series_no_longer_makes_goes(
    tmp_path: Path, origin: Path, steps: Steps
) -> None:
    tree = tmp_path / "tree"
    series.apply(origin, tree, patch(tmp_path), steps)
    series.apply(origin, tree, [], steps)
    assert not (tree / "new.c").exists()
    assert (tree / "a.c").read_text() == "one\ntwo\nthree\n"


def test_a_patch_that_does_not_apply_is_named(tmp_path: Path, origin: Path, steps: Steps) -> None:
    (origin / "a.c").write_text("something else\n")
    with pytest.raises(InputError, match=r"0001-one\.patch: does not apply"):
        series.apply(origin, tmp_path / "tree", patch(tmp_path), steps)


def test_the_digest_is_of_names_order_and_contents(tmp_path: Path) -> None:
    one = series.digest(patch(tmp_path))
    assert one == series.digest(patch(tmp_path))
    assert one != series.digest(patch(tmp_path, second="2"))


def test_a_base_without_series_is_refused() -> None:
    with pytest.raises(UsageError, match="no patch series"):
        series.patches("0.1")


@pytest.mark.parametrize("name", ["6.1", "5.10"])
def test_a_series_is_numbered_from_one(name: str) -> None:
    names = [file.name for file in series.patches(base.load(name).name)]
    assert [one[:4] for one in names] == [f"{n:04d}" for n in range(1, len(names) + 1)]


def added_files(name: str) -> dict[str, list[str]]:
    """Of a series: the lines of each file that it makes, after its last patch, as a diff adds them.

    Only what a patch adds is seen, so this is for files that no later patch cuts.
    """
    lines: dict[str, list[str]] = {}
    for patch_file in series.patches(name):
        made = ""
        for line in patch_file.read_text("utf-8").splitlines():
            if line.startswith("+++ b/"):
                made = line[6:]
            elif made and line.startswith("+"):
                lines.setdefault(made, []).append(line)
    return lines


@pytest.mark.parametrize("file", ["net/ipv4/tcp_faltcon.h", "net/ipv4/tcp_faltcon_test.c"])
def test_the_bases_share_the_series_own_files(file: str) -> None:
    ours, theirs = added_files("6.1")[file], added_files("5.10")[file]
    assert ours == theirs
