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
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct

from odradek.protocol.codec_source import compiled, decoder_source, encoder_source
from odradek.protocol.primitives import Buffer, ProtocolError

M = TypeVar("M", bound=Struct)


class Splices(list[tuple[int, Sized]]):
    """Where in a frame which Records belong; and how many more array elements the message may have."""

    __slots__ = ("left",)

    def __init__(self, max_elements: int) -> None:
        super().__init__()
        self.left = max_elements


Encoder: TypeAlias = Callable[[Any, bytearray, Splices], None]
Decoder: TypeAlias = Callable[[memoryview, int, list[int]], tuple[Any, int]]

MAX_ELEMENTS = 1_000_000
"""How many array elements and tagged fields one message may hold in all: what bounds the memory and the time that a
frame can cost."""

ANY_NUMBER = 1 << 62


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
    return compiled(*encoder_source(cls, version))  # type: ignore[no-any-return]


@cache
def decoder(cls: type[Struct], version: int) -> Decoder:
    """The compiled function (view, position, budget) -> (message, position). Raises ProtocolError as `encoder` does."""
    _refuse_unknown(cls, version)
    return compiled(*decoder_source(cls, version))  # type: ignore[no-any-return]


def _refuse_unknown(cls: type[Struct], version: int) -> None:
    versions = getattr(cls, "VERSIONS", None)
    if versions is not None and version not in versions:
        raise ProtocolError(f"{cls.__name__} has no version {version}")


def source(cls: type[Struct], version: int) -> str:
    """The generated Python of encoder and decoder, for people."""
    return encoder_source(cls, version)[0] + "\n\n" + decoder_source(cls, version)[0]
