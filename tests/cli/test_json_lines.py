"""What `tail --json` prints, `produce --json` makes again, byte by byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek import Record
from odradek_cli.json_lines import Parsed, line_of, parse_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
SPACED_JSON = st.builds(
    lambda value, indent: json.dumps(value, indent=indent).encode(), JSON, st.sampled_from([None, 1])
)
DATA = st.none() | st.binary() | st.text().map(str.encode) | SPACED_JSON
HEADERS = st.lists(st.tuples(st.text(), DATA), max_size=4).map(tuple)

AWKWARD: list[bytes | None] = [
    None,
    b"",
    b"null",
    b'"abc"',
    b"abc",
    b"true",
    b"tru",
    b"1",
    b"01",
    b" 1",
    b"1 ",
    b"1e999",
    b"-0",
    b'{"a" : 1,  "a":2}',
    b'{"a":1}\n',
    b'{\n"a":1}',
    b'{"base64":"AA=="}',
    b'{"value_base64":"AA=="}',
    b"\xff\xfe",
    b'{"a":"\xff"}',
    b'"\\ud800"',
    b"\x00\x1b[2J",
    "é\u2028".encode(),
    b"[" * 5000,
    b"[" * 5000 + b"]" * 5000,
]


def record(
    value: bytes | None, key: bytes | None = None, headers: tuple[tuple[str, bytes | None], ...] = ()
) -> Record[bytes | None, bytes | None]:
    return Record("t", 3, 7, 1_700_000_000_000, key, value, headers)


def check(given: Record[bytes | None, bytes | None]) -> None:
    line = line_of(given)
    assert b"\n" not in line
    line.decode()
    assert parse_line(line) == Parsed(given.key, given.value, given.headers, 3, 1_700_000_000_000)


@given(DATA, DATA, HEADERS)
def test_any_record_comes_back_as_it_was(
    value: bytes | None, key: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    check(record(value, key, headers))


@pytest.mark.parametrize("data", AWKWARD, ids=lambda data: repr(data)[:30])
def test_what_looks_like_something_else_comes_back_as_it_was(data: bytes | None) -> None:
    check(record(data, data, (("h", data), ("h", data))))


def test_a_json_value_stands_in_its_line_as_it_is() -> None:
    read = json.loads(line_of(record(b'{"a": [1, 2]}', b"k", (("h", b"1"),))))
    assert (read["value"], read["key"], read["headers"]) == ({"a": [1, 2]}, "k", {"h": "1"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{}", Parsed(None, None, (), None, None)),
        (b'{"value":{"a": 1}}', Parsed(None, b'{"a": 1}', (), None, None)),
        (b' {"key":"k" , "value" : "v", "partition":null} ', Parsed(b"k", b"v", (), None, None)),
        (b'{"value":"\\u00e9","timestamp":5}', Parsed(None, "é".encode(), (), None, 5)),
        (
            b'{"value_base64":"/w==","headers":[["a","1"],["a",null]]}',
            Parsed(None, b"\xff", (("a", b"1"), ("a", None)), None, None),
        ),
    ],
)
def test_lines_of_a_persons_own_are_read(line: bytes, expected: Parsed) -> None:
    assert parse_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"5",
        b'{"valeu":1}',
        b'{"key":1}',
        b'{"value_base64":"!"}',
        b'{"value":1,"value_base64":""}',
        b'{"value":"\\ud800"}',
        b"\xff",
    ],
)
def test_a_line_that_says_no_record_is_refused_and_shown(line: bytes) -> None:
    with pytest.raises(ValueError, match="in the line"):
        parse_line(line)
