from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pytest

from faltcon.errors import FormatError, InputError
from faltcon.traffic import histograms

FOLDER = Path(__file__).parents[3] / "shared" / "flow-histograms"
HEAD = "bin_lo,bin_hi,flows_sum,packets_sum,octets_sum\n"


def written(tmp_path, text):
    file = tmp_path / "histogram.csv"
    file.write_text(text)
    return file


def test_shares_of_flows_packets_and_octets(tmp_path) -> None:
    text = HEAD + "1,2,30,30,1000\n2,3,50,100,9000\n4,8,20,100,90000\n"
    frame = histograms.read(written(tmp_path, text))
    assert histograms.share_below(frame, 3) == 0.8
    assert histograms.share_below(frame, 1) == 0.0
    assert histograms.share_below(frame, 6) == pytest.approx(0.9)
    assert histograms.share_below(frame, 2, "octets_sum") == 0.01
    assert histograms.share_below(frame, 10**9) == 1.0


def test_no_flows_have_no_share(tmp_path) -> None:
    frame = histograms.read(written(tmp_path, HEAD))
    assert math.isnan(histograms.share_below(frame, 5))


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", HEAD + "1,2,x,1,1\n", HEAD + "1,5,1,1,1\n3,9,1,1,1\n", HEAD + "2,2,1,1,1\n"],
)
def test_what_is_no_histogram(tmp_path, text) -> None:
    with pytest.raises(FormatError):
        histograms.read(written(tmp_path, text))


def test_a_missing_file_is_said(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        histograms.read(tmp_path / "none.csv")


def test_the_shares_that_the_paper_quotes() -> None:
    if not (FOLDER / "MANIFEST.tsv").exists():
        pytest.skip(f"third-party data: the flow histograms are not at {FOLDER}")
    checked = 0
    with (FOLDER / "MANIFEST.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            expected = row["expected_files"] + ";" + row["expected_upstream"]
            frame = histograms.read(FOLDER / row["file"])
            for flows in re.findall(r"flows=(\d+)", expected):
                assert int(frame["flows_sum"].sum()) == int(flows)
            for limit, share in re.findall(r"len<=(\d+): ([\d.]+)%", expected):
                found = histograms.share_below(frame, int(limit) + 1)
                assert f"{found:.3%}" == f"{float(share):.3f}%"
                checked += 1
            for limit, share in re.findall(r"size<(\d+): ([\d.]+)%", expected):
                assert f"{histograms.share_below(frame, int(limit)):.3%}" == f"{float(share):.3f}%"
                checked += 1
    assert checked == 2
