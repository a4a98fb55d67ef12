"""Brokers on machines of their own, as far as real packets can tell, and a machine that is gone without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from benchmarks.cluster.machines import Machine, Machines, are_possible
from benchmarks.cluster.vanished import TOPIC, Writer, judge, leader_and_epoch
from odradek import Admin, Producer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not are_possible(), reason="network namespaces need root and ip"),
]
GONE, SILENT = "is gone with its host", "has not been heard of for a session"


def said(machine: Machine, words: str) -> bool:
    return words in (machine.directory / "server.log").read_text()


async def test_a_leader_whose_host_is_gone_is_replaced_before_its_session_is_over_and_one_that_hangs_is_not(
    tmp_path: Path,
) -> None:
    settings = {"broker_session_timeout_ms": "20000", "broker_lease_ms": "1000"}
    async with Machines(tmp_path, **settings) as machines, Admin(machines.bootstrap) as admin:
        await admin.create_topic(TOPIC, 1, 3)
        await trio.sleep(25)  # no sooner is it known that no lease of another controller lasts
        async with Producer(machines.bootstrap) as producer, trio.open_nursery() as nursery:
            writer = Writer(producer)
            await nursery.start(writer.run)
            first, _ = await leader_and_epoch(admin)
            machines.brokers[first].pause()
            await trio.sleep(3)
            machines.brokers[first].resume()
            assert not said(machines.controller, GONE)
            leader, epoch = await leader_and_epoch(admin)
            machines.brokers[leader].vanish()
            with trio.fail_after(60):
                while (await leader_and_epoch(admin))[1] == epoch:  # noqa: ASYNC110 (nobody tells)
                    await trio.sleep(0.1)
            assert said(machines.controller, GONE)
            assert not said(machines.controller, SILENT)
            machines.brokers[leader].come_back()
            nursery.cancel_scope.cancel()
        await judge(machines.bootstrap, writer)
