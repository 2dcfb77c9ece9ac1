"""The build, on a tiny book with the real book's settings: what must fail, fails each time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
BOOK = PROJECT / "book"

pytestmark = pytest.mark.slow

HEAD = """---
kernelspec: {name: python3, display_name: Python 3}
jupytext: {text_representation: {extension: .md, format_name: myst}}
---
# A page

"""
CELL = "```{{code-cell}} ipython3\n{code}\n```\n"


class Tiny:
    """A page and one without cells, with the real configuration, extensions and build script."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.book = root / "book"
        self.html = self.book / "_build" / "html" / "page.html"
        self.book.mkdir(parents=True)
        for folder in ("_ext", "_js", "_site", "_static", "_templates"):
            shutil.copytree(BOOK / folder, self.book / folder)
        (self.book / "node_modules").symlink_to(BOOK / "node_modules")
        for name in ("_config.yml", "references.bib"):
            shutil.copy(BOOK / name, self.book / name)
        # The page for what is not there needs a table of contents to show.
        toc = {"format": "jb-book", "root": "page", "chapters": [{"file": "other"}]}
        (self.book / "_toc.yml").write_text(yaml.safe_dump(toc))
        (self.book / "other.md").write_text("# Another page\n\nNothing is computed here.\n")
        (root / "data" / "paper").mkdir(parents=True)
        (root / "analysis").mkdir()
        (root / "uv.lock").write_text("")

    def write(self, *parts: str) -> None:
        (self.book / "page.md").write_text(HEAD + "\n".join(parts))

    def build(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, PROJECT / "tools" / "build-book", self.book],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    if not (BOOK / "node_modules").exists():
        pytest.skip("the JavaScript packages are not installed; run `make setup`")
    return Tiny(tmp_path / "project")


def test_build__a_failing_cell_fails_every_time(tiny: Tiny) -> None:
    tiny.write(CELL.format(code="1 / 0"))
    for _ in range(2):
        answer = tiny.build()
        assert answer.returncode != 0
        assert "ZeroDivisionError" in answer.stderr
        assert not tiny.html.exists()
    tiny.write(CELL.format(code="print(6 * 7)"))
    assert tiny.build().returncode == 0
    assert "42" in tiny.html.read_text()


def test_build__an_undefined_reference_fails_every_time(tiny: Tiny) -> None:
    tiny.write("See {ref}`nowhere-to-be-found`.")
    for _ in range(2):
        answer = tiny.build()
        assert answer.returncode != 0
        assert "nowhere-to-be-found" in answer.stderr


def test_build__what_a_cell_says_on_stderr_fails_every_time(tiny: Tiny) -> None:
    tiny.write(CELL.format(code="import warnings\nwarnings.warn('this is old')"))
    for _ in range(2):
        answer = tiny.build()
        assert answer.returncode != 0, answer.stdout
        assert "stderr" in answer.stderr


def test_build__changed_data_and_changed_modules_run_the_cells_again(tiny: Tiny) -> None:
    code = (
        "import sys\nsys.path.insert(0, '../analysis')\nimport helper\n"
        "print(open('../data/number.txt').read(), helper.word)"
    )
    tiny.write(CELL.format(code=code))
    number, helper = tiny.root / "data" / "number.txt", tiny.root / "analysis" / "helper.py"
    number.write_text("first-value")
    helper.write_text("word = 'old' + 'word'")
    assert tiny.build().returncode == 0
    assert "first-value oldword" in tiny.html.read_text()
    number.write_text("second-value")
    assert tiny.build().returncode == 0
    assert "second-value oldword" in tiny.html.read_text()
    helper.write_text("word = 'brand' + 'newword'")
    assert tiny.build().returncode == 0
    assert "second-value brandnewword" in tiny.html.read_text()
