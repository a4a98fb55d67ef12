"""Three brokers that are controllers too, and etcd: any of them may die, and the active one most of all."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from odradek import Admin
from odradek.testing import Cluster, Node
from tests.cluster.load import Writer, check, writing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(brokers=3, journal="etcd") as running:
        async with Admin(running.bootstrap) as admin:
            await admin.create_topic("t", 1, 3)
        yield running


async def go_on(writer: Writer) -> None:
    await trio.to_thread.run_sync(writer.wait_for_acknowledgements)


async def finish(writer: Writer, cluster: Cluster) -> None:
    await trio.to_thread.run_sync(writer.stop)
    await trio.to_thread.run_sync(check, writer, cluster.bootstrap, "t")


async def another_than(cluster: Cluster, former: Node) -> Node:
    with trio.fail_after(30):
        while True:
            active = await cluster.active_controller()
            if active is not former:
                return active
            await trio.sleep(0.02)


async def test_the_active_controller_leads_is_killed_and_another_takes_over(cluster: Cluster) -> None:
    with writing(cluster.bootstrap, "t") as writer:
        for _ in range(3):
            active = await cluster.active_controller()
            active.kill()
            await another_than(cluster, active)
            await go_on(writer)
            await active.start()
            await cluster.wait_in_sync("t")
        await finish(writer, cluster)


async def test_an_active_controller_that_stands_still_is_replaced_and_changes_nothing_when_it_goes_on(
    cluster: Cluster,
) -> None:
    impatient: dict[str, Any] = {"socket.timeout.ms": 2000, "request.timeout.ms": 2000}
    with writing(cluster.bootstrap, "t", **impatient) as writer:
        active = await cluster.active_controller()
        active.pause()
        await another_than(cluster, active)
        await go_on(writer)
        active.resume()
        await cluster.wait_in_sync("t")
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("made-afterwards", 3, 3)
        await go_on(writer)
        await finish(writer, cluster)


async def test_records_go_on_while_etcd_is_away_and_topics_are_made_when_it_is_back(cluster: Cluster) -> None:
    (etcd,) = cluster.etcd
    with writing(cluster.bootstrap, "t") as writer:
        etcd.kill()
        await go_on(writer)
        await etcd.start()
        with trio.fail_after(60):
            async with Admin(cluster.bootstrap) as admin:
                await admin.create_topic("made-afterwards", 3, 3)
        await go_on(writer)
        await finish(writer, cluster)
