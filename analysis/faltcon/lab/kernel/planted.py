"""Bugs made on purpose: a sanitizer build must report each of them.

`kernel/patches/<base>/tests` puts them into the kernel, `kernel/tests/planted.c`
asks for them one after the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from faltcon.ktap import Report
from faltcon.lab.kernel.build import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["APPEND", "BUGS", "SOURCES", "judge"]

SOURCES = ("planted.c", "harness.c", "net.c", "raw.c")
# KASAN reports one bug a boot if it is not told otherwise.
APPEND = ("kasan_multi_shot",)
# What the kernel must print for each; in this order, for the last one breaks a list.
BUGS: dict[Variant, dict[str, str]] = {
    Variant.DEBUG: {
        "sleep": r"sleeping function called from invalid context",
        "push-while-referenced": r"WARNING: .*__tcp_faltcon_release",
        "use-after-keep": r"BUG: KASAN: .* in planted_use_after_keep",
        "use-after-keep-skb": r"BUG: KASAN: .* in planted_use_after_keep_skb",
        "leak": r"unreferenced object",
        "double-push": r"BUG: KASAN: .* in __tcp_faltcon_release",
    },
    Variant.KCSAN: {"foreign-cpu": r"BUG: KCSAN: data-race in .*planted_count"},
}
MARK = re.compile(r"planted: (begin|end) (\S+)")
LAST = "planted: all"


def judge(lines: Iterable[str], bugs: Mapping[str, str]) -> Report:
    """A passed test for each bug whose report stands between its begin and its end."""
    report = Report()
    seen: set[str] = set()
    now = ""
    for line in lines:
        mark = MARK.search(line)
        if mark:
            now = mark[2] if mark[1] == "begin" else ""
        elif now and re.search(bugs[now], line):
            seen.add(now)
        report.finished = report.finished or line.strip() == LAST
    for name in bugs:
        (report.passed if name in seen else report.failed).append(f"planted__{name}")
    if not report.finished:
        report.problems.append("the guest ended before all planted bugs were made")
    return report
