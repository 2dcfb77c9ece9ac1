from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon import counters
from faltcon.errors import FormatError, InputError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """# nstat -a -z -s
#kernel
TcpPassiveOpens                 {opens}              0.0
TcpExtTW                        7                  0.0
# cat /proc/net/softnet_stat
00000001 00000002
"""


def write(folder: Path, before: int, after: int) -> Path:
    (folder / counters.BEFORE).write_text(TEXT.format(opens=before))
    (folder / counters.AFTER).write_text(TEXT.format(opens=after))
    return folder


def test_growth__is_after_less_before(tmp_path: Path) -> None:
    grown = counters.growth(write(tmp_path, 20, 320), "TcpPassiveOpens", "TcpExtTW")
    assert grown == {"TcpPassiveOpens": 300, "TcpExtTW": 0}


def test_growth__names_the_counter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"counters-before\.txt: has no counter TcpExtOther"):
        counters.growth(write(tmp_path, 1, 2), "TcpExtOther")


def test_growth__a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"counters-before\.txt"):
        counters.growth(tmp_path, "TcpPassiveOpens")
