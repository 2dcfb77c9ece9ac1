"""A local web site of several pages with many resources each, the same for the same seed."""

from __future__ import annotations

import json
import random
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PAGES", "Page", "build"]

# Resources of each page besides the page itself. 14 and 17 are the median requests that the
# paper's section 2.2.1 quotes for all pages and for HTTP/1.1 pages.
PAGES = {"index.html": 14, "article.html": 17, "gallery.html": 20}
# Sizes of resources are log-normal: most are small, a few are large, as on real pages.
MEDIAN_BYTES = 4000
SIGMA = 1.0
LARGEST_BYTES = 60_000
KINDS = ("css", "js", "png", "json")


@dataclass(frozen=True)
class Page:
    """A page's path and the paths of the resources that it asks for, without leading slash."""

    path: str
    resources: tuple[str, ...]


def build(root: Path, seed: int) -> list[Page]:
    """Write the site into the folder `root` and return its pages."""
    rng = random.Random(seed)  # noqa: S311  content that can be made again, no secret
    pages = []
    for path, number in PAGES.items():
        stem = path.removesuffix(".html")
        names = []
        for index in range(number):
            # One stylesheet first; images most often, as HTTP Archive counts them.
            kind = KINDS[index] if index < len(KINDS) else rng.choice(("js", "png", "png", "png"))
            name = f"{stem}/{kind}-{index:02d}.{kind}"
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            size = min(LARGEST_BYTES, round(rng.lognormvariate(0, SIGMA) * MEDIAN_BYTES))
            target.write_bytes(_content(kind, size, rng))
            names.append(name)
        (root / path).write_text(_html(stem, names))
        pages.append(Page(path, tuple(names)))
    (root / "body.txt").write_bytes(b"x" * 64)
    return pages


def _content(kind: str, size: int, rng: random.Random) -> bytes:
    if kind == "png":
        return _png(size, rng)
    words = " ".join(rng.choice(("alpha", "beta", "gamma", "delta")) for _ in range(size // 6))
    if kind == "css":
        return f"body {{ margin: 2em; }}\n/* {words} */\n".encode()
    if kind == "js":
        return f"window.loaded = (window.loaded || 0) + 1;\n/* {words} */\n".encode()
    return json.dumps({"words": words}).encode()


def _png(size: int, rng: random.Random) -> bytes:
    """A grey image of noise, which does not compress, of about `size` bytes."""
    side = max(4, int(size**0.5))
    rows = b"".join(b"\0" + rng.randbytes(side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
        for tag, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _html(title: str, names: list[str]) -> str:
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{title}</title>',
        # Else a browser asks for /favicon.ico.
        '<link rel="icon" href="data:,">',
    ]
    lines += [f'<link rel="stylesheet" href="{n}">' for n in names if n.endswith(".css")]
    lines += [f'<script src="{n}"></script>' for n in names if n.endswith(".js")]
    lines.append("</head><body>")
    lines += [f'<img src="{n}" alt="noise">' for n in names if n.endswith(".png")]
    # A request from a script that the page's load event waits for: a fetch() may be cut off
    # when the browser takes its picture and leaves.
    lines += [
        f"<script>{{ const request = new XMLHttpRequest(); request.open('GET', '{n}', false);"
        " request.send(); }</script>"
        for n in names
        if n.endswith(".json")
    ]
    return "\n".join([*lines, "</body></html>", ""])
