"""Text that comes from elsewhere stays text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek_cli.display import GAP, cells_of, escaped, fitted, pieces_of, readable, show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("team[/a]", "team[/a]"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\nc\rd", "a\\tb\\nc\\rd"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202eabc\u2028", "\\u202eabc\\u2028"),
        ('{"a":"b\\n"}', '{"a":"b\\n"}'),
        ("größer 漢字 😀", "größer 漢字 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.binary())
def test_whatever_bytes_a_record_has_they_are_one_line_without_a_control_character(data: bytes) -> None:
    shown = readable(data)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in shown)
    shown.encode()


def test_a_wide_character_takes_two_cells() -> None:
    assert [cells_of(text) for text in ("ab", "漢字", "é", "e\u0301")] == [2, 4, 1, 1]


def test_a_row_in_a_pipe_has_as_many_columns_as_it_should(capsys: pytest.CaptureFixture[str]) -> None:
    show(["group", "state"], [{"group": "a\tb\nc", "state": None}, {"group": ["[/x]", 1], "state": "é"}], as_json=False)
    assert capsys.readouterr().out == "a\\tb\\nc\t\n[/x],1\té\n"


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=13), st.integers(40, 200))
def test_columns_are_narrowed_until_a_line_fits_and_no_further(columns: list[tuple[int, int]], room: int) -> None:
    widths, unbroken = [max(each) for each in columns], [min(each) for each in columns]
    narrowed = fitted(widths, unbroken, room)
    gaps = GAP * (len(widths) - 1)
    assert sum(narrowed) + gaps == min(sum(widths) + gaps, room)
    assert all(1 <= now <= before for now, before in zip(narrowed, widths, strict=True))
    if sum(unbroken) + gaps <= room:
        assert all(now >= least for now, least in zip(narrowed, unbroken, strict=True))


def test_heads_of_two_words_give_way_before_a_long_name_does() -> None:
    assert fitted([22, 16, 14], [22, 10, 7], 46) == [22, 10, 10]


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=80), st.integers(2, 30))
def test_a_text_in_pieces_fits_its_column_and_has_lost_blanks_alone(text: str, width: int) -> None:
    pieces = pieces_of(text, width)
    assert all(cells_of(each) <= width for each in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_text_is_broken_behind_a_blank_or_a_comma_if_one_is_near() -> None:
    assert pieces_of("broker-0,broker-1,broker-2", 20) == ["broker-0,broker-1,", "broker-2"]
    assert pieces_of("a member has left", 10) == ["a member", "has left"]
    assert pieces_of("0123456789", 4) == ["0123", "4567", "89"]
