"""Regular expressions over topic names: the syntax of RE2, matched in bounded time."""

from __future__ import annotations

import pytest

from odradek_broker.groups.regex import MAX_REMEMBERED, InvalidRegex, Regex

MATCHES = [
    ("abc", "abc ABC abcd ab", "abc"),
    ("a.c", "abc a.c ac", "abc a.c"),
    (r"a\.c", "abc a.c", "a.c"),
    ("a*b+c?", "b abc aabbc ac", "b abc aabbc"),
    ("(ab|cd){2}", "abcd abab ab", "abcd abab"),
    ("a{2,3}", "a aa aaa aaaa", "aa aaa"),
    ("a{,2}", "aa", ""),
    ("[a-c_]+", "abc_ abcd", "abc_"),
    ("[^a-c]+", "xyz xaz", "xyz"),
    ("[]a]+", "aa b", "aa"),
    (r"[\d.-]+", "1.2-3 1a", "1.2-3"),
    ("[[:alpha:]][[:digit:]]", "a1 11", "a1"),
    (r"\w+\W\w+", "a-b a_b", "a-b"),
    (r"\pL\p{Nd}", "a1 1a", "a1"),
    ("^orders$", "orders order", "orders"),
    (r"\Aa\z|b$", "a b", "a b"),
    (r"a\b.c", "a.c abc", "a.c"),
    (r"a\B.c", "a.c abc", "abc"),
    ("(?i)orders", "ORDERS Orders other", "ORDERS Orders"),
    ("(?i:o)rders", "Orders ORDERS", "Orders"),
    ("(?P<n>a)(?<m>b)(?:c)", "abc", "abc"),
    (r"\Qa.b\E.*", "a.bc aXb", "a.bc"),
    (r"\x61\x{62}\103", "abC", "abC"),
    ("a*?b??", "a aab ab", "a aab ab"),
    ("", "a", ""),
    ("é|a", "a", "a"),
]


@pytest.mark.parametrize(("pattern", "names", "matching"), MATCHES)
def test_whole_names_are_matched_as_in_re2(pattern: str, names: str, matching: str) -> None:
    regex = Regex(pattern)
    assert [each for each in names.split() if regex.matches(each)] == matching.split()


INVALID = [
    "(", ")", "a)", "[", "[a", "[b-a]", "*", "a**", "a|*", "{2}", "a{1001}", "a{2,1}", r"\1", r"(a)\1", "(?=a)",
    "(?!a)", "(?<=a)b", "(?<!a)", "(?P<n", "(?P<>a)", "(?x)a", "\\", r"\k", r"\x{110000}", r"\xg",
    "[[:nothing:]]", r"\p{L",
]  # fmt: skip


@pytest.mark.parametrize("pattern", INVALID)
def test_what_re2_does_not_have_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRegex):
        Regex(pattern)


@pytest.mark.parametrize("pattern", ["(a{40}){40}", "((a{10}){10}){10}", "a{1000}b{1000}", "(" * 500 + "a" + ")" * 500])
def test_what_would_grow_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRegex):
        Regex(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)(.*)(.*)(.*)x", "(a?){100}a{100}b", "(.*a.*){50}b"])
def test_no_expression_makes_one_name_long_work(pattern: str) -> None:
    regex = Regex(pattern)
    assert not regex.matches("a" * 249)
    assert len(regex._met) <= 249, "as many steps as the name has characters, however many ways there are"


def test_what_is_remembered_of_an_expression_has_a_bound() -> None:
    regex = Regex("(.?){333}")
    for number in range(26):
        assert regex.matches(chr(ord("a") + number) * 40)
    remembered = sum(len(threads) + len(found) for (threads, _), found in regex._met.items())
    assert 0 < remembered <= MAX_REMEMBERED
