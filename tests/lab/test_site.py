from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import matplotlib.image
import numpy as np

from faltcon.lab import site

if TYPE_CHECKING:
    from pathlib import Path


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_site_and_another_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        site.build(tmp_path / name, seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_pages_ask_for_just_their_resources(tmp_path: Path) -> None:
    pages = site.build(tmp_path, 1)
    assert len(pages) >= 3
    for page in pages:
        html = (tmp_path / page.path).read_text()
        asked = re.findall(r"""(?:src|href)="([^"]+)"|'GET', '([^']+)'""", html)
        wanted = {a or b for a, b in asked} - {"data:,"}
        assert wanted == set(page.resources)
        assert 14 <= len(page.resources) <= 20
        assert {name.rpartition(".")[2] for name in page.resources} == {"css", "js", "png", "json"}
        for name in page.resources:
            assert 0 < (tmp_path / name).stat().st_size <= 2 * site.LARGEST_BYTES


def test_images_and_json_are_what_they_say(tmp_path: Path) -> None:
    site.build(tmp_path, 3)
    images = list(tmp_path.rglob("*.png"))
    assert images
    for path in images:
        pixels = matplotlib.image.imread(io.BytesIO(path.read_bytes()), format="png")
        assert np.ptp(pixels) > 0
    for path in tmp_path.rglob("*.json"):
        assert json.loads(path.read_text()).keys() == {"words"}


def test_the_small_body_has_the_papers_size(tmp_path: Path) -> None:
    site.build(tmp_path, 1)
    assert (tmp_path / "body.txt").stat().st_size == 64
