"""Records as `odradek tail` writes them."""

from __future__ import annotations

import pytest

from odradek import Record
from odradek_cli.filters import Raw
from odradek_cli.rendering import as_values, by_format, in_colours, in_columns, with_base64
from odradek_cli.when import show_moment

RECORD: Raw = Record("t", 3, 7, 1_700_000_000_123, b"k\t\xff", b"v\x1b[2J\n", (("h", b"1"), ("n", None)))
EMPTY: Raw = Record("t", 0, 0, -1, None, None)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("%k %v\\n", b"k\t\xff v\x1b[2J\n\n"),
        ("%s", b"v\x1b[2J\n"),
        ("%t-%p@%o %T %K %S", b"t-3@7 1700000000123 3 6"),
        ("%h", b"h=1,n=NULL"),
        ("100%% \\x41\\t\\\\", b"100% A\t\\"),
        ("", b""),
    ],
)
def test_a_format_is_filled_in_as_kcat_does(text: str, written: bytes) -> None:
    assert by_format(text)([RECORD]) == written
    assert by_format(text)([RECORD, RECORD]) == written * 2


def test_a_null_has_the_length_of_minus_one() -> None:
    assert by_format("%k %K %s %S [%h]")([EMPTY]) == b"NULL -1 NULL -1 []"


@pytest.mark.parametrize("text", ["%x", "\\q", "100%", "%"])
def test_what_a_format_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--format"):
        by_format(text)


def test_a_line_of_columns_is_one_line_with_as_many_columns() -> None:
    line = in_columns(several_topics=True)(RECORD)
    assert line == b"2023-11-14T22:13:20.123Z\tt-3\t7\tk\\t\\xff\tv\\x1b[2J\\n\th=1 n=\n"
    assert in_columns(several_topics=False)(EMPTY) == b"-\t0\t0\t\tnull\n"


def test_colours_are_the_only_commands_to_a_terminal() -> None:
    line = in_colours(several_topics=False)(RECORD).decode()
    assert "\\x1b[2J" in line
    assert set(line.split("\x1b")[1:]) >= {"[0m "}
    assert "[2J" not in {part[:3] for part in line.split("\x1b")}


def test_the_values_alone_are_as_they_are_and_a_null_is_an_empty_line() -> None:
    assert as_values([RECORD, EMPTY]) == b"v\x1b[2J\n\n\n"


def test_base64_is_of_keys_values_and_headers() -> None:
    assert with_base64(by_format("%k %s %h"))([RECORD]) == b"awn/ dhtbMkoK h=MQ==,n=NULL"


@pytest.mark.parametrize(("ms", "shown"), [(-1, "-"), (0, "1970-01-01T00:00:00.000Z"), (10**18, f"{10**15}.000Z")])
def test_any_time_can_be_shown(ms: int, shown: str) -> None:
    assert show_moment(ms) == shown
