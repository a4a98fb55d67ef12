"""Every message class, and values for it, made from nothing but its annotations.

This reads the annotations by itself, and not through the codec, so that both must understand them alike.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct, structs

import odradek.protocol.messages
from odradek.protocol.schema import NullableSince, Since, Tag, Until, Wire

INTEGER_BITS = {Wire.INT8: 8, Wire.INT16: 16, Wire.INT32: 32, Wire.INT64: 64}
TEXTS = ["", "a", "orders", "é", "日本語", "🧵 of thread", "\x00", "x" * 127, "y" * 128, "ß" * 300]
BLOBS = [b"", b"\x00", b"\xff" * 5, bytes(range(256)), b"z" * 126, b"z" * 127]


class Shape(NamedTuple):
    """What may stand in a field, at one version."""

    wire: Wire | None
    struct: type[Struct] | None
    element: Shape | None
    nullable: bool


class FieldShape(NamedTuple):
    name: str
    shape: Shape
    present: bool
    tag: int | None
    default: Any


FIRST_OF_OUR_OWN = 20_000
"""Keys of APIs that Kafka does not have begin there."""


def all_messages() -> list[type[Any]]:
    """Every class that stands alone: requests, responses, keys and values of records."""
    found: list[type[Any]] = []
    for info in pkgutil.iter_modules(odradek.protocol.messages.__path__):
        module = importlib.import_module(f"odradek.protocol.messages.{info.name}")
        found += [
            member
            for member in vars(module).values()
            if isinstance(member, type) and issubclass(member, Struct) and hasattr(member, "VERSIONS")
        ]
    return found


def kafkas_messages() -> list[type[Any]]:
    """Those that Kafka has, too."""
    return [message for message in all_messages() if getattr(message, "API_KEY", 0) < FIRST_OF_OUR_OWN]


def all_versions() -> list[tuple[type[Any], int]]:
    return [(message, version) for message in all_messages() for version in message.VERSIONS]


def label(value: object) -> str | None:
    """For the ids of parametrized tests."""
    return value.__name__ if isinstance(value, type) else f"v{value}" if isinstance(value, int) else None


P = ParamSpec("P")
R = TypeVar("R")


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """A cache whose arguments keep their types: for mypy no `type[Any]` is hashable."""
    return cast("Callable[P, R]", cache(function))


@remembered
def field_shapes(message: type[Struct], version: int) -> tuple[FieldShape, ...]:
    return tuple(_field_shapes(message, version))


def _field_shapes(message: type[Struct], version: int) -> Iterator[FieldShape]:
    hints = get_type_hints(message, include_extras=True)
    for info in structs.fields(message):
        hint = hints[info.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        present, tag, may_be_null = True, None, True
        for mark in marks:
            match mark:
                case Since(version=first):
                    present &= version >= first
                case Until(version=last):
                    present &= version <= last
                case NullableSince(version=first):
                    may_be_null = version >= first
                case Tag(number=number):
                    tag = number
        shape = _shape(hint)
        yield FieldShape(info.name, shape._replace(nullable=shape.nullable and may_be_null), present, tag, info.default)


def _shape(hint: Any) -> Shape:
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (arm for arm in get_args(hint) if arm is not type(None))
        return _shape(inner)._replace(nullable=True)
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        wires = [mark for mark in marks if isinstance(mark, Wire)]
        if not wires:
            return _shape(base)
        element = _shape(get_args(base)[0]) if wires[0] is Wire.ARRAY else None
        return Shape(wires[0], None, element, False)
    assert issubclass(hint, Struct)
    return Shape(None, hint, None, False)


def plain(value: Any) -> Any:
    """A value in a form that compares: a decoder gives lists and memoryviews where the sample had others."""
    if isinstance(value, Struct):
        return type(value).__name__, [plain(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


# ----------------------------------------------------------------------------------------------- hypothesis strategies


@remembered
def messages(message: type[Any], version: int) -> st.SearchStrategy[Any]:
    """Any value that the message can have on the wire; what the version lacks is left at its default."""
    present = {field.name: _values(field.shape, version) for field in field_shapes(message, version) if field.present}
    return st.builds(message, **present)


def _values(shape: Shape, version: int) -> st.SearchStrategy[Any]:
    values = _values_not_null(shape, version)
    return st.none() | values if shape.nullable else values


def _values_not_null(shape: Shape, version: int) -> st.SearchStrategy[Any]:
    if shape.struct is not None:
        return messages(shape.struct, version)
    if shape.wire in INTEGER_BITS:
        bits = INTEGER_BITS[shape.wire]
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
    match shape.wire:
        case Wire.BOOLEAN:
            return st.booleans()
        case Wire.UINT16:
            return st.integers(0, 0xFFFF)
        case Wire.FLOAT64:
            return st.floats(allow_nan=False)
        case Wire.UUID:
            return st.binary(min_size=16, max_size=16)
        case Wire.STRING:
            return st.text(max_size=40)
        case Wire.BYTES | Wire.RECORDS:
            return st.binary(max_size=40)
    assert shape.wire is Wire.ARRAY
    assert shape.element is not None
    return st.lists(_values(shape.element, version), max_size=3)


# ---------------------------------------------------------------------------------------------------- chosen samples


@remembered
def samples(message: type[Any], version: int) -> tuple[Any, ...]:
    """The corners, by hand, and some of the space between them: always the same ones."""
    chooser = random.Random(f"{message.__name__} v{version}")
    return (
        message(),
        _sample(message, version, _Extreme(null=True, array_length=0, highest=False)),
        _sample(message, version, _Extreme(null=False, array_length=0, highest=True)),
        _sample(message, version, _Extreme(null=False, array_length=1, highest=True)),
        _sample(message, version, _Extreme(null=False, array_length=2, highest=False)),
        *(_sample(message, version, _Chosen(chooser)) for _ in range(4)),
    )


class _Extreme(NamedTuple):
    null: bool
    array_length: int
    highest: bool

    def is_null(self) -> bool:
        return self.null

    def length(self) -> int:
        return self.array_length

    def integer(self, lowest: int, highest: int) -> int:
        return highest if self.highest else lowest

    def one_of(self, values: list[Any]) -> Any:
        return values[-1] if self.highest else values[0]


class _Chosen(NamedTuple):
    chooser: random.Random

    def is_null(self) -> bool:
        return self.chooser.random() < 0.25

    def length(self) -> int:
        return self.chooser.choice([0, 1, 2, 3])

    def integer(self, lowest: int, highest: int) -> int:
        return self.chooser.choice([self.chooser.randint(lowest, highest), self.chooser.randint(0, 100)])

    def one_of(self, values: list[Any]) -> Any:
        return self.chooser.choice(values)


def _sample(message: type[Any], version: int, choice: _Extreme | _Chosen) -> Any:
    return message(
        **{
            field.name: _sample_value(field.shape, version, choice)
            for field in field_shapes(message, version)
            if field.present
        }
    )


def _sample_value(shape: Shape, version: int, choice: _Extreme | _Chosen) -> Any:
    if shape.nullable and choice.is_null():
        return None
    if shape.struct is not None:
        return _sample(shape.struct, version, choice)
    if shape.wire in INTEGER_BITS:
        bits = INTEGER_BITS[shape.wire]
        return choice.integer(-(1 << bits - 1), (1 << bits - 1) - 1)
    match shape.wire:
        case Wire.BOOLEAN:
            return bool(choice.integer(0, 1))
        case Wire.UINT16:
            return choice.integer(0, 0xFFFF)
        case Wire.FLOAT64:
            return choice.one_of([0.0, -1.5, 1e300])
        case Wire.UUID:
            return choice.integer(0, (1 << 128) - 1).to_bytes(16, "big")
        case Wire.STRING:
            return choice.one_of(TEXTS)
        case Wire.BYTES | Wire.RECORDS:
            return choice.one_of(BLOBS)
    assert shape.element is not None
    return [_sample_value(shape.element, version, choice) for _ in range(choice.length())]
