"""Avro to JSON. What JSON has no word for: bytes are base64, decimals and moments are strings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec

Decode = Callable[[bytes], bytes]


def decoder(schema: str, references: Mapping[str, str]) -> Decode:
    """`references`: texts of schemas that this one names, in an order in which each needs only those before it.

    Raises ValueError for what is no schema, and where fastavro is missing; what it returns, for what is not in it.
    """
    try:
        from fastavro import parse_schema, schemaless_reader
        from fastavro.schema import SchemaParseException
    except ImportError:
        raise ValueError("records in Avro need the fastavro package: pip install 'odradek[registry]'") from None
    named: dict[str, Any] = {}
    try:
        for text in references.values():
            parse_schema(json.loads(text), named)
        parsed = parse_schema(json.loads(schema), named)
    except (SchemaParseException, ValueError) as error:
        raise ValueError(f"a schema that is no Avro: {error}") from None

    def decode(payload: bytes) -> bytes:
        source = BytesIO(payload)
        try:
            found = schemaless_reader(source, parsed, None)
        except Exception as error:  # whatever bytes of a stranger bring about in there
            raise ValueError(f"not what its schema says: {error}") from None
        if source.read(1):
            raise ValueError("more than its schema says")
        return msgspec.json.encode(found, enc_hook=_text)

    return decode


def _text(thing: object) -> str:
    """Of what JSON does not know."""
    return format(thing, "f") if isinstance(thing, Decimal) else str(thing)
