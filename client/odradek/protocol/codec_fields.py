"""What a message's annotations say of its fields at one version: what is on the wire for each."""

from __future__ import annotations

import struct
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct, structs

from odradek.protocol.schema import NullableSince, Since, Tag, Until, Wire

FIXED_SIZES = {wire: struct.calcsize(">" + wire.value) for wire in Wire if len(wire.value) < 4}


class Kind(Struct, frozen=True):
    """What is on the wire for one value."""

    wire: Wire | None
    """None where the value is a struct."""
    struct: type[Struct] | None
    element: Kind | None
    nullable: bool


class Field(Struct, frozen=True):
    """One field of a struct at one version."""

    name: str
    kind: Kind
    tag: int | None
    default: Any
    present: bool

    @property
    def fixed(self) -> bool:
        return self.present and self.tag is None and self.kind.wire in FIXED_SIZES


@cache
def _hints(cls: type[Struct]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


@cache
def fields_of(cls: type[Struct], version: int) -> list[Field]:
    """All of the struct's, in their order, those that the version does not have among them."""
    hints = _hints(cls)
    return [_field(info, hints[info.name], version) for info in structs.fields(cls)]


def _field(info: structs.FieldInfo, hint: Any, version: int) -> Field:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    since = max((mark.version for mark in marks if isinstance(mark, Since)), default=0)
    until = min((mark.version for mark in marks if isinstance(mark, Until)), default=version)
    nullable_since = max((mark.version for mark in marks if isinstance(mark, NullableSince)), default=0)
    tag = next((mark.number for mark in marks if isinstance(mark, Tag)), None)
    default = info.default if info.default_factory is NODEFAULT else info.default_factory()
    return Field(info.name, _kind(hint, version >= nullable_since), tag, default, since <= version <= until)


def _kind(hint: Any, may_be_null: bool) -> Kind:
    """Read a type: `Annotated[...]`, `X | None`, `Array[X]`, or a Struct."""
    nullable = False
    wire: Wire | None = None
    while True:
        if get_origin(hint) is Annotated:
            base, *marks = get_args(hint)
            wire = next((mark for mark in marks if isinstance(mark, Wire)), wire)
            hint = base
        elif get_origin(hint) in (Union, UnionType):
            nullable = True
            (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
        else:
            break
    if wire is Wire.ARRAY:
        return Kind(wire, None, _kind(get_args(hint)[0], True), nullable and may_be_null)
    if wire is not None:
        return Kind(wire, None, None, nullable and may_be_null)
    return Kind(None, hint, None, nullable and may_be_null)


def is_flexible(cls: type[Struct], version: int) -> bool:
    """Whether the message is in the compact form of KIP-482."""
    first = getattr(cls, "FLEXIBLE", None)
    return first is not None and version >= first


def min_size(kind: Kind, version: int, flexible: bool) -> int:
    """The fewest bytes that a value can take: what an array's length is checked against."""
    if kind.wire in FIXED_SIZES:
        return FIXED_SIZES[kind.wire]
    if kind.nullable and kind.struct is not None:
        return 1
    if kind.struct is not None:
        fields = [f for f in fields_of(kind.struct, version) if f.present and f.tag is None]
        return max(1, sum(min_size(f.kind, version, flexible) for f in fields) + flexible)
    return 1 if flexible else 2 if kind.wire is Wire.STRING else 4
