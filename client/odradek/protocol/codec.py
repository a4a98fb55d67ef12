"""Encoders and decoders of messages, compiled from their annotations.

For each (struct, version) a function of straight-line Python is generated once, on first use: runs of fixed-size
fields become one call of a precompiled struct.Struct, and no field is looked up by name while a frame is read. What
the wire rules are is said here and nowhere else:

    non-flexible   int16 string lengths, int32 bytes and array lengths, -1 for null
    flexible       uvarint(n + 1) lengths, 0 for null; every struct ends in a section of tagged fields (KIP-482)
    nullable struct   one byte before it: 1, or for null -1 (0 where the struct is a tagged field)

A decoder trusts nothing. An array may not announce more elements than the bytes left could hold, no section of tagged
fields more than MAX_TAGS, and all arrays and sections of one message together no more than MAX_ELEMENTS; every other
length is checked against the end of the buffer. Whatever is wrong raises ProtocolError. How much work a message makes
follows from its elements: who must not be held up by it gives a smaller `max_elements`, and does the rest elsewhere.

To read the code that is generated: `source(ProduceRequest, 9)`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sized
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct, structs

from odradek.protocol.primitives import MAX_TAGS, Buffer, ProtocolError, read_uvarint, write_uvarint
from odradek.protocol.schema import NullableSince, Since, Tag, Until, Wire

M = TypeVar("M", bound=Struct)


class Splices(list[tuple[int, Sized]]):
    """Where in a frame which Records belong; and how many more array elements the message may have."""

    __slots__ = ("left",)

    def __init__(self, max_elements: int) -> None:
        super().__init__()
        self.left = max_elements


Encoder: TypeAlias = Callable[[Any, bytearray, Splices], None]
Decoder: TypeAlias = Callable[[memoryview, int, list[int]], tuple[Any, int]]

MAX_STRING_BYTES = 2**15 - 1
"""Of a string in whichever form, as in Kafka; so what has been read can be written again in every version."""

MAX_ELEMENTS = 1_000_000
"""How many array elements and tagged fields one message may hold in all: what bounds the memory and the time that a
frame can cost."""


ANY_NUMBER = 1 << 62


class TooManyElements(ProtocolError):
    """The message may be sound, but it is larger than who reads or writes it wants it to be."""


FIXED_SIZES = {wire: struct.calcsize(">" + wire.value) for wire in Wire if len(wire.value) < 4}


# ------------------------------------------------------------------------------------------------ the public surface


def encode(message: Struct, version: int) -> bytes:
    """The bytes of a message, its records copied in."""
    pieces: list[Any] = encode_pieces(message, version, bytearray())
    return b"".join(pieces)


def encode_pieces(message: Struct, version: int, head: bytearray, max_elements: int = ANY_NUMBER) -> list[Sized]:
    """Append the message to `head` and return the frame's pieces: bytes, and between them each Records as it was given.

    Nothing that a Records field holds is copied or even looked at, so it may as well be a slice of a file. Raises
    TooManyElements where its arrays have more than that in all; `head` is of no use then.
    """
    splices = Splices(max_elements)
    encoder(type(message), version)(message, head, splices)
    if not splices:
        return [head]
    pieces: list[Sized] = []
    view = memoryview(head)
    done = 0
    for position, records in splices:
        pieces.append(view[done:position])
        pieces.append(records)
        done = position
    if done < len(head):
        pieces.append(view[done:])
    return pieces


def decode(cls: type[M], buffer: Buffer, version: int, position: int = 0) -> M:
    """The message that begins at `position` and fills the buffer to its end.

    Raises ProtocolError where the bytes are not such a message, or where some are left over.
    """
    message, end = decode_prefix(cls, buffer, version, position)
    if end != len(buffer):
        raise ProtocolError(f"{cls.__name__} v{version}: {len(buffer) - end} bytes left over")
    return message


def decode_prefix(
    cls: type[M], buffer: Buffer, version: int, position: int = 0, max_elements: int = MAX_ELEMENTS
) -> tuple[M, int]:
    """The message that begins at `position`, and the position behind it. Raises ProtocolError, TooManyElements."""
    read = decoder(cls, version)
    try:
        message, end = read(memoryview(buffer), position, [max_elements])
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{cls.__name__} v{version}: {error}") from None
    return message, end


@cache
def encoder(cls: type[Struct], version: int) -> Encoder:
    """The compiled function (message, out, splices): appends to `out`, and to `splices` each Records with its place.

    Raises ProtocolError for a version that the message does not have: what a peer names must not fill the cache.
    """
    _refuse_unknown(cls, version)
    return _compile(*_encoder_source(cls, version))  # type: ignore[no-any-return]


@cache
def decoder(cls: type[Struct], version: int) -> Decoder:
    """The compiled function (view, position, budget) -> (message, position). Raises ProtocolError as `encoder` does."""
    _refuse_unknown(cls, version)
    return _compile(*_decoder_source(cls, version))  # type: ignore[no-any-return]


def _refuse_unknown(cls: type[Struct], version: int) -> None:
    versions = getattr(cls, "VERSIONS", None)
    if versions is not None and version not in versions:
        raise ProtocolError(f"{cls.__name__} has no version {version}")


def source(cls: type[Struct], version: int) -> str:
    """The generated Python of encoder and decoder, for people."""
    return _encoder_source(cls, version)[0] + "\n\n" + _decoder_source(cls, version)[0]


# -------------------------------------------------------------------------------------- what the annotations say


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
def _fields(cls: type[Struct], version: int) -> list[Field]:
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


def _is_flexible(cls: type[Struct], version: int) -> bool:
    first = getattr(cls, "FLEXIBLE", None)
    return first is not None and version >= first


def _min_size(kind: Kind, version: int, flexible: bool) -> int:
    """The fewest bytes that a value can take: what an array's length is checked against."""
    if kind.wire in FIXED_SIZES:
        return FIXED_SIZES[kind.wire]
    if kind.nullable and kind.struct is not None:
        return 1
    if kind.struct is not None:
        fields = [f for f in _fields(kind.struct, version) if f.present and f.tag is None]
        return max(1, sum(_min_size(f.kind, version, flexible) for f in fields) + flexible)
    return 1 if flexible else 2 if kind.wire is Wire.STRING else 4


