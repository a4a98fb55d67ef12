"""Regular expressions over topic names, in the syntax of RE2: whole names are matched, in time that is bounded.

An expression becomes a program of at most MAX_STEPS steps, whose threads run over a name side by side, so that no
expression and no name make it slow; sets of threads that were met are remembered. There are no groups to tell apart, so
greedy and lazy mean the same here. What RE2 does not have (back references, looking around) is refused, and so is what
would need more steps. Topic names are ASCII: a class of other characters matches nothing.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import NamedTuple

LEGAL = frozenset(string.ascii_letters + string.digits + "._-")
"""The characters of topic names."""

MAX_STEPS = 1_000
MAX_REPEAT = 1_000
MAX_NESTING = 100
MAX_REMEMBERED = 100_000
"""Threads, in all the sets that are remembered: a set may have as many as there are steps."""

_DIGITS, _WORD = frozenset(string.digits), frozenset(string.ascii_letters + string.digits + "_")
_SPACES = frozenset("\t\n\f\r ")
_PERL = {"d": _DIGITS, "w": _WORD, "s": _SPACES}
_POSIX = {
    "alnum": frozenset(string.ascii_letters + string.digits),
    "alpha": frozenset(string.ascii_letters),
    "ascii": LEGAL,
    "blank": frozenset("\t "),
    "cntrl": frozenset(),
    "digit": _DIGITS,
    "graph": LEGAL,
    "lower": frozenset(string.ascii_lowercase),
    "print": LEGAL,
    "punct": frozenset("._-"),
    "space": _SPACES,
    "upper": frozenset(string.ascii_uppercase),
    "word": _WORD,
    "xdigit": frozenset(string.hexdigits),
}
_UNICODE = {
    "L": _POSIX["alpha"], "Lu": _POSIX["upper"], "Ll": _POSIX["lower"], "N": _DIGITS, "Nd": _DIGITS,
    "P": frozenset("._-"), "Pc": frozenset("_"), "Pd": frozenset("-"), "Po": frozenset("."), "Latin": _POSIX["alpha"],
}  # fmt: skip
_ESCAPES = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL = tuple(string.octdigits)
_ASSERTIONS = {"A": "^", "z": "$", "b": "b", "B": "B"}


class InvalidRegex(ValueError):
    """It is no regular expression, or none that can be matched in bounded time."""


class Regex:
    """A compiled expression."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidRegex."""
        self._steps = _compile(pattern)
        self._met: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._room = MAX_REMEMBERED

    def matches(self, name: str) -> bool:
        """Whether the whole name is one that the expression describes."""
        threads = frozenset((0,))
        for position, character in enumerate(name):
            threads = self._after(self._settled(threads, name, position), character)
            if not threads:
                return False
        return any(self._steps[each].kind == "match" for each in self._settled(threads, name, len(name)))

    def _after(self, threads: frozenset[int], character: str) -> frozenset[int]:
        found = self._met.get((threads, character))
        if found is None:
            steps = self._steps
            found = frozenset(each + 1 for each in threads if character in steps[each].characters)
            self._room -= len(threads) + len(found)
            if self._room < 0:
                self._met.clear()
                self._room = MAX_REMEMBERED - len(threads) - len(found)
            self._met[threads, character] = found
        return found

    def _settled(self, threads: Iterable[int], name: str, position: int) -> frozenset[int]:
        """Where these threads stand once they have done all that needs no character."""
        settled: set[int] = set()
        open_ = list(threads)
        while open_:
            at = open_.pop()
            if at in settled:
                continue
            settled.add(at)
            step = self._steps[at]
            if step.kind == "split":
                open_ += step.targets
            elif step.kind == "assert" and _holds(step.assertion, name, position):
                open_.append(at + 1)
        return frozenset(settled)


def _holds(assertion: str, name: str, position: int) -> bool:
    if assertion == "^":
        return position == 0
    if assertion == "$":
        return position == len(name)
    before = position > 0 and name[position - 1] in _WORD
    after = position < len(name) and name[position] in _WORD
    return (before != after) == (assertion == "b")


class _Step(NamedTuple):
    kind: str
    """set: take one of `characters`; split: go on at each of `targets`; assert; match."""
    characters: frozenset[str] = frozenset()
    targets: tuple[int, ...] = ()
    assertion: str = ""


_Code = list[_Step]
"""Targets are relative to the step that names them."""


def _compile(pattern: str) -> list[_Step]:
    code = _Parser(pattern).parse()
    placed = [step._replace(targets=tuple(at + target for target in step.targets)) for at, step in enumerate(code)]
    return [*placed, _Step("match")]


class _Flags(NamedTuple):
    ignores_case: bool = False


