from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import claims, paths, published
from faltcon.errors import FormatError

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
HISTOGRAMS = SHARED / "flow-histograms" / "flow-models+agh_2015"
HEADER = "bin_lo,bin_hi,flows_sum,packets_sum,octets_sum\n"


def test_http_sources__speak_of_claims_that_exist() -> None:
    for source in published.http_sources():
        for claim in source.claims:
            assert claims.get(claim).id == claim


def test_transcribed_flow_sums__are_the_histograms_own() -> None:
    if not HISTOGRAMS.exists():
        pytest.skip("third-party data: the flow histograms are not in ../shared")
    origins = published.origins()
    for row in published.transcribed_flow_sums():
        file = HISTOGRAMS / row.file
        assert published.sha256_of(file) == origins[row.file]["sha256"]
        assert published.recompute(file, row.quantity, row.limit) == row


def test_flow_sums__recomputed_and_transcribed_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    if not HISTOGRAMS.exists():
        pytest.skip("third-party data: the flow histograms are not in ../shared")
    monkeypatch.setenv("FALTCON_FLOW_HISTOGRAMS", str(HISTOGRAMS))
    fresh, origin = published.flow_sums()
    assert origin.recomputed
    assert fresh == published.transcribed_flow_sums()


def test_flow_sums__without_histograms_are_the_transcribed_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(published, "histogram_folder", lambda: None)
    rows, origin = published.flow_sums()
    assert not origin.recomputed
    assert {row.file for row in rows} == {"tcp-size.csv", "tcp-length.csv"}


def test_histogram_folder__refuses_a_folder_without_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FALTCON_FLOW_HISTOGRAMS", str(tmp_path))
    with pytest.raises(FormatError, match=r"holds no tcp-size\.csv"):
        published.histogram_folder()


def test_flow_sums__refuses_another_histogram(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("tcp-size.csv", "tcp-length.csv"):
        (tmp_path / name).write_text(HEADER + "1,2,3,4,5\n")
    monkeypatch.setenv("FALTCON_FLOW_HISTOGRAMS", str(tmp_path))
    with pytest.raises(FormatError, match="another file"):
        published.flow_sums()


@given(
    st.lists(
        st.tuples(st.integers(0, 9**9), st.integers(0, 9**9), st.integers(0, 9**9)),
        min_size=1,
        max_size=30,
    ),
    st.data(),
)
def test_recompute__adds_the_bins_up_to_the_limit(
    tmp_path_factory: pytest.TempPathFactory,
    counts: list[tuple[int, int, int]],
    data: st.DataObject,
) -> None:
    file = tmp_path_factory.mktemp("h") / "h.csv"
    rows = [f"{i},{i + 1},{a},{b},{c}" for i, (a, b, c) in enumerate(counts, start=1)]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    limit = data.draw(st.integers(1, len(counts)))
    found = published.recompute(file, "packets", limit)
    assert (found.flows, found.packets, found.octets) == tuple(
        sum(row[k] for row in counts[:limit]) for k in range(3)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no flow histogram"),
        (HEADER + "1,2,x,4,5\n", "is no flow histogram"),
        (HEADER + "1,9,1,1,1\n", "a bin straddles 4"),
    ],
)
def test_recompute__says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "h.csv"
    file.write_text(text)
    with pytest.raises(FormatError, match=message):
        published.recompute(file, "packets", 4)


@pytest.mark.parametrize("name", ["connection_rates", "lkp_netperf_tcp_crr", "linux_synpath"])
def test_table__has_rows_numbers_and_a_source(name: str) -> None:
    frame, comments = published.table(name)
    assert len(frame) > 5
    assert any(frame[column].dtype.kind in "if" for column in frame)
    assert comments


@pytest.mark.parametrize(
    ("ours", "origin"),
    [
        ("lkp_netperf_tcp_crr", "202502051612.c3c3749-lkp_netperf_TCP_CRR.tsv"),
        ("linux_synpath", "linux_synpath_profile_e994b2f0fb92.tsv"),
    ],
)
def test_table__is_the_transcription_it_was_copied_from(ours: str, origin: str) -> None:
    source = SHARED / "published" / origin
    if not source.exists():
        pytest.skip("third-party data: the transcriptions are not in ../shared")
    kept = (paths.paper_dir() / f"published_{ours}.tsv").read_text(encoding="utf-8")
    for line in source.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            assert line in kept.splitlines()


def test_table__names_the_row_with_too_few_fields(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "published_x.tsv").write_text("# source\na\tb\n1\t2\n3\n")
    monkeypatch.setattr(paths, "paper_dir", lambda: tmp_path)
    with pytest.raises(FormatError, match="row 2"):
        published.table("x")
