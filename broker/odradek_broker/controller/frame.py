"""One metadata record as the value of a log record: frame version, API key, version, body (raft: RecordSerde)."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from odradek.protocol.codec import decode, encode
from odradek.protocol.messages import metadata_records
from odradek.protocol.primitives import ProtocolError, read_uvarint, write_uvarint

FRAME_VERSION = 1


def frame(record: Struct) -> bytes:
    """The bytes of a record, in the newest version that we know."""
    cls = type(record)
    version = cls.VERSIONS.stop - 1  # type: ignore[attr-defined]
    out = bytearray()
    for number in (FRAME_VERSION, cls.API_KEY, version):  # type: ignore[attr-defined]
        write_uvarint(out, number)
    return bytes(out) + encode(record, version)


def unframe(data: bytes) -> Struct:
    """The record. Raises ProtocolError, also for a kind of record or a version that we do not know."""
    try:
        frame_version, position = read_uvarint(data, 0)
        api_key, position = read_uvarint(data, position)
        version, position = read_uvarint(data, position)
    except IndexError:
        raise ProtocolError("metadata record without a whole frame") from None
    cls = record_types().get(api_key)
    if frame_version != FRAME_VERSION or cls is None or version not in cls.VERSIONS:  # type: ignore[attr-defined]
        raise ProtocolError(f"metadata record of an unknown kind: frame {frame_version}, key {api_key} v{version}")
    return decode(cls, data, version, position)


@cache
def record_types() -> dict[int, type[Struct]]:
    """Every kind of metadata record, by its key."""
    found = (member for member in vars(metadata_records).values() if hasattr(member, "API_KEY"))
    return {cls.API_KEY: cls for cls in found}
