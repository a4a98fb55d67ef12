"""A data directory that somebody has spoilt: a broker starts on a copy of it, and three things are watched.

    it lives or says why    it starts and answers, or refuses to start for a reason that it gives; nothing else
    healthy partitions      whose files nobody has touched have every record that they had
    nothing goes unsaid     a partition that lacks records, or does not serve, has a line in the log that names it; what
                            it hands out is what was written; and `odradek log verify` has found something

Each number is always the same case.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple, cast
from unittest.mock import patch

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid, iter_headers
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.image import METADATA_TOPIC
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.log import filenames
from odradek_broker.log.checkpoints import decode_partition_metadata
from odradek_broker.log.failures import CorruptCheckpoint, InconsistentDirectory
from odradek_broker.log.offset_checkpoints import HIGH_WATERMARKS, RECOVERY_POINTS
from odradek_broker.node.broker import Broker
from odradek_broker.partitions import scrub
from odradek_cli.verify import verify_path
from tests.server.served_broker import Peer, Served, fetch, produce_batch, serving

TOPICS = {"plain": {}, "other": {"retention_ms": "-1"}, "compacted": {"cleanup_policy": "compact"}}
BATCHES, OF = 12, 3
SMALL = {"internal_segment_bytes": "700", "index_interval_bytes": "100"}
SETTINGS = {
    "offsets_topic_num_partitions": "1",
    "transaction_state_log_num_partitions": "1",
    "log_cleaner_enable": "false",
    "metadata_log_max_record_bytes_between_snapshots": "1500",
}
WITHIN_S = 60.0
FORESEEN = (InconsistentDirectory, JournalDamaged, CorruptCheckpoint)
"""For which a broker does not start."""
LOGGED_BY = "odradek_broker"


class Directory(NamedTuple):
    path: Path
    records: dict[str, list[tuple[int, bytes]]]
    """Of each topic's partition 0: offsets and values."""
    clean: bool


@asynccontextmanager
async def target(path: Path, seed: int) -> AsyncIterator[Served]:
    async with serving(path, seed=seed, **SETTINGS) as served:
        yield served


async def leave(path: Path, *, clean: bool) -> Directory:
    """What a broker has left there, by a clean stop or by a kill."""
    records: dict[str, list[tuple[int, bytes]]] = {}
    lived_in = path if clean else path.with_name(f"{path.name}-lived-in")
    async with target(lived_in, 1) as served:
        peer = await served.connect()
        for topic, configs in TOPICS.items():
            await peer.make_topic(topic, **SMALL, **configs)
            for number in range(BATCHES):
                batch = build_batch([_record(topic, number, each) for each in range(OF)])
                assert (await peer.produce(produce_batch(batch, topic=topic))).error_code == ErrorCode.NONE
            records[topic] = await _read(peer, topic)
            assert len(records[topic]) == BATCHES * OF
        for topic in ("__consumer_offsets", "__transaction_state"):
            await served.broker.controller.create_topic_if_missing(topic)
        await served.broker.replica_logs.wait_opened(["__consumer_offsets", "__transaction_state"])
        await _until_committed(peer)
        await _until_there_is_a_producer(peer)
        if clean:
            await served.stop()
        else:
            await served.broker.checkpoints.write([RECOVERY_POINTS, HIGH_WATERMARKS])  # as it does once a second
            shutil.copytree(lived_in, path)
    return Directory(path, records, clean)


def _record(topic: str, number: int, each: int) -> Record:
    return Record(timestamp=1_000_000 + number, key=b"%d" % number, value=b"%s %d %d" % (topic.encode(), number, each))


async def _until_committed(peer: Peer) -> None:
    topics = [OffsetCommitRequestTopic("plain", partitions=[OffsetCommitRequestPartition(0, 7)])]
    with trio.fail_after(WITHIN_S):
        while True:
            answer = await peer.ask(OffsetCommitRequest("g", topics=topics), OffsetCommitResponse, 7)
            if answer.topics[0].partitions[0].error_code == ErrorCode.NONE:
                return
            await trio.sleep(0.01)