# ------------------------------------------------------------------------------------------- the code that writes code


class _Source:
    """Lines of Python with an indentation, and the objects they name."""

    def __init__(self, signature: str) -> None:
        self.lines = [signature]
        self.names: dict[str, Any] = {
            "ProtocolError": ProtocolError,
            "TooManyElements": TooManyElements,
            "read_uvarint": read_uvarint,
            "write_uvarint": write_uvarint,
        }
        self.depth = 1
        self.count = 0

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def bind(self, prefix: str, value: Any) -> str:
        name = self.fresh(prefix)
        self.names[name] = value
        return name

    def text(self) -> str:
        return "\n".join(self.lines)


def _compile(text: str, names: dict[str, Any]) -> Any:
    exec(compile(text, f"<codec {text.split('(', 1)[0][4:]}>", "exec"), names)
    return names[text.split("(", 1)[0][4:]]


# The flexibility of a nested struct is that of the message it stands in, so it is carried along, not looked up.


def _struct_encoder(cls: type[Struct], version: int, flexible: bool) -> Encoder:
    return _compile(*_encoder_source(cls, version, flexible))  # type: ignore[no-any-return]


def _struct_decoder(cls: type[Struct], version: int, flexible: bool) -> Decoder:
    return _compile(*_decoder_source(cls, version, flexible))  # type: ignore[no-any-return]


def _encoder_source(cls: type[Struct], version: int, flexible: bool | None = None) -> tuple[str, dict[str, Any]]:
    if flexible is None:
        flexible = _is_flexible(cls, version)
    code = _Source(f"def encode_{cls.__name__}_v{version}(m, out, splices):")
    fields = [field for field in _fields(cls, version) if field.present]
    plain = [field for field in fields if field.tag is None]
    while plain:
        run = _leading_run(plain)
        if run:
            pack = code.bind("pack", struct.Struct(">" + "".join(_format(f) for f in run)).pack)
            code.add(f"out += {pack}({', '.join('m.' + f.name for f in run)})")
            plain = plain[len(run) :]
        else:
            field = plain.pop(0)
            value = code.fresh("v")
            code.add(f"{value} = m.{field.name}")
            _encode_value(code, field.kind, value, version, flexible)
    if flexible:
        _encode_tags(code, [field for field in fields if field.tag is not None], version)
    if len(code.lines) == 1:
        code.add("pass")
    return code.text(), code.names


def _leading_run(fields: list[Field]) -> list[Field]:
    run: list[Field] = []
    for field in fields:
        if not field.fixed:
            break
        run.append(field)
    return run


def _format(field: Field) -> str:
    assert field.kind.wire is not None
    return field.kind.wire.value


