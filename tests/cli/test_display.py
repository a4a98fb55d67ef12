"""Text that comes from elsewhere stays text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek_cli.display import cells_of, escaped, readable, show


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
