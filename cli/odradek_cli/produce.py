"""`odradek produce`: lines of standard input, or of files, become records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import trio

from odradek import Producer
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.session import DEFAULT_BOOTSTRAP, Bootstrap, parse_pairs, run

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


class JsonRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One line of --json: what `odradek tail --json` prints can be produced again."""

    value: Any = None
    key: str | None = None
    headers: dict[str, str | None] = {}
    partition: int | None = None
    timestamp: int | None = None
    topic: str | None = None
    offset: int | None = None


def produce(
    topic: Annotated[str, Argument("The topic.", completes="topic")],
    files: Annotated[list[Path] | None, Argument("Files to read instead of standard input.")] = None,
    key_separator: Annotated[str | None, Option("--key-separator", "-K", help="KEY<separator>VALUE lines.")] = None,
    json_lines: Annotated[
        bool, Option("--json", help='Lines such as {"key": "k", "value": ..., "headers": {}, "partition": 0}.')
    ] = False,
    whole_files: Annotated[bool, Option(help="Each file is one record.")] = False,
    header: Annotated[list[str] | None, Option("--header", "-H", help="NAME=VALUE for every record.")] = None,
    key: Annotated[str | None, Option(help="The key of every record.")] = None,
    partition: Annotated[int | None, Option("--partition", "-p", min=0, help="Of every record.")] = None,
    compression: Annotated[Compression, Option("--compression", "-z", help="Of batches.")] = "none",
    acks: Annotated[Literal["0", "1", "all"], Option(help="Who must have a record before it counts.")] = "all",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Send each line as a record; exit with 0 when the broker has acknowledged them all."""
    if whole_files and not files:
        raise UsageError("--whole-files needs files")
    headers = {name: value.encode() for name, value in parse_pairs(header or [], "--header").items()}
    codec = None if compression == "none" else compression
    level: Literal[0, 1, "all"] = "all" if acks == "all" else 0 if acks == "0" else 1

    async def work() -> None:
        with ExitStack() as stack:
            sources: list[BinaryIO] = [stack.enter_context(path.open("rb")) for path in files or []] or [
                sys.stdin.buffer
            ]
            lines = iter([source.read() for source in sources]) if whole_files else _lines(sources)
            async with Producer(bootstrap, compression=codec, acks=level) as producer:
                while (line := await trio.to_thread.run_sync(next, lines, None)) is not None:
                    if json_lines:
                        await _send_json(producer, topic, line, headers)
                        continue
                    record_key, value = _split(line, key_separator)
                    if record_key is None and key is not None:
                        record_key = key.encode()
                    await producer.send(topic, value, key=record_key, headers=headers, partition=partition)

    run(work, bootstrap)


def _lines(sources: Iterable[BinaryIO]) -> Iterator[bytes]:
    for source in sources:
        for line in source:
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def _split(line: bytes, separator: str | None) -> tuple[bytes | None, bytes]:
    if separator is None:
        return None, line
    key, found, value = line.partition(separator.encode())
    return (key, value) if found else (None, line)


async def _send_json(producer: Producer, topic: str, line: bytes, headers: dict[str, bytes]) -> None:
    try:
        record = msgspec.json.decode(line, type=JsonRecord)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{error}, in the line {line[:80]!r}") from None
    value = record.value if isinstance(record.value, str | None) else msgspec.json.encode(record.value)
    own = {name: None if text is None else text.encode() for name, text in record.headers.items()}
    await producer.send(
        topic,
        value.encode() if isinstance(value, str) else value,
        key=None if record.key is None else record.key.encode(),
        headers={**headers, **own},
        partition=record.partition,
        timestamp_ms=record.timestamp,
    )