def _encode_value(code: _Source, kind: Kind, value: str, version: int, flexible: bool, null: bytes = b"\xff") -> None:
    if kind.struct is not None:
        write = code.bind("write", _struct_encoder(kind.struct, version, flexible))
        if kind.nullable:
            code.add(f"if {value} is None: out += {null!r}")
            code.add("else:")
            code.depth += 1
            code.add("out += b'\\x01'")
            code.add(f"{write}({value}, out, splices)")
            code.depth -= 1
        else:
            code.add(f"{write}({value}, out, splices)")
    elif kind.wire in FIXED_SIZES:
        pack = code.bind("pack", struct.Struct(">" + kind.wire.value).pack)
        code.add(f"out += {pack}({value})")
    else:
        _encode_sized(code, kind, value, version, flexible)


def _encode_sized(code: _Source, kind: Kind, value: str, version: int, flexible: bool) -> None:
    if kind.nullable:
        null = "b'\\x00'" if flexible else "b'\\xff\\xff'" if kind.wire is Wire.STRING else "b'\\xff\\xff\\xff\\xff'"
        code.add(f"if {value} is None: out += {null}")
        code.add("else:")
        code.depth += 1
    if kind.wire is Wire.STRING:
        code.add(f"{value} = {value}.encode()")
    if flexible:
        code.add(f"n = len({value}) + 1")
        code.add("if n < 128: out.append(n)")
        code.add("else: write_uvarint(out, n)")
    else:
        pack = code.bind("pack", struct.Struct(">h" if kind.wire is Wire.STRING else ">i").pack)
        code.add(f"out += {pack}(len({value}))")
    if kind.wire is Wire.ARRAY:
        assert kind.element is not None
        code.add(f"splices.left -= len({value})")
        code.add("if splices.left < 0: raise TooManyElements('more elements than are wanted')")
        item = code.fresh("i")
        code.add(f"for {item} in {value}:")
        code.depth += 1
        _encode_value(code, kind.element, item, version, flexible)
        code.depth -= 1
    elif kind.wire is Wire.RECORDS:
        code.add(f"if len({value}): splices.append((len(out), {value}))")
    else:
        code.add(f"out += {value}")
    if kind.nullable:
        code.depth -= 1


def _encode_tags(code: _Source, fields: list[Field], version: int) -> None:
    if not fields:
        code.add("out.append(0)")
        return
    fields.sort(key=lambda field: field.tag or 0)
    code.add("tags = []")
    for field in fields:
        default = code.bind("default", field.default)
        value = code.fresh("v")
        code.add(f"{value} = m.{field.name}")
        unset = f"{value} == {default}"
        if field.default is None:
            unset = f"{value} is None"
        elif field.kind.wire is Wire.ARRAY:  # an empty list is no empty tuple, and null is neither
            unset = f"{value} is not None and not {value}"
        code.add(f"if not ({unset}):")
        code.depth += 1
        code.add("body, out = out, bytearray()")
        _encode_value(code, field.kind, value, version, True, b"\x00")
        code.add(f"tags.append(({field.tag}, out)); out = body")
        code.depth -= 1
    code.add("write_uvarint(out, len(tags))")
    code.add("for number, body in tags:")
    code.add("    write_uvarint(out, number); write_uvarint(out, len(body)); out += body")


def _decoder_source(cls: type[Struct], version: int, flexible: bool | None = None) -> tuple[str, dict[str, Any]]:
    if flexible is None:
        flexible = _is_flexible(cls, version)
    code = _Source(f"def decode_{cls.__name__}_v{version}(b, p, budget):")
    code.names["cls"] = cls
    fields = _fields(cls, version)
    values: dict[str, str] = {}
    for field in fields:
        values[field.name] = code.fresh("f")
        if not field.present or field.tag is not None:
            default = code.bind("default", () if field.default == () else field.default)
            code.add(f"{values[field.name]} = {default}")
    code.add("size = len(b)")
    plain = [field for field in fields if field.present and field.tag is None]
    while plain:
        run = _leading_run(plain)
        if run:
            layout = struct.Struct(">" + "".join(_format(f) for f in run))
            unpack = code.bind("unpack", layout.unpack_from)
            code.add(f"{', '.join(values[f.name] for f in run)}, = {unpack}(b, p)")
            code.add(f"p += {layout.size}")
            plain = plain[len(run) :]
        else:
            field = plain.pop(0)
            _decode_value(code, field.kind, values[field.name], version, flexible)
    if flexible:
        _decode_tags(code, fields, values, version)
    code.add(f"return cls({', '.join(values[field.name] for field in fields)}), p")
    return code.text(), code.names


def _decode_value(code: _Source, kind: Kind, target: str, version: int, flexible: bool, null: str = "> 127") -> None:
    if kind.struct is not None:
        read = code.bind("read", _struct_decoder(kind.struct, version, flexible))
        if kind.nullable:
            code.add("p += 1")
            code.add(f"if b[p - 1] {null}: {target} = None")
            code.add(f"else: {target}, p = {read}(b, p, budget)")
        else:
            code.add(f"{target}, p = {read}(b, p, budget)")
    elif kind.wire in FIXED_SIZES:
        layout = struct.Struct(">" + kind.wire.value)
        unpack = code.bind("unpack", layout.unpack_from)
        code.add(f"{target}, = {unpack}(b, p)")
        code.add(f"p += {layout.size}")
    else:
        _decode_sized(code, kind, target, version, flexible)


