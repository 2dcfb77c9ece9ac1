from __future__ import annotations

import re
from pathlib import Path

import pytest

from faltcon import claims
from faltcon.errors import FormatError, InputError, UsageError

PAPER = Path(__file__).resolve().parents[1].parent / "shared" / "paper"

GOOD = """
[[claim]]
id = "a"
section = "4.2"
place = "Figure 3"
text = "Something."
bound = "up to"
value = 31
unit = "%"
of = "cycles"
check = "calculated"
how = "Somehow."
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "claims.toml"


def test_load__the_projects_own_claims_are_many_and_in_the_papers_order() -> None:
    found = claims.load()
    assert len(found) >= 30
    sections = [claims.SECTIONS.index(claim.section) for claim in found]
    assert sections == sorted(sections)


def test_load__each_figure_and_table_of_the_paper_has_a_claim() -> None:
    places = {claim.place for claim in claims.load()}
    expected = {"Figure 1a", "Figure 1b", "Figure 2a", "Figure 2b", "Figure 3", "Figure 4a"}
    assert expected | {"Figure 4b", "Table 1", "Table 2"} <= places


def test_load__each_number_stands_in_the_papers_text() -> None:
    texts = sorted(PAPER.glob("*.txt"))
    if not texts:
        pytest.skip("third-party data: the paper's text is not in ../shared")
    paper = re.sub(r"\s+", " ", texts[0].read_text(encoding="utf-8"))
    spellings = {
        "%": r"{}%", "x": r"{}x", "KB": r"{} ?KB", "B": r"{} ?B", "s": r"{} s",
        "Gbit/s": r"{} ?Gbps", "GHz": r"{}0 ?GHz", "cores": r"{} cores",
        "connections": r"\b{}\b", "requests": r"\b{}\b", "repetitions": r"{} times",
    }  # fmt: skip
    for claim in claims.load():
        if claim.value is not None:
            pattern = spellings[claim.unit].format(re.escape(f"{claim.value:g}"))
            assert re.search(pattern, paper), claim.id


def test_load__chapters_named_by_claims_exist() -> None:
    book = Path(__file__).resolve().parents[1] / "book"
    for claim in claims.load():
        if claim.chapter:
            assert (book / f"{claim.chapter}.md").exists(), claim.id


def test_value__gives_the_number_and_refuses_words() -> None:
    assert claims.value("saved-total") == 31
    with pytest.raises(UsageError, match="in words"):
        claims.value("f-key")
    with pytest.raises(UsageError, match="no claim 'nothing'"):
        claims.get("nothing")


def test_claim__shows_bound_value_and_place(file: Path) -> None:
    file.write_text(GOOD)
    (claim,) = claims.load(file)
    assert claim.shown == "up to 31 %"
    assert claim.where == "section 4.2, Figure 3"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "a"', "", "id is missing"),
        ('id = "a"', "id = 3", "id is missing or no text"),
        ('section = "4.2"', 'section = "9.9"', "section is '9.9'"),
        ('bound = "up to"', 'bound = "roughly"', "bound is 'roughly'"),
        ('check = "calculated"', 'check = "believed"', "check is 'believed'"),
        ("value = 31", "", "a claim has a value"),
        ("value = 31", 'value = "31"', "value is no number"),
        ("value = 31", "value = true", "value is no number"),
        ('unit = "%"', 'unit = "furlongs"', "unit is 'furlongs'"),
        ('of = "cycles"', "", "must say of what"),
        ('how = "Somehow."', 'how = " "', "how is empty"),
        ('id = "a"', 'id = "a"\ncolour = "red"', "unknown field 'colour'"),
    ],
)
def test_load__names_the_claim_and_the_field(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        claims.load(file)
    assert caught.value.place.startswith("claim 1")


@pytest.mark.parametrize("text", ["", "x = 1", "claim = 3", "claim = [1]", "[[claim]", "\xff"])
def test_load__refuses_what_is_no_list_of_claims(file: Path, text: str) -> None:
    file.write_text(text, encoding="latin-1")
    with pytest.raises(FormatError):
        claims.load(file)


def test_load__refuses_an_id_given_twice(file: Path) -> None:
    file.write_text(GOOD + GOOD)
    with pytest.raises(FormatError, match="its id is taken"):
        claims.load(file)


def test_load__a_missing_file_is_an_input_error(file: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        claims.load(file)
