from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import perf_rendering as rendering
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import EmptyInputError
from faltcon.perf.fold import Folder, FoldOptions, fold, folded_bytes
from faltcon.perf.samples import Frame, Sample
from faltcon.perf.script import ScriptReader

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = {
    None: FoldOptions(),
    "pid": FoldOptions(pid=True),
    "tid": FoldOptions(tid=True),
    "kernel": FoldOptions(kernel=True),
    "jit": FoldOptions(jit=True),
    "all": FoldOptions(kernel=True, jit=True),
    "addrs": FoldOptions(addrs=True),
}
GOLDEN = re.compile(r"collapsed(?:-(\w+))?(?:\.txt|\.by-stackcollapse-perf\.txt)$")


def sample(*frames: Frame, comm: str = "c", event: str | None = "cycles") -> Sample:
    return Sample(comm, 1, 2, 0, 1.0, event, 5, frames)


def names_of(symbol: str, dso: str = "/bin/x", comm: str = "c", **options: bool) -> str:
    [line] = fold([sample(Frame(0x1F, symbol, None, dso), comm=comm)], FoldOptions(**options))
    return line.removeprefix(f"{comm};")


def test_fold__golden(perf_scripts: Path) -> None:
    """Every golden output, byte for byte: FlameGraph's own and those kept by inferno."""
    checked = 0
    with (perf_scripts / "MANIFEST.tsv").open() as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            for name in row["expected_files"].split(";"):
                match = GOLDEN.search(name)
                if row["kind"] != "perf-script" or match is None:
                    continue
                option = match[1]
                reader = ScriptReader(perf_scripts / row["file"], keep_unclosed=option is None)
                try:
                    found = folded_bytes(fold(reader, OPTIONS[option]))
                except EmptyInputError:
                    found = b""
                assert found == (perf_scripts / name).read_bytes(), (row["file"], option)
                checked += 1
    assert checked >= 43


@pytest.mark.parametrize(
    ("symbol", "dso", "expected"),
    [
        ("f", "/bin/x", "f"),
        ("[unknown]", "/usr/lib/libc.so", "[libc.so]"),
        ("[unknown]", "[unknown]", "[unknown]"),
        ("a;b", "/bin/x", "a:b"),
        ("v8::Call(int, x*)", "/bin/x", "v8::Call"),
        ("(anonymous namespace)::f(int)", "/bin/x", None),
        ("x::(anonymous namespace)::f(int)", "/bin/x", "x::(anonymous namespace)::f"),
        ("net/http.(*Client).Do", "/bin/x", "net/http.(*Client).Do"),
        ("""say("'hi'")""", "/bin/x", "say"),
        ("q\"'q", "/bin/x", "qq"),
        ("a->b->c", "/bin/x", "a;b_[i];c_[i]"),
        ("T::operator->", "/bin/x", "T::operator"),
        ("[unknown]", "/memfd:m (deleted)", "[unknown] "),
        ("c::f::h0123456789abcdef", "/bin/x", "c::f"),
        ("a$LT$T$GT$::_$u7b$$u7b$closure$u7d$$u7d$::h0123456789abcdef", "/b", "a<T>::_{{closure}}"),
    ],
)
def test_fold__names(symbol: str, dso: str, expected: str | None) -> None:
    # A frame that begins with a parenthesis is left out altogether, as in FlameGraph.
    assert names_of(symbol, dso) == ("c" if expected is None else expected)


def test_fold__annotations() -> None:
    assert names_of("f", "[kernel.kallsyms]", kernel=True) == "f_[k]"
    assert names_of("f", "/lib/modules/4.1/build/vmlinux", kernel=True) == "f_[k]"
    assert names_of("f", "[unknown]", kernel=True) == "f"
    assert names_of("f", "/tmp/perf-12.map", jit=True) == "f_[j]"  # noqa: S108
    assert names_of("f", "/tmp/perf-12.map", kernel=True) == "f"  # noqa: S108
    assert names_of("[unknown]", "/bin/x", addrs=True) == "[x <1f>]"
    assert names_of("[unknown]", "[unknown]", addrs=True) == "[unknown <1f>]"


def test_fold__java_names_lose_their_l_only_under_the_plain_comm() -> None:
    assert names_of("Ljava/io/X;::w", comm="java") == "java/io/X:::w"
    assert names_of("Ljava/io/X;::w", comm="javac") == "Ljava/io/X:::w"
    [line] = fold(
        [sample(Frame(1, "Ljava/io/X;::w", None, "/x"), comm="java")], FoldOptions(pid=True)
    )
    assert line == "java-1;Ljava/io/X:::w"


def test_fold__roots() -> None:
    one = sample(comm="Web Content")
    assert list(fold([one])) == ["Web_Content"]
    assert list(fold([one], FoldOptions(pid=True))) == ["Web_Content-1"]
    assert list(fold([one], FoldOptions(tid=True))) == ["Web_Content-1/2"]
    one.pid = None
    assert list(fold([one], FoldOptions(tid=True))) == ["Web_Content-?/2"]


def test_fold__takes_the_first_event_or_the_named_one() -> None:
    two = [sample(event="cycles"), sample(event="faults"), sample(event=None)]
    folder = Folder()
    assert [folder.add(one) for one in two] == [True, False, True]
    assert folder.other_events == {"faults": 1}
    assert fold(two, FoldOptions(event="faults")) == {"c": 10}


@given(
    made=st.lists(rendering.samples(), max_size=6),
    options=st.sampled_from(list(OPTIONS.values())),
)
def test_fold__keeps_the_weight(made: list[Sample], options: FoldOptions) -> None:
    folder = Folder(options)
    taken = [one for one in made if folder.add(one)]
    stacks = folder.stacks
    assert stacks.total() == sum(one.weight for one in taken)
    assert len(taken) + folder.other_events.total() == len(made)
    lines = [line.rpartition(b" ") for line in folded_bytes(stacks).splitlines()]
    assert [stack for stack, _, _ in lines] == sorted(stack.encode() for stack in stacks)
    assert {stack.decode(): int(weight) for stack, _, weight in lines} == stacks
