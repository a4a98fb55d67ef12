"""The main job with real data: 336,776 flights through brokers and back, and what the comparison would notice."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from examples.flights import journey
from examples.flights.journey import FlightRecord, Received, differences
from examples.flights.source import COUNT, Flight, flight_topic, read_flights
from examples.flights.summary import log_size, plain_size
from odradek import Record
from odradek.testing import Cluster

pytestmark = pytest.mark.slow

TOPIC = flight_topic("flights")


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    return read_flights()


async def test_every_flight_comes_back_once_and_each_aircrafts_in_order_though_a_leader_is_killed(
    flights: list[Flight],
) -> None:
    async with Cluster(brokers=3) as cluster:
        await _travel(flights, cluster)


async def _travel(flights: list[Flight], cluster: Cluster) -> None:
    async def kill_leader() -> None:
        (await cluster.leader_of(TOPIC.name, journey.VICTIM)).kill()

    await journey.create(cluster.bootstrap, TOPIC)
    gap_s = await journey.produce(cluster.bootstrap, TOPIC, flights, kill_leader)
    assert gap_s is not None
    members = await journey.consume(cluster.bootstrap, TOPIC, len(flights))

    assert differences(flights, members) == []
    assert sorted(members[0].partitions + members[1].partitions) == list(range(journey.PARTITIONS))
    assert await journey.committed_lag(cluster.bootstrap) == 0
    survivor = next(broker for broker in cluster.brokers if broker.pid is not None)
    assert plain_size(TOPIC, flights) > 4 * log_size(survivor.directory, TOPIC) > 0

    last = await journey.tail(cluster.bootstrap, TOPIC, 10)
    newest = sorted(
        (record for member in members for record in member.records),
        key=lambda record: (record.timestamp, record.partition, record.offset),
    )
    assert last == newest[-10:]


def test_the_source_is_the_whole_year(flights: list[Flight]) -> None:
    assert len(flights) == COUNT
    assert sum(flight.tailnum is None for flight in flights) == 2512
    assert Counter(flight.origin for flight in flights) == {"EWR": 120835, "JFK": 111279, "LGA": 104662}
    assert flights[0].time_hour == "2013-01-01T10:00:00Z"
    assert flights[0].tailnum == "N14228"


def test_the_comparison_notices_what_is_lost_doubled_swapped_or_changed(flights: list[Flight]) -> None:
    few = flights[:2000]
    records = [_record(offset, flight) for offset, flight in enumerate(few)]
    assert differences(few, _members(records)) == []
    assert differences(few, _members(records[:-1]))
    assert differences(few, _members([*records[:-1], records[0]]))
    first, second = [i for i, flight in enumerate(few) if flight.tailnum == "N24211"][:2]
    swapped = records.copy()
    swapped[first], swapped[second] = records[second], records[first]
    assert differences(few, _members(swapped)) == [
        "the flights of N24211 are not the same, or not in the same order",
    ]
    changed = [_record(0, msgspec.structs.replace(few[0], distance=1)), *records[1:]]
    assert differences(few, _members(changed))
    assert differences(few, [Received([0], records), Received([], [])])


def _record(offset: int, flight: Flight) -> FlightRecord:
    return Record("flights", 0, offset, 0, flight.tailnum, flight)


def _members(records: list[FlightRecord]) -> list[Received]:
    return [Received([0], records[:700]), Received([1], records[700:])]
