"""Groups of both newer protocols on real clusters: members and coordinators die, stand still, are slow, are restarted.

Through all of it every record comes to a member at least once, a record of a share group no more often than the limit,
and a member whose partitions stay is not stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from odradek import Admin, Consumer, Producer, ResourceType, ShareConsumer, TopicPartition
from odradek.consumer.config import GroupProtocol
from odradek.errors import OdradekError
from odradek.testing import Cluster

pytestmark = pytest.mark.soak

PROGRAM = Path(__file__).parent / "group_member.py"
SESSION_S, LOCK_S, LIMIT = 6, 4, 5
SETTINGS = {
    "offsets.topic.num.partitions": "3",
    "share.coordinator.state.topic.num.partitions": "3",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": str(1000 * SESSION_S),
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.share.session.timeout.ms": str(1000 * SESSION_S),
    "group.share.heartbeat.interval.ms": "500",
    "group.share.record.lock.duration.ms": str(1000 * LOCK_S),
    "group.share.delivery.count.limit": str(LIMIT),
}
PARTITIONS, PACE_S, PATIENCE_S = 6, 0.02, 120
Deliveries = Counter[bytes]


@asynccontextmanager
async def cluster_with(brokers: int, partitions: int = PARTITIONS) -> AsyncIterator[Cluster]:
    async with Cluster(brokers=brokers, settings=SETTINGS) as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", partitions, min(brokers, 3))
            await admin.alter_configs("sharers", ResourceType.GROUP, set={"share.auto.offset.reset": "earliest"})
        yield running


class Stream:
    """Values that are written at a steady pace, and those that were acknowledged."""

    def __init__(self, bootstrap: str, partitions: int = PARTITIONS) -> None:
        self._bootstrap, self._partitions = bootstrap, partitions
        self.written: set[bytes] = set()

    async def run(self) -> None:
        async with Producer(self._bootstrap) as producer:
            while True:
                value = b"%d" % len(self.written)
                await (await producer.send("t", value, partition=len(self.written) % self._partitions))
                self.written.add(value)
                await trio.sleep(PACE_S)


# ------------------------------------------------------------------------------------------------ members that are hurt


class Processes:
    """Members, each in a process of its own."""

    def __init__(self, kind: str, bootstrap: str, directory: Path) -> None:
        self._kind, self._bootstrap, self._directory = kind, bootstrap, directory
        self._running: list[subprocess.Popen[bytes]] = []
        self._paths: list[Path] = []

    def begin(self, slow_s: float = 0) -> subprocess.Popen[bytes]:
        path = self._directory / f"member-{len(self._paths)}"
        group = "sharers" if self._kind == "share" else "readers"
        command = [sys.executable, str(PROGRAM), self._kind, self._bootstrap, "t", group, str(slow_s)]
        with path.open("wb") as out, path.with_suffix(".err").open("wb") as err:
            self._running.append(subprocess.Popen(command, stdout=out, stderr=err))
        self._paths.append(path)
        return self._running[-1]

    def lines(self) -> Iterator[tuple[bytes, int]]:
        """What all of them have said in whole lines."""
        for path in self._paths:
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    value, deliveries = line.split()
                    yield value, int(deliveries)

    def end(self) -> None:
        for each in self._running:
            each.kill()
            each.wait()


@contextmanager
def processes(kind: str, bootstrap: str, directory: Path) -> Iterator[Processes]:
    members = Processes(kind, bootstrap, directory)
    try:
        yield members
    finally:
        members.end()


@pytest.mark.parametrize("kind", ["share", "consumer"])
async def test_members_that_die_stand_still_or_are_slow_cost_no_record(kind: str, tmp_path: Path) -> None:
    async with cluster_with(1) as cluster:
        stream = Stream(cluster.bootstrap)
        with processes(kind, cluster.bootstrap, tmp_path) as members, trio.fail_after(2 * PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.run)
                dies, stands = members.begin(), members.begin()
                members.begin(slow_s=1.5 * SESSION_S)
                members.begin()
                await until(lambda: len(dict(members.lines())) > 200)
                os.kill(stands.pid, signal.SIGSTOP)
                dies.kill()
                await trio.sleep(2 * SESSION_S)
                os.kill(stands.pid, signal.SIGCONT)
                await trio.sleep(SESSION_S)
                nursery.cancel_scope.cancel()
            await until(lambda: stream.written <= {value for value, _ in members.lines()})
        if kind == "share":
            given = Counter(value for value, _ in members.lines())
            assert max(given.values()) <= LIMIT
            assert max(deliveries for _, deliveries in members.lines()) <= LIMIT


async def until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 (processes of others; nobody tells)
            await trio.sleep(0.2)


# ----------------------------------------------------------------------------------- coordinators, and rolling restarts


class Members:
    """Members in this process, and what they were given; each joins again where something ends it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.given: dict[str, Deliveries] = {"readers": Counter(), "steady": Counter(), "sharers": Counter()}
        self.highest_count = 0
        self.revoked: list[TopicPartition] = []
        """Of members of the group that nobody joins and nobody leaves."""
        self.consumers: list[Consumer[bytes | None, bytes | None]] = []

    async def read(self, group: str, protocol: GroupProtocol, scope: trio.CancelScope | None = None) -> None:
        with scope or trio.CancelScope():
            while True:
                try:
                    await self._read(group, protocol)
                except OdradekError:
                    await trio.sleep(0.2)

    async def _read(self, group: str, protocol: GroupProtocol) -> None:
        async def revoked(partitions: list[TopicPartition]) -> None:
            if group == "steady":
                self.revoked += partitions

        async with Consumer(
            self._bootstrap,
            "t",
            group=group,
            protocol=protocol,
            auto_commit_interval_ms=200,
            session_timeout_ms=1000 * SESSION_S,
            heartbeat_interval_ms=500,
            on_revoke=revoked,
        ) as consumer:
            self.consumers.append(consumer)
            try:
                while True:
                    self.given[group].update(record.value or b"" for record in await consumer.poll(timeout_s=1))
            finally:
                self.consumers.remove(consumer)

    async def share(self) -> None:
        while True:
            try:
                async with ShareConsumer(self._bootstrap, "t", group="sharers", max_poll_records=20) as consumer:
                    while True:
                        shared = await consumer.poll(timeout_s=1)
                        self.given["sharers"].update(each.record.value or b"" for each in shared)
                        self.highest_count = max([self.highest_count, *(each.delivery_count for each in shared)])
            except OdradekError:
                await trio.sleep(0.2)

    def have_all(self, stream: Stream, *groups: str) -> bool:
        return all(stream.written <= self.given[group].keys() for group in groups)

    @property
    def shares(self) -> list[frozenset[TopicPartition]]:
        return [frozenset(each.assignment) for each in self.consumers]


