"""The prose is spelled and styled as one book, and the check sees what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
GOOD = """# A chapter

:::{div} faltcon-opening

:For: everyone
:Needs: nothing
:Time: 3 minutes
:You learn: what is right
:::

The kernel answers. ``` `not_a_wrod` ``` is code, and so is `nother_one`.

```{code-cell} ipython3
wrods = "in kode"
```

## What to take away

- The handshake costs something.
"""


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("aspell") is None:
        pytest.skip("aspell is not installed; run tools/setup-debian test")
    command = [sys.executable, PROJECT / "tools" / "check-prose", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_prose__all_pages_are_clean() -> None:
    answer = check()
    assert answer.returncode == 0, answer.stdout


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    return tmp_path / "chapter.md"


def test_check_prose__code_is_no_prose(chapter: Path) -> None:
    chapter.write_text(GOOD)
    answer = check(chapter)
    assert answer.returncode == 0, answer.stdout


FAULTS = {
    "unknown word 'kernal'": GOOD.replace("kernel", "kernal"),
    "a sentence of 60 words": GOOD.replace("The kernel answers.", "Word " * 59 + "word."),
    "leave out 'obviously'": GOOD.replace("answers", "obviously answers"),
    "not 'I'": GOOD.replace("The kernel answers", "The kernel answers me"),
    "recieve ==> receive": GOOD.replace("wrods", "recieve"),
    "the opening does not say 'Time'": GOOD.replace(":Time: 3 minutes\n", ""),
    "the opening's Time is no time": GOOD.replace("3 minutes", "short"),
    "does not end with": GOOD.replace("## What to take away", "## The end"),
    "say what XYZ is": GOOD.replace("kernel", "XYZ"),
}


@pytest.mark.parametrize("words", FAULTS)
def test_check_prose__finds_a_planted_fault(chapter: Path, words: str) -> None:
    chapter.write_text(FAULTS[words])
    answer = check(chapter)
    assert answer.returncode == 1
    assert words in answer.stdout