async def _until_there_is_a_producer(peer: Peer) -> None:
    with trio.fail_after(WITHIN_S):
        while True:
            if not (await peer.ask(InitProducerIdRequest("tx", 60_000), InitProducerIdResponse, 4)).error_code:
                return
            await trio.sleep(0.01)


# ------------------------------------------------------------------------------------------------------------- damage


class Damage(NamedTuple):
    files: list[str]
    """Below the directory."""
    kinds: list[str]

    def touches(self, topic: str) -> bool:
        return any(each.startswith(f"{topic}-0/") for each in self.files)

    def is_beyond_seeing(self, topic: str, *, clean: bool) -> bool:
        """A segment of it is gone: after a kill that may be what was just deleted (recovery.py)."""
        hit = zip(self.files, self.kinds, strict=True)
        return not clean and any(
            kind == "gone" and file.startswith(f"{topic}-0/") and file.endswith(filenames.LOG) for file, kind in hit
        )

    @property
    def touches_metadata(self) -> bool:
        return any(each.startswith(f"{METADATA_TOPIC}-0/") or "/" not in each for each in self.files)


def spoil(left: Path, path: Path, number: int) -> Damage:
    """`path`: a copy of `left`."""
    random = Random(number)
    files = sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file() and each.stat().st_size)
    damage = Damage([], [])
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        victim, kind = random.choice(files), random.choice(list(KINDS))
        if kind == "another":
            content = bytearray((left / random.choice(_like(victim, files))).read_bytes())
            (path / victim).write_bytes(content)
        elif kind == "gone":
            (path / victim).unlink(missing_ok=True)
        elif (path / victim).exists():
            content = bytearray((path / victim).read_bytes())
            if content:
                KINDS[kind](content, random)
            (path / victim).write_bytes(content)
        damage.files.append(victim)
        damage.kinds.append(kind)
    return damage


def _like(victim: str, files: list[str]) -> list[str]:
    """Files of the same kind, and itself where it is the only one. No batch says of which topic it is."""
    kind, directory = Path(victim).suffix, Path(victim).parent
    return [each for each in files if Path(each).suffix == kind and (kind != ".log" or Path(each).parent == directory)]


def _flip(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 1, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _cut(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content)) :]


def _swap(content: bytearray, random: Random) -> None:
    """Two pieces change places."""
    middle = random.randrange(len(content))
    content[:] = content[middle:] + content[:middle]


def _repeat(content: bytearray, random: Random) -> None:
    content += content[random.randrange(len(content)) :]


def _noise(content: bytearray, random: Random) -> None:
    at = random.randrange(len(content))
    end = min(at + random.randrange(1, 64), len(content))
    content[at:end] = random.choice((bytes(end - at), b"\xff" * (end - at), random.randbytes(end - at)))


def _nothing(content: bytearray, random: Random) -> None:
    raise AssertionError("is done to files, not to bytes")


KINDS: dict[str, Callable[[bytearray, Random], None]] = {
    "flip": _flip,
    "cut": _cut,
    "swap": _swap,
    "repeat": _repeat,
    "noise": _noise,
    "another": _nothing,
    "gone": _nothing,
}


# --------------------------------------------------------------------------------------------------------------- a case


class Lines(logging.Handler):
    """What a broker says that is more than news."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.defects: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.said.append(text)
        if record.exc_info and record.exc_info[0] is not None and not issubclass(record.exc_info[0], OSError):
            self.defects.append(text)

    def names(self, topic: str) -> bool:
        return any(f"{topic}-0" in each for each in self.said)


async def play(left: Directory, path: Path, number: int) -> list[str]:
    """What is wrong with the case of that number."""
    shutil.copytree(left.path, path)
    damage = spoil(left.path, path, number)
    found = [fault for checked in verify_path(path) for fault in checked.faults]
    another = {topic for topic in left.records if _is_anothers(left.path, path, topic)}
    lines, logger = Lines(), logging.getLogger(LOGGED_BY)
    logger.addHandler(lines)
    wrong: list[str] = []
    try:
        for life in (1, 2):
            wrong += await _live(left, path, damage, lines, seed=2 * number + 1 + life, found=found, another=another)
    finally:
        logger.removeHandler(lines)
        shutil.rmtree(path, ignore_errors=True)
    wrong += [f"a defect: {each}" for each in lines.defects]
    return [f"case {number}, {damage}: {each}" for each in wrong]


def _is_anothers(left: Path, path: Path, topic: str) -> bool:
    """Another topic's id is as good as the right one to who knows the directory alone; a start sets it aside."""
    name = Path(f"{topic}-0", filenames.PARTITION_METADATA)
    try:
        found = decode_partition_metadata((path / name).read_bytes())
    except (OSError, CorruptCheckpoint):
        return False
    return found != decode_partition_metadata((left / name).read_bytes())


