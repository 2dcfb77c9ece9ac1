from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import FormatError
from faltcon.traffic.anonymize import Anonymizer, key_of

KEY = bytes(range(32))


def shared_bits(one, other):
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first.max_prefixlen - (int(first) ^ int(second)).bit_length()


@given(st.lists(st.ip_addresses(v=4), min_size=2, max_size=2), st.integers(0, 32))
def test_shared_prefixes_stay_as_long(pair, bits):
    hidden = Anonymizer(KEY)
    first = pair[0]
    # A second address that is sure to share some bits.
    mask = (1 << 32 - bits) - 1
    second = ipaddress.IPv4Address(int(first) & ~mask | int(pair[1]) & mask)
    one, other = str(first), str(second)
    assert shared_bits(hidden.address(one), hidden.address(other)) == shared_bits(one, other)


def test_ipv6_and_other_keys():
    one = "2001:db8::1"
    assert ipaddress.ip_address(Anonymizer(KEY).address(one)).version == 6
    assert Anonymizer(KEY).address(one) == Anonymizer(KEY).address(one) != one
    assert Anonymizer(KEY).address(one) != Anonymizer(bytes(32)).address(one)
    near = Anonymizer(KEY).address("2001:db8::2")
    assert shared_bits(Anonymizer(KEY).address(one), near) == shared_bits(one, "2001:db8::2")


def test_key_files(tmp_path):
    file = tmp_path / "key"
    key = key_of(file)
    assert key_of(file) == key
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("secret")
    with pytest.raises(FormatError, match="no key"):
        key_of(file)
