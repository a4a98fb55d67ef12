"""`odradek produce`: lines of standard input, or of files, become records."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import trio

from odradek import Producer
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.display import Progress
from odradek_cli.failures import Failed
from odradek_cli.input import Lines, read_all
from odradek_cli.json_lines import Headers, parse_line
from odradek_cli.pace import Pace
from odradek_cli.session import DEFAULT_BOOTSTRAP, Bootstrap, parse_pairs, run, security_for

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
MAX_RECORD_BYTES = 1024 * 1024
STANDARD_INPUT = 0
TOPIC_WITHIN_S = 5.0


def produce(
    topic: Annotated[str, Argument("The topic.", completes="topic")],
    files: Annotated[list[Path] | None, Argument("Files to read instead of standard input.", completes="file")] = None,
    key_separator: Annotated[
        str | None, Option("--key-separator", "-K", metavar="SEPARATOR", help="Lines are KEY, this, and VALUE.")
    ] = None,
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
    if key_separator == "":
        raise UsageError("--key-separator is empty")
    headers = tuple((name, value.encode()) for name, value in parse_pairs(header or [], "--header").items())
    codec = None if compression == "none" else compression
    level: Literal[0, 1, "all"] = "all" if acks == "all" else 0 if acks == "0" else 1
    separator = None if key_separator is None else key_separator.encode()
    fixed_key = None if key is None else key.encode()

    async def work() -> None:
        async with Producer(
            bootstrap,
            security=security_for(bootstrap),
            compression=codec,
            acks=level,
            max_request_size=MAX_RECORD_BYTES,
        ) as producer:

            async def send_plain(some: list[bytes]) -> None:
                await producer.send_many(topic, some, key=fixed_key, headers=headers, partition=partition)

            async def send_keyed(some: list[bytes]) -> None:
                for line in some:
                    own, value = _split(line, separator or b"")
                    await producer.send(
                        topic, value, key=fixed_key if own is None else own, headers=headers, partition=partition
                    )

            async def send_json(some: list[bytes]) -> None:
                for line in some:
                    await _send_json(producer, topic, line, headers, fixed_key, partition)

            send = send_json if json_lines else send_plain if separator is None else send_keyed
            with Pace(Progress(is_wanted=bool(files) or not sys.stdin.isatty()), _input_bytes(files or [])) as pace:
                topic_there = partial(_wait_for_topic, producer, topic)
                if whole_files:
                    await _send_whole(files or [], send_plain, topic_there, pace)
                else:
                    await _send_lines(files or [], send, topic_there, pace)
                await producer.flush()

    run(work, bootstrap)


Send = Callable[[list[bytes]], Awaitable[None]]
Wait = Callable[[], Awaitable[None]]


async def _wait_for_topic(producer: Producer, topic: str) -> None:
    """Brokers may make it at this moment; if not, nobody waits as long for it as a program does. Raises Failed."""
    with trio.move_on_after(TOPIC_WITHIN_S) as patience:
        await producer.partitions(topic)
    if patience.cancelled_caught:
        raise Failed(f"no broker knows a topic {topic}, and none makes it: `odradek topic create {topic}`")


async def _send_lines(files: Sequence[Path], send: Send, topic_there: Wait, pace: Pace) -> None:
    for descriptor in _opened(files):
        reader = Lines(descriptor, MAX_RECORD_BYTES)
        while some := await reader.next():
            if not pace.records:
                await topic_there()
            await send(some)
            pace.add(len(some), sum(map(len, some)) + len(some))


async def _send_whole(files: Sequence[Path], send: Send, topic_there: Wait, pace: Pace) -> None:
    await topic_there()
    for descriptor in _opened(files):
        content = await read_all(descriptor, MAX_RECORD_BYTES)
        await send([content])
        pace.add(1, len(content))


def _opened(files: Sequence[Path]) -> Iterator[int]:
    """Standard input, or one file after the other. Raises OSError."""
    if not files:
        yield STANDARD_INPUT
    for path in files:
        with path.open("rb", buffering=0) as file:
            yield file.fileno()


def _input_bytes(files: Sequence[Path]) -> int | None:
    """How much there is to be read; None where only reading tells."""
    found = [path.stat() for path in files] if files else [os.fstat(STANDARD_INPUT)]
    return sum(each.st_size for each in found) if all(stat.S_ISREG(each.st_mode) for each in found) else None


def _split(line: bytes, separator: bytes) -> tuple[bytes | None, bytes]:
    """Key and value; a line without the separator has no key."""
    key, found, value = line.partition(separator)
    return (key, value) if found else (None, line)


async def _send_json(
    producer: Producer, topic: str, line: bytes, headers: Headers, key: bytes | None, partition: int | None
) -> None:
    """A line's own key, partition and headers go before those for every record."""
    record = parse_line(line)
    own = {name for name, _ in record.headers}
    await producer.send(
        topic,
        record.value,
        key=key if record.key is None else record.key,
        headers=(*(each for each in headers if each[0] not in own), *record.headers),
        partition=partition if record.partition is None else record.partition,
        timestamp_ms=record.timestamp_ms,
    )
