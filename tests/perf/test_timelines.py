from __future__ import annotations

from faltcon.perf.samples import Frame, Sample
from faltcon.perf.timelines import firefox


def sample(time_s: float, names: str, tid: int = 2) -> Sample:
    frames = tuple(Frame(0, name, None, "[kernel.kallsyms]") for name in names.split())
    return Sample("c", 1, tid, 0, time_s, "cycles", 1, frames)


def test_firefox__tables_fit_together() -> None:
    document = firefox([sample(2.0, "b a"), sample(1.5, "a"), sample(1.5, "", 3)], "cycles")
    assert [thread["tid"] for thread in document["threads"]] == ["2", "3"]
    for thread in document["threads"]:
        for name, table in thread.items():
            if isinstance(table, dict):
                lengths = {len(v) for v in table.values() if isinstance(v, list)}
                assert lengths == {table["length"]}, name
    thread = document["threads"][0]
    stacks, frames, functions = (thread[f"{name}Table"] for name in ("stack", "frame", "func"))
    found = []
    for stack in thread["samples"]["stack"]:
        names, at = [], stack
        while at is not None:
            function = frames["func"][stacks["frame"][at]]
            names.append(thread["stringArray"][functions["name"][function]])
            at = stacks["prefix"][at]
        found.append(" ".join(names))
    assert found == ["a", "b a"]
    assert thread["samples"]["time"] == [0.0, 500.0]
    assert document["threads"][1]["samples"]["stack"] == [None]