def _decode_sized(code: _Source, kind: Kind, target: str, version: int, flexible: bool) -> None:
    """Leaves in `n` the length, -1 for null, then reads that much."""
    if flexible:
        code.add("n = b[p] - 1")
        code.add("p += 1")
        code.add("if n > 126:")
        code.add("    n, p = read_uvarint(b, p - 1)")
        code.add("    n -= 1")
        if kind.wire is Wire.STRING:
            code.add(f"    if n > {MAX_STRING_BYTES}: raise ProtocolError('a string of more than 32767 bytes')")
    else:
        layout = struct.Struct(">h" if kind.wire is Wire.STRING else ">i")
        unpack = code.bind("unpack", layout.unpack_from)
        code.add(f"n, = {unpack}(b, p)")
        code.add(f"p += {layout.size}")
    code.add("if n < 0:")
    code.depth += 1
    if kind.nullable:
        code.add("if n < -1: raise ProtocolError('negative length')")
        code.add(f"{target} = None")
    else:
        code.add("raise ProtocolError('null or negative length where none may be')")
    code.depth -= 1
    code.add("else:")
    code.depth += 1
    if kind.wire is Wire.ARRAY:
        _decode_array(code, kind, target, version, flexible)
    else:
        code.add("e = p + n")
        code.add("if e > size: raise ProtocolError('length beyond the end of the frame')")
        if kind.wire is Wire.STRING:
            code.add(f"{target} = str(b[p:e], 'utf-8')")
        elif kind.wire is Wire.BYTES:
            code.add(f"{target} = bytes(b[p:e])")
        else:
            code.add(f"{target} = b[p:e]")
        code.add("p = e")
    code.depth -= 1


def _decode_array(code: _Source, kind: Kind, target: str, version: int, flexible: bool) -> None:
    assert kind.element is not None
    least = _min_size(kind.element, version, flexible)
    code.add(f"if n * {least} > size - p: raise ProtocolError('array longer than its frame')")
    code.add("budget[0] -= n")
    code.add("if budget[0] < 0: raise TooManyElements('too many array elements in one message')")
    if kind.element.wire in FIXED_SIZES and kind.element.wire is not Wire.UUID and kind.element.wire is not None:
        unpack = code.bind("unpack", struct.unpack_from)
        code.add(f"{target} = list({unpack}(f'>{{n}}{kind.element.wire.value}', b, p))")
        code.add(f"p += n * {least}")
        return
    item, items = code.fresh("i"), code.fresh("a")
    code.add(f"{items} = []")
    code.add("for _ in range(n):")
    code.depth += 1
    _decode_value(code, kind.element, item, version, flexible)
    code.add(f"{items}.append({item})")
    code.depth -= 1
    code.add(f"{target} = {items}")


def _decode_tags(code: _Source, fields: list[Field], values: dict[str, str], version: int) -> None:
    """Known tags are read, unknown ones skipped; numbers must rise, and a known one must fill its announced size."""
    code.add("p += 1")
    code.add("if b[p - 1]:")
    code.depth += 1
    code.add("count, p = read_uvarint(b, p - 1)")
    code.add("if count * 2 > size - p: raise ProtocolError('more tagged fields than bytes')")
    code.add(f"if count > {MAX_TAGS}: raise ProtocolError('more than {MAX_TAGS} tagged fields in one section')")
    code.add("budget[0] -= count")
    code.add("if budget[0] < 0: raise TooManyElements('too many tagged fields in one message')")
    code.add("last = -1")
    code.add("for _ in range(count):")
    code.depth += 1
    code.add("number, p = read_uvarint(b, p)")
    code.add("if number <= last: raise ProtocolError('tagged fields out of order')")
    code.add("last = number")
    code.add("n, p = read_uvarint(b, p)")
    code.add("end = p + n")
    code.add("if end > size: raise ProtocolError('tagged field beyond the end of the frame')")
    known = [field for field in fields if field.present and field.tag is not None]
    for field in known:
        code.add(f"if number == {field.tag}:")
        code.depth += 1
        _decode_value(code, field.kind, values[field.name], version, True, "== 0")
        code.add("if p != end: raise ProtocolError('tagged field of another size than announced')")
        code.depth -= 1
    code.add("p = end")
    code.depth -= 2
