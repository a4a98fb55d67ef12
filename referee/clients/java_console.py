"""Kafka's own console producer and consumer: the Java client, driven by lines of text.

The producer cannot set timestamps; keys, values and headers are text without tabs or line ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from referee.clients.interface import READ_TIMEOUT_SECONDS, Headers, Read, Sent
from referee.java_tools import run_java_tool

_NULL = "<null>"
_PRODUCER_FORMAT = {"parse.key": "true", "parse.headers": "true", "null.marker": _NULL}
_LINE_END = b"<end>\n"
_CONSUMER_FORMAT = {
    "print.partition": "true",
    "print.offset": "true",
    "print.timestamp": "true",
    "print.headers": "true",
    "print.key": "true",
    "null.literal": _NULL,
    "line.separator": _LINE_END.decode(),
}


class JavaConsole:
    name = "Kafka's console tools"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")

    def can_send(self, record: Sent) -> bool:
        texts = [record.key, record.value, *(value for _, value in record.headers)]
        return record.timestamp_ms is None and all(_is_plain(text) for text in texts if text is not None)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        assert partition == 0, "the console producer cannot choose a partition"
        properties = [option for pair in _PRODUCER_FORMAT.items() for option in ("--reader-property", "=".join(pair))]
        where = ["--bootstrap-server", bootstrap, "--topic", topic, "--command-property", "acks=all"]
        lines = "".join(map(_line, records)).encode()
        run_java_tool("kafka-console-producer", *where, "--compression-codec", codec, *properties, stdin=lines)
        return []

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        properties = [
            option for pair in _CONSUMER_FORMAT.items() for option in ("--formatter-property", "=".join(pair))
        ]
        where = ["--bootstrap-server", bootstrap, "--topic", topic, "--partition", str(partition)]
        limits = [
            "--offset",
            "earliest",
            "--max-messages",
            str(count),
            "--timeout-ms",
            str(READ_TIMEOUT_SECONDS * 1000),
        ]
        done = run_java_tool("kafka-console-consumer", *where, *limits, *properties)
        return [_parse(line) for line in done.stdout.split(_LINE_END) if line]


def _is_plain(text: bytes) -> bool:
    return text.isascii() and not any(byte in text for byte in b"\t\n\0,:")


def _line(record: Sent) -> str:
    headers = ",".join(f"{name}:{_text(value)}" for name, value in record.headers) or _NULL
    return "\t".join([headers, _text(record.key), _text(record.value)]) + "\n"


def _text(value: bytes | None) -> str:
    return _NULL if value is None else value.decode()


def _parse(line: bytes) -> Read:
    """`CreateTime:1700 Partition:0 Offset:5 a:1,b:2 key value`, separated by tabs; the value may hold tabs itself."""
    timestamp, partition, offset, headers, key, value = line.split(b"\t", 5)
    return Read(
        partition=int(partition.removeprefix(b"Partition:")),
        offset=int(offset.removeprefix(b"Offset:")),
        timestamp_ms=int(timestamp.partition(b":")[2]),
        key=_bytes(key),
        value=_bytes(value),
        headers=_headers(headers.decode()),
    )


def _headers(text: str) -> Headers:
    if text == "NO_HEADERS":
        return ()
    pairs = (each.partition(":") for each in text.split(","))
    return tuple((name, _bytes(value.encode())) for name, _, value in pairs)


def _bytes(text: bytes) -> bytes | None:
    return None if text == _NULL.encode() else text


CLIENT = JavaConsole()
