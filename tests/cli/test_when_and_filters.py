"""How people name places in a topic, and which records they want to see."""

from __future__ import annotations

import pytest

from odradek import Record
from odradek_cli.filters import Raw, header_is, key_is, selected_by, value_has
from odradek_cli.when import BEGINNING, END, Place, parse_place

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("earliest", BEGINNING),
        ("latest", END),
        ("42", Place(offset=42)),
        ("-10m", Place(timestamp_ms=NOW_MS - 600_000)),
        ("-2d", Place(timestamp_ms=NOW_MS - 2 * 86_400_000)),
        ("1970-01-01T00:00:01+00:00", Place(timestamp_ms=1000)),
        ("now", Place(timestamp_ms=NOW_MS)),
    ],
)
def test_a_place_is_an_offset_a_time_or_a_duration(text: str, place: Place) -> None:
    assert parse_place(text, NOW_MS) == place


@pytest.mark.parametrize("text", ["yesterday", "-10", "-m", "10m", "", "-9999999w", "1969-12-31T00:00+00:00", "9" * 20])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no offset"):
        parse_place(text, NOW_MS)


def record(value: bytes | None = b"", key: bytes | None = None, *headers: tuple[str, bytes | None]) -> Raw:
    return Record("t", 0, 0, NOW_MS, key, value, headers)


@pytest.mark.parametrize(
    ("text", "value", "passes"),
    [
        (".a", b'{"a": 0}', True),
        (".a", b'{"a": null}', False),
        (".a", b'{"b": 1}', False),
        ('has("a")', b'{"a": null}', True),
        (".a.b == 1", b'{"a": {"b": 1}}', True),
        (".a.b == 1", b'{"a": {"b": 2}}', False),
        (".a.b == 1", b'{"a": 2}', False),
        ('.a[1].c == "x"', b'{"a": [0, {"c": "x"}]}', True),
        (".n>=18", b'{"n": 18}', True),
        (".n>18", b'{"n": 18}', False),
        ('.n | tostring | test("^1")', b'{"n": 18}', True),
        ("empty", b"1", False),
        (".n==1", b"no json", False),
        (".", b"\xff", False),
    ],
)
def test_a_jq_program_selects_by_the_json_value(text: str, value: bytes, passes: bool) -> None:
    assert selected_by(text)(record(value)) is passes


@pytest.mark.parametrize("program", ["", ".a |", ".a = 1", ".n=1", '.["a"]=1', "nonsense", ".a = ", "user.age>=18"])
def test_what_is_no_jq_program_or_would_be_true_of_everything_is_refused(program: str) -> None:
    with pytest.raises(ValueError, match="--jq"):
        selected_by(program)


def test_grep_looks_into_value_and_key_also_where_they_are_no_text() -> None:
    assert value_has("b+c")(record(b"\xff\x00abbc"))
    assert value_has("k1")(record(None, b"k1"))
    assert not value_has("x")(record(b"abc"))
    with pytest.raises(ValueError, match="--grep"):
        value_has("(")


def test_key_and_header_are_compared_whole() -> None:
    assert key_is("a")(record(b"", b"a"))
    assert not key_is("a")(record(b"", b"ab"))
    assert header_is("h")(record(b"", None, ("h", None)))
    assert header_is("h=1")(record(b"", None, ("h", b"1")))
    assert not header_is("h=1")(record(b"", None, ("h", b"2")))
