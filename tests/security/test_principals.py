"""Principals are written as Kafka writes them."""

from __future__ import annotations

import pytest

from odradek_broker.security.principal import ANONYMOUS, Principal, parse_principal


def test_a_principal_is_written_as_type_and_name() -> None:
    assert str(ANONYMOUS) == "User:ANONYMOUS"
    assert parse_principal(str(ANONYMOUS)) == ANONYMOUS


def test_the_name_of_a_principal_may_have_colons_and_equal_signs() -> None:
    assert parse_principal("User:CN=a:b,O=c") == Principal("User", "CN=a:b,O=c")


@pytest.mark.parametrize("text", ["", "alice", ":alice"])
def test_what_names_no_type_is_no_principal(text: str) -> None:
    with pytest.raises(ValueError, match="User:NAME"):
        parse_principal(text)
