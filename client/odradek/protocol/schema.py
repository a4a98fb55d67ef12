"""The vocabulary in which wire messages are written down.

A message is a frozen msgspec Struct. The annotation of a field says what it is on the wire and in which versions it
is there; `odradek.protocol.codec` compiles encoder and decoder from that and nothing else:

    class TopicProduceData(Struct, frozen=True):
        name: Annotated[String, Until(12)] = ""
        topic_id: Annotated[Uuid, Since(13)] = ZERO_UUID
        partition_data: Array[PartitionProduceData] = ()

Every field has a default: it is what a decoder fills in where the version lacks the field. `X | None` is a field that
may be null; `NullableSince(n)` says that it may only from version n on. A message that stands alone (a request, a
response, the key or value of a record) also declares, as class variables,

    API_KEY    the request's number (requests and responses only)
    VERSIONS   the range of versions that this definition covers
    FLEXIBLE   the first version with compact lengths and tagged fields, or None where there is none (KIP-482)
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sized

__all__ = [
    "ZERO_UUID",
    "Array",
    "Boolean",
    "Bytes",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Message",
    "NullableSince",
    "Records",
    "Since",
    "String",
    "Struct",
    "Tag",
    "UInt16",
    "Until",
    "Uuid",
    "Wire",
]

T = TypeVar("T")


class Wire(Enum):
    """How a value lies on the wire. The value is its struct format, where it has a fixed size."""

    BOOLEAN = "?"
    INT8 = "b"
    INT16 = "h"
    UINT16 = "H"
    INT32 = "i"
    UINT32 = "I"
    INT64 = "q"
    FLOAT64 = "d"
    UUID = "16s"
    STRING = "string"
    BYTES = "bytes"
    RECORDS = "records"
    ARRAY = "array"


class Since(Struct, frozen=True):
    """The field is there from this version on."""

    version: int


class Until(Struct, frozen=True):
    """The field is there up to and including this version."""

    version: int


class NullableSince(Struct, frozen=True):
    """The field may be null from this version on, and not before."""

    version: int


class Tag(Struct, frozen=True):
    """The field is a tagged field with this number (KIP-482): left out of the frame where it has its default."""

    number: int


Boolean = Annotated[bool, Wire.BOOLEAN]
Int8 = Annotated[int, Wire.INT8]
Int16 = Annotated[int, Wire.INT16]
UInt16 = Annotated[int, Wire.UINT16]
Int32 = Annotated[int, Wire.INT32]
UInt32 = Annotated[int, Wire.UINT32]
Int64 = Annotated[int, Wire.INT64]
Float64 = Annotated[float, Wire.FLOAT64]
Uuid = Annotated[bytes, Wire.UUID]
"""16 raw bytes; uuid.UUID objects would cost more than the whole rest of a Fetch."""
String = Annotated[str, Wire.STRING]
Bytes = Annotated[bytes, Wire.BYTES]
Array = Annotated[Sequence[T], Wire.ARRAY]

ZERO_UUID = bytes(16)

if TYPE_CHECKING:
    Records = Sized
else:
    Records = Annotated[object, Wire.RECORDS]
"""Record batches, never looked into by the codec. Decoded: a memoryview of the frame. To be encoded: any bytes-like
object, or anything with a length that the connection knows how to send (a slice of a file)."""


class Message(Protocol):
    """What a top-level message class declares."""

    VERSIONS: ClassVar[range]
    FLEXIBLE: ClassVar[int | None]
