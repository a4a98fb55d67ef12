"""Typed topics: what the keys and values of a topic are, said once.

    flights = Topic("flights", key=str, value=Flight)

    await producer.send(flights, Flight(...), key="UA1545")
    async with Consumer("localhost:9092", topics=flights) as consumer:
        async for record in consumer:       # Record[str, Flight]
            record.value.origin

Types are inferred, without a cast, from `key` and `value`.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

from odradek.errors import SerializationFailed
from odradek.record import Record
from odradek.serializers import Format, NullableRaw, Serializer, serializer_for

K = TypeVar("K")
V = TypeVar("V")


class Topic(Generic[K, V]):
    """A topic's name and how its records look. `format` is how types other than bytes and str are written."""

    @overload
    def __init__(self: Topic[bytes | None, bytes | None], name: str) -> None: ...

    @overload
    def __init__(
        self: Topic[bytes | None, V], name: str, *, value: type[V] | Serializer[V], format: Format = "json"
    ) -> None: ...

    @overload
    def __init__(
        self: Topic[K, bytes | None], name: str, *, key: type[K] | Serializer[K], format: Format = "json"
    ) -> None: ...

    @overload
    def __init__(
        self: Topic[K, V],
        name: str,
        *,
        key: type[K] | Serializer[K],
        value: type[V] | Serializer[V],
        format: Format = "json",
    ) -> None: ...

    def __init__(self, name: str, *, key: Any = None, value: Any = None, format: Format = "json") -> None:
        self.name = name
        raw: Any = NullableRaw()
        self._key: Serializer[K] = raw if key is None else serializer_for(key, format)
        self._value: Serializer[V] = raw if value is None else serializer_for(value, format)

    def __repr__(self) -> str:
        return f"Topic({self.name!r})"

    def encode_key(self, key: K) -> bytes | None:
        """Raises SerializationFailed."""
        return self._key.encode(key)

    def encode_value(self, value: V) -> bytes | None:
        """Raises SerializationFailed."""
        return self._value.encode(value)

    def encode(self, record: Record[K, V]) -> Record[bytes | None, bytes | None]:
        """The record as it is in the log. Raises SerializationFailed."""
        return self._with(record, self._key.encode(record.key), self._value.encode(record.value))

    def decode(self, record: Record[bytes | None, bytes | None]) -> Record[K, V]:
        """The record with its key and value as they are meant. Raises SerializationFailed, which says where."""
        try:
            key = self._key.decode(record.key)
            value = self._value.decode(record.value)
        except SerializationFailed as error:
            error.record = record
            error.add_note(f"{record.topic}-{record.partition} at offset {record.offset}")
            raise
        return self._with(record, key, value)

    def _with(self, record: Record[Any, Any], key: Any, value: Any) -> Record[Any, Any]:
        return Record(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            key,
            value,
            record.headers,
            record.timestamp_type,
        )
