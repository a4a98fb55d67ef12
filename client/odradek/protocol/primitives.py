"""Variable-length integers, the limits of what may be read, and the exceptions of this layer.

Unsigned varints carry lengths and tags (KIP-482); zigzag varints carry the fields of a record. Both are read from
bytes of a stranger, so both have a largest size: five bytes for 32 bits, ten for 64.
"""

from __future__ import annotations

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

MAX_TAGS = 10_000
"""How many tagged fields one section may have, as in Kafka 4.4."""

MAX_STRING_BYTES = 2**15 - 1
"""Of a string in whichever form, as in Kafka; so what has been read can be written again in every version."""


class ProtocolError(Exception):
    """The peer broke the protocol: its connection is closed, and no other notices."""


class TooManyElements(ProtocolError):
    """The message may be sound, but it is larger than who reads or writes it wants it to be."""


def read_uvarint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read an unsigned varint of at most 32 bits; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise ProtocolError("varint of more than five bytes")
    if value > 0xFFFFFFFF:
        raise ProtocolError("varint of more than 32 bits")
    return value, position


def write_uvarint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def read_varint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read a zigzag varint of at most 64 bits; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise ProtocolError("varint of more than ten bytes")
    if value > 0xFFFFFFFFFFFFFFFF:
        raise ProtocolError("varint of more than 64 bits")
    return (value >> 1) ^ -(value & 1), position


def encode_varint(value: int) -> bytes:
    """The zigzag varint of a signed value of at most 64 bits."""
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)
