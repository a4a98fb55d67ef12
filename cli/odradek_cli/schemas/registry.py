"""A schema registry that speaks Confluent's REST interface, and what it says of records.

A key or value that was written with a registry begins with a zero and the id of its schema, four bytes. What does not,
or names a schema that the registry does not have, is shown as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from odradek import Record
from odradek_cli.failures import Failed
from odradek_cli.filters import Raw

if TYPE_CHECKING:
    from odradek_cli.schemas.avro import Decode

TIMEOUT_S = 10.0
MOST_REFERENCES = 100
_front = struct.Struct(">bi")


class Registry:
    """Asked once for each schema. To be used as a context."""

    def __init__(self, url: str) -> None:
        """Raises ValueError where httpx is not installed."""
        try:
            import httpx
        except ImportError:
            raise ValueError("--registry needs the httpx package: pip install 'odradek[registry]'") from None
        self._url = url
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT_S)
        self._errors = httpx.HTTPError, httpx.InvalidURL
        self._decoders: dict[int, Decode | None] = {}
        """By the schema's id; None where the registry does not know it."""

    async def __aenter__(self) -> Registry:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def learn(self, records: Iterable[Raw]) -> None:
        """Ask for all schemas that these need. Raises Failed where the registry does not answer, or not with sense."""
        for record in records:
            for data in (record.key, record.value):
                schema_id = _schema_id(data)
                if schema_id is not None and schema_id not in self._decoders:
                    self._decoders[schema_id] = await self._decoder(schema_id)

    def readable(self, record: Raw) -> Raw:
        """The record with JSON for what was written with a schema that has been learned."""
        key, value = self._decoded(record.key), self._decoded(record.value)
        if key is record.key and value is record.value:
            return record
        place = record.topic, record.partition, record.offset, record.timestamp
        return Record(*place, key, value, record.headers, record.timestamp_type)

    def _decoded(self, data: bytes | None) -> bytes | None:
        schema_id = _schema_id(data)
        decode = None if schema_id is None else self._decoders.get(schema_id)
        if decode is None or data is None:
            return data
        try:
            return decode(data[_front.size :])
        except ValueError:
            return data

    async def _decoder(self, schema_id: int) -> Decode | None:
        found = await self._get(f"/schemas/ids/{schema_id}")
        if found is None:
            return None
        try:
            references: dict[str, str] = {}
            await self._refer(found, references)
            return _decoder_of(str(found.get("schemaType", "AVRO")), str(found["schema"]), references)
        except (ValueError, KeyError) as error:
            raise Failed(f"schema {schema_id} of {self._url}: {error}") from None

    async def _refer(self, schema: dict[str, Any], found: dict[str, str]) -> None:
        """Texts of the schemas that this one names, first those that they name themselves."""
        for each in schema.get("references") or ():
            if each["name"] in found:
                continue
            if len(found) >= MOST_REFERENCES:
                raise ValueError(f"it refers to more than {MOST_REFERENCES} others")
            named = await self._get(f"/subjects/{each['subject']}/versions/{each['version']}")
            if named is None:
                raise ValueError(f"it refers to {each['subject']}, which is not there")
            await self._refer(named, found)
            found[each["name"]] = str(named["schema"])

    async def _get(self, path: str) -> dict[str, Any] | None:
        """None for what is not there."""
        try:
            answer = await self._http.get(path)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            content = answer.json()
        except (*self._errors, ValueError) as error:
            raise Failed(f"the schema registry at {self._url}: {str(error) or type(error).__name__}") from None
        if not isinstance(content, dict):
            raise Failed(f"{self._url}{path} is not answered as a schema registry does")
        return content


def _schema_id(data: bytes | None) -> int | None:
    if data is None or len(data) < _front.size:
        return None
    magic, schema_id = _front.unpack_from(data)
    return int(schema_id) if magic == 0 else None


def _decoder_of(kind: str, schema: str, references: dict[str, str]) -> Decode:
    """Raises ValueError."""
    if kind == "AVRO":
        from odradek_cli.schemas import avro

        return avro.decoder(schema, references)
    if kind == "PROTOBUF":
        from odradek_cli.schemas import protobuf

        return protobuf.decoder(schema, references)
    if kind == "JSON":
        return lambda payload: payload
    raise ValueError(f"the kind {kind} is not known")
