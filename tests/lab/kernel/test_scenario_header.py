from __future__ import annotations

from faltcon.lab.kernel import series
from faltcon.lab.kernel.base import default_base
from faltcon.model import c_header, scenarios, script

HEADER = "net/ipv4/tcp_faltcon_scenarios.h"


def added(patch: str, path: str) -> str:
    """The file that a patch creates at `path`, empty if it creates none there."""
    _, found, rest = patch.partition(f"\n+++ b/{path}\n")
    lines = rest.splitlines(keepends=True)
    assert not found or lines[0].startswith("@@ -0,0 +1")
    body = []
    for line in lines[1:]:
        if not line.startswith("+"):
            break
        body.append(line[1:])
    return "".join(body)


def test_the_series_holds_the_scenarios_as_they_are_now() -> None:
    played = [(one, list(scenarios.play(one))) for one in script.load()]
    patches = [patch.read_text("utf-8") for patch in series.patches(default_base())]
    assert "".join(added(patch, HEADER) for patch in patches) == c_header.header(played)


def test_the_header_keeps_to_the_kernels_columns() -> None:
    played = [(one, list(scenarios.play(one))) for one in script.load()]
    for line in c_header.header(played).splitlines():
        alone = line.strip().startswith('"') and line.endswith('",')
        assert alone or len(line.expandtabs(8)) <= 100, line
