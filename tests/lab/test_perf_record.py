from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import EmptyInputError, MissingPermissionError, ToolFailedError
from faltcon.lab import perf_record
from faltcon.lab.perf_record import PerfPlan, count_samples

if TYPE_CHECKING:
    from pathlib import Path

STACK = "\tffffffff82001000 tcp_v4_rcv+0x10 ([kernel.kallsyms])\n"


def sample(comm: str, *, user: bool = False) -> str:
    head = f"{comm:>15} 123 [001]   977.754017:    1003009 cpu-clock: \n"
    return head + ("" if user else STACK) + "\n"


def test_the_plan_takes_back_pyperfs_choice_of_process() -> None:
    words = PerfPlan("cpu-clock", 997, (1,)).environment()["PYPERF_PERF_RECORD_EXTRA_OPTS"].split()
    assert words[:3] == ["--no-pid", "-C", "1"]
    assert "--delay=-1" in words
    assert words[words.index("-F") + 1] == "997"
    assert words[words.index("-e") + 1] == "cpu-clock"
    assert "-a" in PerfPlan("cycles", 997, None).options()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["lighttpd", "ab", "swapper", "napi/srv-262", "ksoftirqd/1", "cc1", "Web Content"]
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_samples_are_counted_by_who_was_running(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, bool]]
) -> None:
    text = tmp_path_factory.mktemp("perf") / "script.txt"
    text.write_text("".join(sample(comm, user=user) for comm, user in wanted))
    count = count_samples(text, "lighttpd", "ab")
    comms = [comm for comm, _ in wanted]
    assert count.samples == len(wanted)
    assert count.idle == comms.count("swapper")
    assert count.client == comms.count("ab")
    assert count.server == sum(
        comm in {"lighttpd", "napi/srv-262", "ksoftirqd/1"} for comm in comms
    )
    assert count.other == sum(comm in {"cc1", "Web Content"} for comm in comms)
    assert count.without_kernel_frames == sum(user for _, user in wanted)
    assert count.samples == count.idle + count.client + count.server + count.other


def test_a_thread_that_is_just_ending_has_no_number_any_more(tmp_path: Path) -> None:
    text = tmp_path / "script.txt"
    text.write_text(sample("ab") + sample(":-1").replace(" 123 ", "  -1 "))
    assert count_samples(text, "lighttpd", "ab").samples == 2


def test_a_profile_without_a_sample_is_an_error(tmp_path: Path) -> None:
    text = tmp_path / "script.txt"
    text.write_text("# only a comment\n")
    with pytest.raises(EmptyInputError, match="holds no sample"):
        count_samples(text, "lighttpd", "ab")


def fake_perf(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stat: str = "",
    record: tuple[int, str] = (0, ""),
) -> None:
    program = folder / "perf"
    program.write_text(
        "#!/bin/sh\n"
        f"case $1 in stat) echo '{stat}' >&2 ;;\n"
        f"record) echo '{record[1]}' >&2; exit {record[0]} ;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("stat", "event"),
    [
        ("123456,,cycles,1000,100.00,,", "cycles"),
        ("<not supported>,,cycles,0,100.00,,", "cpu-clock"),
        ("<not counted>,,cycles,0,100.00,,", "cpu-clock"),
        ("0,,cycles,0,100.00,,", "cpu-clock"),
        ("", "cpu-clock"),
    ],
)
def test_cycles_are_chosen_only_where_the_machine_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stat: str, event: str
) -> None:
    fake_perf(tmp_path, monkeypatch, stat=stat)
    assert perf_record.choose_event() == event


def test_a_perf_that_may_not_look_at_the_kernel_is_told_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_perf(tmp_path, monkeypatch, record=(255, "Access to performance monitoring: Permission"))
    with pytest.raises(MissingPermissionError, match=r"kernel\.perf_event_paranoid"):
        perf_record.choose_event()


def test_an_event_that_is_none_is_perfs_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_perf(tmp_path, monkeypatch, record=(129, "event syntax error"))
    with pytest.raises(ToolFailedError, match="event syntax error"):
        perf_record.choose_event("no-such-event")


def test_script_says_what_perf_says_of_a_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "perf"
    program.write_text("#!/bin/sh\necho incompatible file format >&2; exit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolFailedError, match="incompatible file format"):
        perf_record.script(tmp_path / "perf.data", tmp_path / "out.txt")


def test_script_counts_what_perf_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "perf"
    program.write_text("#!/bin/sh\necho text\necho 'Processed 9 events and lost 4 chunks!' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert perf_record.script(tmp_path / "perf.data", tmp_path / "out.txt") == 4
    assert (tmp_path / "out.txt").read_text() == "text\n"


def test_only_code_of_the_kernel_proper_is_kept_of_kallsyms() -> None:
    kept = perf_record._text_symbols(  # noqa: SLF001
        "ffffffff81000000 T _text\n"
        "ffffffff81000100 t local\n"
        "ffffffff82000000 D data\n"
        "ffffffff83000000 W weak\n"
        "ffffffffc0000000 t module_code\t[nf_tables]\n"
    )
    assert kept.split("\n") == [
        "ffffffff81000000 T _text",
        "ffffffff81000100 t local",
        "ffffffff83000000 W weak",
        "",
    ]


@pytest.mark.parametrize("text", ["", "0000000000000000 T _text\n0000000000000000 t other\n"])
def test_hidden_kernel_addresses_are_told_with_the_mend(text: str) -> None:
    with pytest.raises(MissingPermissionError, match=r"kernel\.kptr_restrict"):
        perf_record._text_symbols(text)  # noqa: SLF001