async def test_a_rolling_restart_costs_no_record_and_stops_nobody_whose_partitions_stay() -> None:
    """Under a share group, a group that migrates member by member, and one that stays as it is."""
    async with cluster_with(3) as cluster, trio.open_nursery() as nursery:
        stream, members = Stream(cluster.bootstrap), Members(cluster.bootstrap)
        writing = trio.CancelScope()

        async def write() -> None:
            with writing:
                await stream.run()

        nursery.start_soon(write)
        leaving = [trio.CancelScope() for _ in cluster.brokers]
        for scope in leaving:
            nursery.start_soon(members.read, "readers", "classic", scope)
            nursery.start_soon(members.read, "steady", "consumer")
            nursery.start_soon(members.share)
        await until(lambda: all(len(each) > 100 for each in members.given.values()))
        before_restarts = len(members.revoked)
        for node, scope in zip(cluster.brokers, leaving, strict=True):
            await node.stop()
            scope.cancel()
            nursery.start_soon(members.read, "readers", "consumer")
            await trio.sleep(2)
            await node.start()
            await cluster.wait_in_sync("t")
        await trio.sleep(SESSION_S)
        writing.cancel()
        await until(lambda: members.have_all(stream, "readers", "steady", "sharers"))
        assert members.revoked[before_restarts:] == []
        assert members.highest_count <= LIMIT
        assert max(members.given["sharers"].values()) <= LIMIT
        nursery.start_soon(members.read, "steady", "consumer")
        await until(lambda: len(members.revoked) > before_restarts)  # so we would have been told
        nursery.cancel_scope.cancel()


async def test_a_coordinator_that_is_killed_while_its_group_changes_or_not_costs_no_record() -> None:
    """Reconciling, stable, and while a member leaves: each time the next coordinator goes on."""
    async with cluster_with(3) as cluster, trio.open_nursery() as nursery:
        stream, members = Stream(cluster.bootstrap), Members(cluster.bootstrap)
        nursery.start_soon(stream.run)
        nursery.start_soon(members.read, "readers", "consumer")
        await until(lambda: members.given["readers"].total() > 20)
        leaving = trio.CancelScope()
        nursery.start_soon(members.read, "readers", "consumer", leaving)
        await until_state(cluster, "Assigning", "Reconciling")
        await lose_the_coordinator(cluster, members, stream)
        await until_state(cluster, "Stable")
        await lose_the_coordinator(cluster, members, stream)
        leaving.cancel()
        await lose_the_coordinator(cluster, members, stream)
        await until_state(cluster, "Stable")
        assert sorted(map(len, members.shares)) == [PARTITIONS]
        nursery.cancel_scope.cancel()


async def until_state(cluster: Cluster, *states: str) -> None:
    with trio.fail_after(PATIENCE_S):
        async with Admin(cluster.bootstrap) as admin:
            while (await admin.describe_group("readers")).state not in states:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def lose_the_coordinator(cluster: Cluster, members: Members, stream: Stream) -> None:
    """Return when it is back, and all that was written until then has been read."""
    async with Admin(cluster.bootstrap) as admin:
        node = cluster.brokers[(await admin.describe_group("readers")).coordinator]
    node.kill()
    await trio.sleep(1)
    await node.start()
    await cluster.wait_in_sync("t")
    written = set(stream.written)
    await until(lambda: written <= members.given["readers"].keys())


async def test_fifty_members_of_three_hundred_partitions_survive_their_coordinator() -> None:
    async with cluster_with(3, 300) as cluster, trio.open_nursery() as nursery:
        stream, members = Stream(cluster.bootstrap, 300), Members(cluster.bootstrap)
        for _ in range(50):
            nursery.start_soon(members.read, "readers", "consumer")
        nursery.start_soon(stream.run)
        await until(lambda: sum(map(len, members.shares)) > 150)
        await lose_the_coordinator(cluster, members, stream)
        await until(lambda: len(stream.written) > 600)

        def is_divided() -> bool:
            shares = members.shares
            return len(shares) == 50 and sorted(map(len, shares)) == [6] * 50 and len(frozenset().union(*shares)) == 300

        await until(is_divided)
        await until(lambda: members.have_all(stream, "readers"))
        nursery.cancel_scope.cancel()
