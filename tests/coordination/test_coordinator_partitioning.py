"""Which partition a group belongs to."""

from __future__ import annotations

import pytest

from odradek_broker.coordination.partitioning import coordinator_partition, java_hash


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        ("polygenelubricants", 0x8000_0000),
        ("grüße", 98768023),
        ("😀", 1772899),
        ("\ud800", 0xD800),
    ],
)
def test_it_hashes_as_java_does(text: str, value: int) -> None:
    assert java_hash(text) == value


def test_the_sign_is_cut_off_and_not_turned_round() -> None:
    assert coordinator_partition("polygenelubricants", 50) == 0
    assert coordinator_partition("hello", 50) == 99162322 % 50
