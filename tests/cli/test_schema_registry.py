"""Records that were written with a schema registry, with a real HTTP server for one."""

from __future__ import annotations

import datetime
import io
import json
import struct
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import fastavro
import pytest

from odradek import Record
from odradek_cli.failures import Failed
from odradek_cli.filters import Raw
from odradek_cli.schemas.registry import Registry

PLACE = {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}
ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "sum", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "to", "type": ["null", "Place"]},
    ],
}
PROTO = """syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Other { string text = 1; }
message Order { message Line { string item = 1; } int64 id = 1; repeated Line lines = 2; }
"""
SCHEMAS: dict[str, Any] = {
    "/schemas/ids/1": {"schema": json.dumps(PLACE)},
    "/schemas/ids/2": {
        "schema": json.dumps(ORDER),
        "references": [{"name": "Place", "subject": "place", "version": 1}],
    },
    "/subjects/place/versions/1": {"schema": json.dumps(PLACE)},
    "/schemas/ids/3": {"schema": '{"type": "object"}', "schemaType": "JSON"},
    "/schemas/ids/4": {"schema": PROTO, "schemaType": "PROTOBUF"},
    "/schemas/ids/6": {"schema": '{"type": "reco'},
    "/schemas/ids/7": {"schema": "", "schemaType": "COBOL"},
    "/schemas/ids/8": {"schema": "message {", "schemaType": "PROTOBUF"},
    "/schemas/ids/9": {
        "schema": json.dumps(ORDER),
        "references": [{"name": "Place", "subject": "gone", "version": 1}],
    },
}


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = json.dumps(SCHEMAS.get(self.path, {"error_code": 40403})).encode()
        self.send_response(200 if self.path in SCHEMAS else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def written(schema_id: int, payload: bytes) -> bytes:
    return struct.pack(">bi", 0, schema_id) + payload


def avro(schema_id: int, schema: Any, value: object) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(PLACE, named)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema, named), value)
    return written(schema_id, buffer.getvalue())


def record(value: bytes | None, key: bytes | None = None) -> Raw:
    return Record("t", 0, 7, 1000, key, value)


async def shown(url: str, *records: Raw) -> list[Raw]:
    async with Registry(url) as registry:
        await registry.learn(records)
        return [registry.readable(each) for each in records]


async def test_avro_is_shown_as_json_with_schemas_that_it_refers_to(url: str) -> None:
    order = {"id": 5, "sum": Decimal("12.30"), "day": datetime.date(2026, 1, 31), "to": {"city": "Prag"}}
    (found,) = await shown(url, record(avro(2, ORDER, order), key=avro(1, PLACE, {"city": "Wien"})))
    assert json.loads(found.value or b"") == {"id": 5, "sum": "12.30", "day": "2026-01-31", "to": {"city": "Prag"}}
    assert json.loads(found.key or b"") == {"city": "Wien"}
    assert (found.topic, found.offset, found.timestamp) == ("t", 7, 1000)


async def test_protobuf_is_shown_as_json_also_of_a_message_that_is_not_the_first(url: str) -> None:
    first = written(4, b"\x00" + b"\x0a\x02hi")
    order = written(4, b"\x02\x02" + b"\x08\x05" + b"\x12\x05\x0a\x03pen")
    line = written(4, b"\x04\x02\x00" + b"\x0a\x03ink")
    found = await shown(url, record(first), record(order), record(line))
    assert [json.loads(each.value or b"") for each in found] == [
        {"text": "hi"},
        {"id": "5", "lines": [{"item": "pen"}]},
        {"item": "ink"},
    ]


async def test_json_with_a_schema_is_shown_without_what_stands_in_front(url: str) -> None:
    (found,) = await shown(url, record(written(3, b'{"a": 1}')))
    assert found.value == b'{"a": 1}'


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"plain text",
        b"\x00\x00",
        written(5, b"of a schema that is not there"),
        written(1, b"\xff\xff\xff\xff\xff\xff\xff"),
        written(1, b""),
        written(1, b"\x02a" + b"and more"),
        written(4, b"\x02\x14"),
        written(4, b"\xff\xff\xff\xff\xff\xff"),
        written(4, b"\x00\xff"),
    ],
)
async def test_what_is_not_what_it_says_is_shown_as_it_is(url: str, value: bytes | None) -> None:
    (found,) = await shown(url, record(value))
    assert found.value == value


async def test_a_schema_is_asked_for_once(url: str) -> None:
    Handler.asked.clear()
    records = [record(avro(1, PLACE, {"city": city})) for city in ("a", "b", "c")]
    await shown(url, *records, *records, record(written(5, b"")), record(written(5, b"")))
    assert Handler.asked == ["/schemas/ids/1", "/schemas/ids/5"]


@pytest.mark.parametrize("schema_id", [6, 7, 8, 9])
async def test_a_schema_that_is_none_is_said(url: str, schema_id: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed, match=f"schema {schema_id} of"):
        await shown(url, record(written(schema_id, b"")))
    capfd.readouterr()


async def test_a_registry_that_is_not_there_is_said() -> None:
    with pytest.raises(Failed, match="the schema registry at"):
        await shown("http://127.0.0.1:1", record(written(1, b"")))
