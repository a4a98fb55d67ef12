"""The code that writes code: the Python of the encoder and the decoder of one message at one version.

Encoder and decoder of each kind of field stand side by side, so that what one writes the other reads. What they write
and read, and what is refused, is said in `codec.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from odradek.protocol.codec_fields import FIXED_SIZES, Field, Kind, fields_of, is_flexible, min_size
from odradek.protocol.primitives import (
    MAX_STRING_BYTES,
    MAX_TAGS,
    ProtocolError,
    TooManyElements,
    read_uvarint,
    write_uvarint,
)
from odradek.protocol.schema import Wire


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


def compiled(text: str, names: dict[str, Any]) -> Any:
    """The function whose source that is."""
    exec(compile(text, f"<codec {text.split('(', 1)[0][4:]}>", "exec"), names)
    return names[text.split("(", 1)[0][4:]]


# The flexibility of a nested struct is that of the message it stands in, so it is carried along, not looked up.


def _struct_encoder(cls: type[Struct], version: int, flexible: bool) -> Callable[..., None]:
    return compiled(*encoder_source(cls, version, flexible))  # type: ignore[no-any-return]


def _struct_decoder(cls: type[Struct], version: int, flexible: bool) -> Callable[..., tuple[Any, int]]:
    return compiled(*decoder_source(cls, version, flexible))  # type: ignore[no-any-return]


def encoder_source(cls: type[Struct], version: int, flexible: bool | None = None) -> tuple[str, dict[str, Any]]:
    """Its text, and what the names in it mean. `flexible` is that of the message, where `cls` stands in one."""
    if flexible is None:
        flexible = is_flexible(cls, version)
    code = _Source(f"def encode_{cls.__name__}_v{version}(m, out, splices):")
    fields = [field for field in fields_of(cls, version) if field.present]
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


def decoder_source(cls: type[Struct], version: int, flexible: bool | None = None) -> tuple[str, dict[str, Any]]:
    """As `encoder_source`."""
    if flexible is None:
        flexible = is_flexible(cls, version)
    code = _Source(f"def decode_{cls.__name__}_v{version}(b, p, budget):")
    code.names["cls"] = cls
    fields = fields_of(cls, version)
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
    least = min_size(kind.element, version, flexible)
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
