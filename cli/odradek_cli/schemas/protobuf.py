"""Protocol Buffers to JSON, as proto3 maps them. In front of a message stands which of its file's messages it is.

A schema comes as the text of a .proto file, which protoc makes into descriptors; so it is done once for each schema.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MAIN = "schema-of-the-record.proto"
Decode = Callable[[bytes], bytes]


def decoder(schema: str, references: Mapping[str, str]) -> Decode:
    """`references`: texts of the files that this one imports, by the names by which it does.

    Raises ValueError for what is no schema, and where grpcio-tools is not installed; what it returns, for what is not
    in it.
    """
    try:
        from google.protobuf import json_format, message_factory  # type: ignore[import-untyped] # it has no types
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # likewise
    except ImportError:
        raise ValueError("records in Protobuf need grpcio-tools: pip install 'odradek[protobuf]'") from None
    pool = _pool(_compiled({**references, MAIN: schema}))
    file = pool.FindFileByName(MAIN)

    def decode(payload: bytes) -> bytes:
        indexes, position = _indexes(payload)
        try:
            message = message_factory.GetMessageClass(_message(file, indexes))()
            message.ParseFromString(payload[position:])
            text: str = json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True)
        except (DecodeError, IndexError) as error:
            raise ValueError(f"not what its schema says: {error}") from None
        return text.encode()

    return decode


def _compiled(files: Mapping[str, str]) -> bytes:
    """A set of descriptors: of all the files, and of what they import of Google's own. Raises ValueError."""
    import grpc_tools  # type: ignore[import-untyped] # it has no types
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in files.items():
            path = (root / name).resolve()
            if root.resolve() not in path.parents:
                raise ValueError(f"a schema that imports {name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        own = Path(grpc_tools.__file__).parent / "_proto"
        made = root / "descriptors"
        arguments = [f"-I{root}", f"-I{own}", "--include_imports", f"--descriptor_set_out={made}", str(root / MAIN)]
        if protoc.main(["protoc", *arguments]):
            raise ValueError("a schema that is no Protobuf")
        return made.read_bytes()


def _pool(descriptors: bytes) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        pool.Add(file)
    return pool


def _indexes(payload: bytes) -> tuple[list[int], int]:
    """Which message: of the file, then of what is nested in it; and where the message begins. Raises ValueError."""
    count, position = _zigzag(payload, 0)
    if not 0 <= count <= len(payload):
        raise ValueError(f"a message in {count} others")
    found = []
    for _ in range(count):
        index, position = _zigzag(payload, position)
        found.append(index)
    return found or [0], position


def _zigzag(payload: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(payload) and shift < 35:
        byte = payload[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position
        shift += 7
    raise ValueError("a message that does not say which one it is")


def _message(file: Any, indexes: list[int]) -> Any:
    """Raises IndexError."""
    if min(indexes) < 0:
        raise IndexError("a message before the first")
    found = list(file.message_types_by_name.values())[indexes[0]]
    for index in indexes[1:]:
        found = found.nested_types[index]
    return found
