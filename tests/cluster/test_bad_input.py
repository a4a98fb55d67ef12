"""What cannot be is refused in one clear line, or with one of Kafka's errors; and an etcd in trouble loses nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
import trio

from odradek import Admin, BrokerError
from odradek.protocol.errors import ErrorCode
from odradek.testing import Cluster, Node, NodeFailed
from tests.cluster.load import Writer, check, writing

pytestmark = pytest.mark.slow

needs_etcd = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")

ENDS_WITHIN_SECONDS = 60
LONGER_THAN_LEASES_SECONDS = 8.0
"""Of the controller and of a broker, one after the other."""


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=2) as running:
        yield running


@pytest.fixture
async def etcd_cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3, journal="etcd") as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        yield running


async def test_a_node_that_does_not_start_again_is_told_of_by_name_and_reason(cluster: Cluster) -> None:
    broken = cluster.brokers[0]
    broken.kill()
    (broken.directory / "meta.properties").write_text("cluster.id=another\n")
    with pytest.raises(NodeFailed, match=r"broker-0 did not start: .*meta\.properties"):
        await cluster.start()


async def test_a_node_whose_stop_is_cancelled_is_down_all_the_same_and_comes_back(cluster: Cluster) -> None:
    stopped = cluster.brokers[0]
    with trio.move_on_after(0.01):
        await stopped.stop()
    assert stopped.pid is None
    await cluster.start()
    assert stopped.pid is not None


def command_of(settings: Mapping[str, str]) -> list[str]:
    return [sys.executable, "-m", "odradek_cli", "broker", *(f"--set={key}={value}" for key, value in settings.items())]


async def says(stream: trio.abc.ReceiveStream | None, words: str) -> str:
    """What comes up to these words, or to the end."""
    assert stream is not None
    said = b""
    while words.encode() not in said and (more := await stream.receive_some()):
        said += more
    return said.decode()


async def refused(node: Node, *, code: int = 1, **changes: str) -> str:
    """What a process says that is started with these settings, at any free port, and ends by itself: one line.

    Beside what it logs, which is JSON.
    """
    changed = {name.replace("_", "."): value for name, value in changes.items()}
    command = command_of({**node.settings, "listeners": "127.0.0.1:0", **changed})
    with trio.fail_after(ENDS_WITHIN_SECONDS):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    said = [line for line in done.stderr.decode().splitlines() if not line.startswith("{")]
    assert (done.returncode, done.stdout, len(said)) == (code, b"", 1), done
    return said[0].removeprefix("odradek: ")


async def goes_on(writer: Writer) -> None:
    await trio.to_thread.run_sync(writer.wait_for_acknowledgements)


async def finish(writer: Writer, cluster: Cluster) -> None:
    await trio.to_thread.run_sync(writer.stop)
    await trio.to_thread.run_sync(check, writer, cluster.bootstrap, "t")


async def create(cluster: Cluster, topic: str) -> None:
    """Tried until it is made: who could not decide may be asked again."""
    with trio.fail_after(60):
        async with Admin(cluster.bootstrap) as admin:
            while True:
                try:
                    return await admin.create_topic(topic, 3, 3)
                except BrokerError as error:
                    if error.code is ErrorCode.TOPIC_ALREADY_EXISTS:
                        return None
                    assert error.code in (ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_CONTROLLER), error
                await trio.sleep(0.1)


# --------------------------------------------------------------------------------------------------------- node ids


async def test_a_node_id_that_a_living_broker_has_is_refused_and_that_one_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.brokers[1]
    said = await refused(first, log_dir=str(tmp_path))
    assert said == f"broker 1 runs at {first.address}: every broker needs a node.id of its own"
    async with Admin(cluster.bootstrap) as admin:
        await admin.create_topic("t", 1, 2)
    assert (await cluster.leader_of("t", 0)).pid is not None


async def test_a_broker_may_not_have_the_controllers_id(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.controller is not None
    theirs = cluster.controller.settings["node.id"]
    said = await refused(cluster.brokers[0], node_id=theirs, log_dir=str(tmp_path))
    assert said == f"node.id {theirs} is the controller's: every node needs its own"


@pytest.mark.parametrize("node_id", ["-1", "one", "", "2147483648"])
async def test_a_node_id_that_is_none_is_wrong_usage(node_id: str, tmp_path: Path) -> None:
    alone = Node("alone", tmp_path, "127.0.0.1", 0, {"log.dir": str(tmp_path / "data")})
    said = await refused(alone, code=2, node_id=node_id)
    assert said.startswith(f"node.id = {node_id} (flag): must ")
    assert not (tmp_path / "data").exists()


# ------------------------------------------------------------------------------------------------- data directories


async def test_the_data_directory_of_another_cluster_or_node_is_refused_and_stays_as_it_is(cluster: Cluster) -> None:
    async with Cluster(brokers=1) as other:
        broker = cluster.brokers[1]
        await broker.stop()
        meta = (broker.directory / "meta.properties").read_bytes()
        assert other.controller is not None
        said = await refused(broker, controller_quorum_bootstrap_servers=other.controller.address)
        assert re.fullmatch(rf"{broker.directory} has cluster\.id \S{{22}}, but this broker has \S{{22}}", said)
        said = await refused(broker, node_id="7")
        assert said == f"{broker.directory} has node.id 1, but this broker has 7"
        assert (broker.directory / "meta.properties").read_bytes() == meta
        await broker.start()


async def test_two_processes_on_one_data_directory_are_one_too_many(cluster: Cluster) -> None:
    assert cluster.controller is not None
    for node in (cluster.controller, cluster.brokers[0]):
        assert await refused(node) == f"{node.directory} is in use by another process"


async def test_an_address_that_is_taken_is_named(cluster: Cluster, tmp_path: Path) -> None:
    taken = cluster.brokers[0].address
    said = await refused(cluster.brokers[1], listeners=taken, log_dir=str(tmp_path))
    assert f"cannot listen at {taken}: " in said


# --------------------------------------------------------------------------------------------------------- replicas


async def test_more_replicas_than_brokers_and_assignments_that_cannot_be_are_refused(cluster: Cluster) -> None:
    impossible: list[Sequence[Sequence[int]]] = [[[0, 0]], [[0, 7]], [[-1]], [[]], [[0, 1], [0]]]
    async with Admin(cluster.bootstrap) as admin:
        with pytest.raises(BrokerError) as beyond:
            await admin.create_topic("t", 1, 3)
        assert beyond.value.code is ErrorCode.INVALID_REPLICATION_FACTOR
        for replicas in impossible:
            with pytest.raises(BrokerError) as bad:
                await admin.create_topic("t", replicas=replicas)
            assert bad.value.code is ErrorCode.INVALID_REPLICA_ASSIGNMENT, replicas
        assert await admin.list_topics() == []


# ------------------------------------------------------------------------------------------------- an etcd in trouble


@needs_etcd
async def test_a_node_that_finds_no_etcd_says_where_it_looks_and_starts_when_it_is_there() -> None:
    async with Cluster(brokers=1, journal="etcd") as cluster:
        (broker,), (etcd,) = cluster.brokers, cluster.etcd
        broker.kill()
        etcd.kill()
        with trio.fail_after(ENDS_WITHIN_SECONDS):
            started = await trio.lowlevel.open_process(
                command_of(broker.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            try:
                said = await says(started.stderr, "waiting for etcd: etcd: ")
                assert etcd.endpoint in said
                await etcd.start()
                assert await says(started.stdout, "\n") == f"ready {broker.address}\n"
                async with Admin(cluster.bootstrap) as admin:
                    await admin.create_topic("t", 1, 1)
            finally:
                started.kill()
                await started.wait()


@needs_etcd
async def test_an_etcd_that_stands_still_delays_decisions_and_loses_nothing(etcd_cluster: Cluster) -> None:
    (etcd,) = etcd_cluster.etcd
    with writing(etcd_cluster.bootstrap, "t") as writer:
        etcd.pause()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, etcd_cluster, "made-meanwhile")
            await trio.sleep(5)
            etcd.resume()
        await goes_on(writer)
        await finish(writer, etcd_cluster)
    assert all(broker.pid is not None for broker in etcd_cluster.brokers)


@needs_etcd
async def test_a_full_etcd_refuses_topics_while_records_go_on(etcd_cluster: Cluster) -> None:
    (etcd,) = etcd_cluster.etcd
    active = await etcd_cluster.active_controller()
    with writing(etcd_cluster.bootstrap, "t") as writer:
        await etcd.set_full(True)
        until = trio.current_time() + LONGER_THAN_LEASES_SECONDS
        async with Admin(etcd_cluster.bootstrap) as admin:
            while trio.current_time() < until:
                with pytest.raises(BrokerError) as full:
                    await admin.create_topic("more", 1, 3)
                assert full.value.code is ErrorCode.KAFKA_STORAGE_ERROR
                await goes_on(writer)
        assert await etcd_cluster.active_controller() is active
        await etcd.set_full(False)
        await create(etcd_cluster, "more")
        await finish(writer, etcd_cluster)


@needs_etcd
async def test_an_etcd_that_is_killed_again_and_again_keeps_every_topic_and_every_record(etcd_cluster: Cluster) -> None:
    (etcd,) = etcd_cluster.etcd
    made = [f"made-{turn}" for turn in range(5)]
    with writing(etcd_cluster.bootstrap, "t") as writer:
        for topic in made:
            await create(etcd_cluster, topic)
            etcd.kill()
            await etcd.start()
            await goes_on(writer)
        await finish(writer, etcd_cluster)
    (await etcd_cluster.active_controller()).kill()
    await create(etcd_cluster, "decided-by-another")  # which has read all of it anew
    expected = {"t", "decided-by-another", *made}
    async with Admin(etcd_cluster.bootstrap) as admin:
        with trio.fail_after(30):
            while set(await admin.list_topics()) != expected:  # noqa: ASYNC110 (this broker may yet have to hear of it)
                await trio.sleep(0.05)
