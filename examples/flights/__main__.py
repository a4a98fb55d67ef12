"""python -m examples.flights [bootstrap]: without an address, on three brokers of its own, one of which is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from examples.flights import journey
from examples.flights.source import Flight, flight_topic, read_flights
from examples.flights.summary import Measured, log_size, plain_size, show_measured, show_tail
from odradek.testing import Cluster, Node

STEP = 1_000


async def travel(console: Console, bootstrap: str, cluster: Cluster | None = None, start_s: float = 0) -> None:
    """Raises SystemExit where anything is lost, changed or out of order."""
    topic = flight_topic(f"flights-{time.time_ns() // 1_000_000}")
    flights = read_flights()
    killed: list[Node] = []

    async def kill_leader() -> None:
        assert cluster is not None
        leader = await cluster.leader_of(topic.name, journey.VICTIM)
        leader.kill()
        killed.append(leader)

    await journey.create(bootstrap, topic)
    with _progress(console) as progress:
        sending = progress.add_task("produce", total=len(flights))
        began = time.perf_counter()
        watched = _watched(flights, progress, sending)
        gap_s = await journey.produce(bootstrap, topic, watched, None if cluster is None else kill_leader)
        produced = time.perf_counter()
        reading = progress.add_task("consume", total=len(flights))
        members = await journey.consume(bootstrap, topic, len(flights), lambda n: progress.advance(reading, n))
        consumed = time.perf_counter()
    differences = journey.differences(flights, members)
    compared = time.perf_counter()
    if lag := await journey.committed_lag(bootstrap):
        differences.append(f"the group has committed {lag} records less than it finished")
    if differences:
        raise SystemExit("\n".join(differences[:20]))
    measured = Measured(
        flights=len(flights),
        plain_bytes=plain_size(topic, flights),
        log_bytes=None if cluster is None else log_size(_survivor(cluster, killed).directory, topic),
        brokers=0 if cluster is None else len(cluster.brokers),
        start_s=start_s,
        killed=", ".join(node.name for node in killed),
        gap_s=gap_s,
        produce_s=produced - began,
        consume_s=consumed - produced,
        compare_s=compared - consumed,
    )
    show_tail(console, await journey.tail(bootstrap, topic, 10))
    show_measured(console, measured, members)


def _survivor(cluster: Cluster, killed: list[Node]) -> Node:
    return next(broker for broker in cluster.brokers if broker not in killed)


async def travel_alone(console: Console) -> None:
    began = time.perf_counter()
    async with Cluster(brokers=3) as cluster:
        await travel(console, cluster.bootstrap, cluster, time.perf_counter() - began)


def _watched(flights: list[Flight], progress: Progress, task: TaskID) -> Iterator[Flight]:
    for number, flight in enumerate(flights, 1):
        yield flight
        if number % STEP == 0 or number == len(flights):
            progress.update(task, completed=number)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def main() -> None:
    console = Console(highlight=False)
    if len(sys.argv) > 1:
        trio.run(travel, console, sys.argv[1])
    else:
        trio.run(travel_alone, console)


if __name__ == "__main__":
    main()
