from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import zstandard

from faltcon import profiles, provenance
from faltcon.errors import FormatError, UsageError
from faltcon.perf import rules
from faltcon.perf.classify import Classifier

if TYPE_CHECKING:
    from pathlib import Path

# Two samples of a SYN on its way in, one of lighttpd in user space, one of an idle core.
SYN = """napi/srv-306 {pid} [001] 1.0: 1000000 cpu-clock:
\tffffffff81000010 kmem_cache_alloc+0x10 ([kernel.kallsyms])
\tffffffff81000020 inet_reqsk_alloc+0x20 ([kernel.kallsyms])
\tffffffff81000030 tcp_conn_request+0x30 ([kernel.kallsyms])
\tffffffff81000040 tcp_v4_conn_request+0x30 ([kernel.kallsyms])
\tffffffff81000050 tcp_rcv_state_process+0x1 ([kernel.kallsyms])
\tffffffff81000060 tcp_v4_do_rcv+0x1 ([kernel.kallsyms])
\tffffffff81000070 tcp_v4_rcv+0x1 ([kernel.kallsyms])
\tffffffff81000080 ip_local_deliver_finish+0x1 ([kernel.kallsyms])
\tffffffff81000090 napi_threaded_poll+0x1 ([kernel.kallsyms])

"""
OTHERS = """lighttpd 7 [001] 1.1: 1000000 cpu-clock:
\t           1234 main+0x4 (/usr/sbin/lighttpd)

swapper 0 [001] 1.2: 1000000 cpu-clock:
\tffffffff81000aaa pv_native_safe_halt+0xf ([kernel.kallsyms])
\tffffffff81000bbb do_idle+0xf ([kernel.kallsyms])

"""


def write_run(root: Path, name: str, **changes: object) -> Path:
    folder = root / "bottleneck" / name
    folder.mkdir(parents=True)
    text = SYN.format(pid=306) + SYN.format(pid=306).replace("0x10", "0x18") + OTHERS
    (folder / profiles.SCRIPT).write_bytes(zstandard.compress(text.encode()))
    document = {
        "origin": "measured-here",
        "parameters": {"variant": "napi", "response_bytes": 64},
        "results": {
            "connections_per_second": 1000.0,
            "samples": 4,
            "samples_other_programs": 1,
        },
        "repetition": 1,
    } | changes
    (folder / provenance.FILE_NAME).write_text(json.dumps(document))
    return folder


def test_load__reads_each_run_by_every_variant(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b", parameters={"variant": "veth", "response_bytes": 1024})
    found = profiles.load(tmp_path)
    assert [(p.run, p.setup, p.response_bytes) for p in found] == [
        ("a", "napi", 64),
        ("b", "veth", 1024),
    ]
    assert set(found[0].breakdowns) == set(rules.load().variants)
    for breakdown in found[0].breakdowns.values():
        assert breakdown.samples == 4
    assert [p.run for p in profiles.load(tmp_path, setup="veth")] == ["b"]
    assert [p.run for p in profiles.load(tmp_path, response_bytes=64)] == ["a"]


def test_load__without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recordings of bottleneck"):
        profiles.load(tmp_path)


def test_read__names_a_parameter_that_is_not_there(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "a", results={})
    with pytest.raises(FormatError, match="says no connections_per_second"):
        profiles.read(folder, {"innermost": Classifier()})


def test_read__gives_the_classes_that_the_addresses_would(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "a")
    profile = profiles.read(folder, {"innermost": Classifier()})
    assert profile.breakdowns["innermost"].by("phase")["establishment"] == 2_000_000
    assert profile.breakdowns["innermost"].by("layer")["application"] == 1_000_000


def test_shares__has_a_row_a_run_variant_and_phase(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    shares = profiles.shares(profiles.load(tmp_path), ["innermost"])
    assert set(shares["variant"]) == {"innermost"}
    assert shares["share"].sum() == pytest.approx(1)
    assert set(shares["setup"]) == {"napi"}


def test_phase_of_all__is_a_share_of_what_was_not_idle(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    table = profiles.phase_of_all(profiles.load(tmp_path), "innermost").set_index("phase")
    assert table["share"]["establishment"] == pytest.approx(2 / 3)
    assert table["share"]["data"] == 0


def test_folded__adds_runs_and_forgets_thread_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, "a")
    write_run(tmp_path, "b")
    stacks = profiles.folded(profiles.load(tmp_path))
    assert sum(stacks.values()) == 8_000_000
    assert {stack.split(";")[0] for stack in stacks} == {"napi/srv", "lighttpd", "swapper"}


def test_functions_of__colours_functions_by_their_own_layer() -> None:
    found = profiles.functions_of(Counter({"lighttpd;tcp_v4_rcv;memcpy": 1, "x;ip_rcv": 1}))
    assert found == {"tcp_v4_rcv": "tcp", "ip_rcv": "ip", "memcpy": "unclassified"}
