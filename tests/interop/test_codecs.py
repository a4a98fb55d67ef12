"""Each client produces with each codec, and every client reads all of it back: keys, values, headers, times, offsets.

One partition holds what one producer wrote with all of its codecs, one after the other: a reader crosses them all.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from referee import BrokerProcess
from referee.awkward_records import assert_same_records, awkward_records
from referee.clients import CLIENT_NAMES
from referee.clients.interface import Client, Sent

NAMES = [pytest.param(name, marks=pytest.mark.java) if name.startswith("java") else name for name in CLIENT_NAMES]


@dataclass
class Written:
    topic: str
    records: list[Sent]
    acknowledged: list[int]
    began_ms: int
    ended_ms: int


@pytest.fixture(scope="module")
def written_by(broker: BrokerProcess) -> Iterator[Callable[[Client], Written]]:
    """written_by(client) -> what it wrote, written once and then kept for all readers."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    kept: dict[str, Written] = {}
    attempts = itertools.count()

    def write(client: Client) -> Written:
        if client.name not in kept:
            topic = f"written-{next(attempts)}"
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
            kept[client.name] = _write_with_every_codec(client, broker.bootstrap, topic)
        return kept[client.name]

    yield write


def _write_with_every_codec(client: Client, bootstrap: str, topic: str) -> Written:
    began_ms = int(time.time() * 1000)
    records: list[Sent] = []
    acknowledged: list[int] = []
    for codec in client.codecs:
        batch = [record for record in awkward_records(codec) if client.can_send(record)]
        acknowledged += client.produce(bootstrap, topic, batch, codec=codec)
        records += batch
    return Written(topic, records, acknowledged, began_ms, int(time.time() * 1000))


@pytest.mark.slow
@pytest.mark.parametrize("reader", NAMES)
@pytest.mark.parametrize("writer", NAMES)
def test_every_reader_gets_exactly_what_every_writer_sent_with_every_codec(
    writer: str,
    reader: str,
    broker: BrokerProcess,
    client_named: Callable[[str], Client],
    written_by: Callable[[Client], Written],
) -> None:
    written = written_by(client_named(writer))
    assert len(written.records) >= 20 * len(client_named(writer).codecs)

    read = client_named(reader).read(broker.bootstrap, written.topic, len(written.records))

    assert_same_records(read, written.records, between_ms=(written.began_ms, written.ended_ms))


@pytest.mark.parametrize("writer", ["confluent", "aio", "python", "own"])
def test_acknowledged_offsets_are_those_that_readers_see(
    writer: str, client_named: Callable[[str], Client], written_by: Callable[[Client], Written]
) -> None:
    written = written_by(client_named(writer))
    assert written.acknowledged == list(range(len(written.records)))


@pytest.mark.slow
def test_all_readers_agree_on_timestamps(
    broker: BrokerProcess, client_named: Callable[[str], Client], written_by: Callable[[Client], Written]
) -> None:
    written = written_by(client_named("confluent"))

    def times(name: str) -> list[int]:
        read = client_named(name).read(broker.bootstrap, written.topic, len(written.records))
        return [each.timestamp_ms for each in read]

    assert times("confluent") == times("python") == times("aio") == times("own")