async def _live(
    left: Directory, path: Path, damage: Damage, lines: Lines, *, seed: int, found: list[str], another: set[str]
) -> list[str]:
    wrong: list[str] = []
    try:
        with trio.fail_after(WITHIN_S):
            async with target(path, seed) as served:
                peer = await served.connect()
                assert await peer.is_answered()
                await _read_through(served.broker)
                for topic, records in left.records.items():
                    wrong += await _look_at(
                        peer, topic, records, damage, lines, clean=left.clean, found=found or another
                    )
    except BaseExceptionGroup as errors:
        wrong += [f"does not start: {_told(each)}" for each in _leaves(errors) if not _is_foreseen(each)]
        if not found and not wrong:
            wrong.append(f"does not start for what `log verify` does not find: {_told(next(_leaves(errors)))}")
    return wrong


async def _read_through(broker: Broker) -> None:
    """What takes a broker days it does at once."""
    with patch.object(scrub, "SECONDS_A_PIECE", 0.0):
        await scrub.Scrub(broker.partitions, broker.workers, broker.replica_logs.met).read_all()


async def _look_at(
    peer: Peer,
    topic: str,
    records: list[tuple[int, bytes]],
    damage: Damage,
    lines: Lines,
    *,
    clean: bool,
    found: Collection[str],
) -> list[str]:
    """`found`: by `log verify`, or topics whose directories it cannot know to be another's."""
    try:
        has = await _read(peer, topic)
    except (AssertionError, trio.TooSlowError, ProtocolError) as refused:
        has, why = (
            [],
            str(refused),
        )  # a client may be handed what nobody has looked through yet, and sees that it is none
    else:
        why = "served"
    if not set(has) <= set(records):
        return [f"{topic} hands out what was never written: {sorted(set(has) - set(records))[:3]}"]
    if has == records:
        return []
    missing = f"{topic} lacks {len(records) - len(has)} of its records ({why})"
    if not damage.touches(topic) and not damage.touches_metadata:
        return [f"{missing}, and nobody has touched it"]
    wrong = []
    if damage.touches(topic) and not lines.names(topic) and not damage.is_beyond_seeing(topic, clean=clean):
        wrong.append(f"{missing}, and nothing is said; said is {lines.said}")
    if not found:
        wrong.append(f"{missing}, and `log verify` has found nothing")
    return wrong


async def _read(peer: Peer, topic: str) -> list[tuple[int, bytes]]:
    """Raises AssertionError where the broker does not serve it."""
    read: list[tuple[int, bytes]] = []
    offset = 0
    with trio.fail_after(WITHIN_S):
        while True:
            fetched = await peer.fetch(fetch(offset, topic=topic))
            assert fetched.error_code == ErrorCode.NONE, ErrorCode.from_code(fetched.error_code).name
            if fetched.records is None or not len(fetched.records):
                return read
            records = cast("memoryview", fetched.records)
            assert all(crc_is_valid(records, *each) for each in iter_headers(records)), "a checksum"  # as clients find
            read += [
                (each.offset, bytes(each.value or b"")) for each in decode_records(records) if each.offset >= offset
            ]
            offset = read[-1][0] + 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _is_foreseen(error: BaseException) -> bool:
    return isinstance(error, FORESEEN) and bool(str(error))


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
