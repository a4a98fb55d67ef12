"""Keys and values to bytes and back.

`serializer_for(type)` chooses: bytes as they are, str as UTF-8, everything else by msgspec as JSON or MessagePack
(structs, dataclasses, TypedDicts, attrs, containers of such), checked against the type when it is read. Anything with
`encode` and `decode` will do instead.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

import msgspec

from odradek.errors import SerializationFailed

T = TypeVar("T")

Format: TypeAlias = Literal["json", "msgpack"]


class Serializer(Protocol[T]):
    """What a Topic asks of its key and of its value. Null on the wire is None here."""

    def encode(self, value: T) -> bytes | None:
        """Raises SerializationFailed."""

    def decode(self, data: bytes | None) -> T:
        """Raises SerializationFailed."""


class Raw:
    """Bytes as they are; null is refused."""

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, data: bytes | None) -> bytes:
        if data is None:
            raise SerializationFailed("null where bytes are due")
        return data


class NullableRaw:
    """Bytes as they are, or null."""

    def encode(self, value: bytes | None) -> bytes | None:
        return value

    def decode(self, data: bytes | None) -> bytes | None:
        return data


class Text:
    """UTF-8."""

    def encode(self, value: str) -> bytes:
        return value.encode()

    def decode(self, data: bytes | None) -> str:
        if data is None:
            raise SerializationFailed("null where text is due")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise SerializationFailed(f"no UTF-8: {error}") from error


class Encoded(Generic[T]):
    """A type that msgspec knows, as JSON or MessagePack."""

    def __init__(self, type_: type[T], format: Format = "json") -> None:
        if format == "json":
            self._encode = msgspec.json.Encoder().encode
            self._decode: Any = msgspec.json.Decoder(type_).decode
        elif format == "msgpack":
            self._encode = msgspec.msgpack.Encoder().encode
            self._decode = msgspec.msgpack.Decoder(type_).decode
        else:
            raise ValueError(f'format {format!r}: use "json" or "msgpack"')
        self._name = getattr(type_, "__name__", str(type_))

    def encode(self, value: T) -> bytes:
        try:
            return self._encode(value)
        except (msgspec.MsgspecError, TypeError, OverflowError) as error:
            raise SerializationFailed(f"cannot encode as {self._name}: {error}") from error

    def decode(self, data: bytes | None) -> T:
        if data is None:
            raise SerializationFailed(f"null where {self._name} is due; nullable({self._name}) would allow it")
        try:
            return cast(T, self._decode(data))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SerializationFailed(f"no {self._name}: {error}") from error


class Nullable(Generic[T]):
    """Another serializer's values, or None for null: tombstones of a compacted topic."""

    def __init__(self, inner: Serializer[T]) -> None:
        self._inner = inner

    def encode(self, value: T | None) -> bytes | None:
        return None if value is None else self._inner.encode(value)

    def decode(self, data: bytes | None) -> T | None:
        return None if data is None else self._inner.decode(data)


def nullable(what: type[T] | Serializer[T], format: Format = "json") -> Serializer[T | None]:
    """Allow null beside the type or serializer."""
    return Nullable(serializer_for(what, format))


def serializer_for(what: type[T] | Serializer[T], format: Format = "json") -> Serializer[T]:
    """The serializer for a type; a serializer is returned as it is. Raises TypeError for what msgspec cannot do."""
    if what is bytes:
        return cast("Serializer[T]", Raw())
    if what is str:
        return cast("Serializer[T]", Text())
    if not isinstance(what, type) and hasattr(what, "encode") and hasattr(what, "decode"):
        return what
    return Encoded(cast("type[T]", what), format)