class _Parser:
    """From left to right, with the rest still to be read at `at`."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.nesting = 0

    def parse(self) -> _Code:
        code, _ = self._alternatives(_Flags())
        if self.at < len(self.pattern):
            raise InvalidRegex("unexpected )")
        return code

    def _alternatives(self, flags: _Flags) -> tuple[_Code, _Flags]:
        code, flags = self._sequence(flags)
        while self._takes("|"):
            other, flags = self._sequence(flags)
            head = _Step("split", targets=(1, len(code) + 2))
            code = _bounded([head, *code, _Step("split", targets=(len(other) + 1,)), *other])
        return code, flags

    def _sequence(self, flags: _Flags) -> tuple[_Code, _Flags]:
        code: _Code = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if self._begins("(?") and (changed := self._flag_change(flags)) is not None:
                flags = changed
                continue
            if self._takes("\\Q"):
                *before, atom = self._quoted(flags) or [[]]
                code += [step for each in before for step in each]
            else:
                atom = self._atom(flags)
            code = _bounded([*code, *self._repeated(atom)])
        return code, flags

    def _quoted(self, flags: _Flags) -> list[_Code]:
        """Each character up to \\E, or to the end; a repetition behind it is of the last."""
        text, _, _ = self.pattern[self.at :].partition("\\E")
        self.at = min(self.at + len(text) + 2, len(self.pattern))
        return [[_Step("set", _cased(frozenset(each), flags))] for each in text]

    # ------------------------------------------------------------------------------------------------- repetitions

    def _repeated(self, atom: _Code) -> _Code:
        count = 0
        while (bounds := self._quantifier()) is not None:
            count += 1
            if count > 1:
                raise InvalidRegex("bad repetition operator")
            self._takes("?")
            atom = _repeat(atom, *bounds)
        return atom

    def _quantifier(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return bounds
        if not self._begins("{"):
            return None
        body, closed, _ = self.pattern[self.at + 1 :].partition("}")
        least, comma, most = body.partition(",")
        if not closed or not _is_number(least) or (most and not _is_number(most)):
            return None  # A brace that begins no repetition is a brace.
        self.at += len(body) + 2
        upper = int(most) if most else (None if comma else int(least))
        if int(least) > MAX_REPEAT or (upper is not None and (upper > MAX_REPEAT or upper < int(least))):
            raise InvalidRegex("bad repetition count")
        return int(least), upper

    # ------------------------------------------------------------------------------------------------------- atoms

    def _atom(self, flags: _Flags) -> _Code:
        if self._quantifier() is not None:
            raise InvalidRegex("missing argument to repetition operator")
        character = self._next()
        match character:
            case "(":
                return self._group(flags)
            case "[":
                return [_Step("set", self._class(flags))]
            case ".":
                return [_Step("set", LEGAL)]
            case "^" | "$":
                return [_Step("assert", assertion=character)]
            case "\\":
                return self._escape(flags)
        return [_Step("set", _cased(frozenset(character), flags))]

    def _group(self, flags: _Flags) -> _Code:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise InvalidRegex("expression nests too deeply")
        if self._takes("?"):
            flags = self._group_head(flags)
        code, _ = self._alternatives(flags)
        if not self._takes(")"):
            raise InvalidRegex("missing closing )")
        self.nesting -= 1
        return code

    def _group_head(self, flags: _Flags) -> _Flags:
        for opening in ("P<", "<"):
            if self._begins(opening) and not self._begins("<=") and not self._begins("<!"):
                self.at += len(opening)
                name, closed, _ = self.pattern[self.at :].partition(">")
                if not closed or not name.replace("_", "a").isalnum() or not name.isascii():
                    raise InvalidRegex("invalid named capture")
                self.at += len(name) + 1
                return flags
        head, colon, _ = self.pattern[self.at :].partition(":")
        if not colon or not set(head) <= set("imsU-"):
            raise InvalidRegex("invalid or unsupported Perl syntax")
        self.at += len(head) + 1
        return _changed(flags, head)

    def _flag_change(self, flags: _Flags) -> _Flags | None:
        """Flags for the rest of the group, such as (?i); None where something else follows."""
        head, closed, _ = self.pattern[self.at + 2 :].partition(")")
        if not closed or not head or not set(head) <= set("imsU-"):
            return None
        self.at += len(head) + 3
        return _changed(flags, head)

    def _escape(self, flags: _Flags) -> _Code:
        if self.at < len(self.pattern) and self.pattern[self.at] in _ASSERTIONS:
            return [_Step("assert", assertion=_ASSERTIONS[self._next()])]
        return [_Step("set", _cased(self._escaped_set(), flags))]

    def _escaped_set(self) -> frozenset[str]:
        """Behind a backslash, within a class or without."""
        character = self._next("trailing \\")
        if character.lower() in _PERL:
            found = _PERL[character.lower()]
            return found if character.islower() else LEGAL - found
        if character in "pP":
            found = self._unicode_class()
            return found if character == "p" else LEGAL - found
        if character == "x":
            return frozenset(self._hexadecimal())
        if character in _OCTAL:
            return frozenset(self._octal(character))
        if character in _ESCAPES:
            return frozenset(_ESCAPES[character])
        if character.isascii() and not character.isalnum():
            return frozenset(character)
        raise InvalidRegex(f"invalid escape sequence: \\{character}")

    def _unicode_class(self) -> frozenset[str]:
        name = self._next("invalid character class range")
        if name == "{":
            name, closed, _ = self.pattern[self.at :].partition("}")
            if not closed:
                raise InvalidRegex("invalid character class range")
            self.at += len(name) + 1
        negated = name.startswith("^")
        found = _UNICODE.get(name.removeprefix("^"), frozenset[str]())
        return LEGAL - found if negated else found

    def _octal(self, digits: str) -> str:
        """One digit alone would refer back to a group, but for 0."""
        while len(digits) < 3 and self.pattern[self.at : self.at + 1] in _OCTAL:
            digits += self._next()
        if len(digits) == 1 and digits != "0":
            raise InvalidRegex(f"invalid escape sequence: \\{digits}")
        return chr(int(digits, 8))

    def _hexadecimal(self) -> str:
        if self._takes("{"):
            digits, closed, _ = self.pattern[self.at :].partition("}")
            self.at += len(digits) + 1
        else:
            digits, closed = self.pattern[self.at : self.at + 2], "}"
            self.at += 2
        if not closed or not digits or not set(digits) <= set(string.hexdigits) or int(digits, 16) > 0x10FFFF:
            raise InvalidRegex("invalid escape sequence: \\x")
        return chr(int(digits, 16))

    # ----------------------------------------------------------------------------------------------------- classes

    def _class(self, flags: _Flags) -> frozenset[str]:
        negated = self._takes("^")
        found: set[str] = set()
        first = True
        while first or not self._begins("]"):
            first = False
            found |= self._class_member()
        self.at += 1
        cased = _cased(frozenset(found), flags)
        return LEGAL - cased if negated else cased

    def _class_member(self) -> frozenset[str]:
        if self._begins("[:"):
            name, closed, _ = self.pattern[self.at + 2 :].partition(":]")
            if closed:
                self.at += len(name) + 4
                negated, name = name.startswith("^"), name.removeprefix("^")
                if name not in _POSIX:
                    raise InvalidRegex(f"invalid character class range: [:{name}:]")
                return LEGAL - _POSIX[name] if negated else _POSIX[name]
        low = self._class_end()
        if len(low) != 1 or not self._begins("-") or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return low
        self.at += 1
        high = self._class_end()
        if len(high) != 1 or min(high) < min(low):
            raise InvalidRegex("invalid character class range")
        return frozenset(each for each in LEGAL if min(low) <= each <= min(high))

    def _class_end(self) -> frozenset[str]:
        character = self._next("missing closing ]")
        return self._escaped_set() if character == "\\" else frozenset(character)

    # ----------------------------------------------------------------------------------------------------- reading

    def _begins(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def _takes(self, text: str) -> bool:
        if not self._begins(text):
            return False
        self.at += len(text)
        return True

    def _next(self, otherwise: str = "unexpected end") -> str:
        if self.at >= len(self.pattern):
            raise InvalidRegex(otherwise)
        self.at += 1
        return self.pattern[self.at - 1]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _changed(flags: _Flags, letters: str) -> _Flags:
    on, _, off = letters.partition("-")
    if "i" in off:
        return _Flags(ignores_case=False)
    return _Flags(ignores_case=True) if "i" in on else flags


def _cased(characters: frozenset[str], flags: _Flags) -> frozenset[str]:
    if not flags.ignores_case:
        return characters
    return characters | {each.lower() for each in characters} | {each.upper() for each in characters}


def _repeat(atom: _Code, least: int, most: int | None) -> _Code:
    if most is not None:
        _refuse_if_over(most * (len(atom) + 1))
        optional = [_Step("split", targets=(1, len(atom) + 1)), *atom]
        return _bounded(atom * least + optional * (most - least))
    _refuse_if_over((least + 1) * (len(atom) + 2))
    loop = [_Step("split", targets=(1, len(atom) + 2)), *atom, _Step("split", targets=(-len(atom) - 1,))]
    return _bounded(atom * least + loop)


def _refuse_if_over(steps: int) -> None:
    if steps > MAX_STEPS:
        raise InvalidRegex("expression too large")


def _bounded(code: _Code) -> _Code:
    _refuse_if_over(len(code))
    return code
