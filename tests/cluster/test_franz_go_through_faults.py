"""franz-go writes and reads while two of three brokers are killed at a time.

Who is left leads, and cannot know for a while how far the leaders before had come: it is alone. franz-go's reader asks
each new leader where the last epoch has ended, says so where it takes that for lost records, and then reads again from
there. So whatever it reads twice, or calls lost, it was told by a broker.
"""

from __future__ import annotations

import json
import subprocess

import pytest
import trio

from odradek import Admin
from odradek.testing import Cluster, Node
from referee.go_programs import judge, why_go_is_unavailable

pytestmark = pytest.mark.slow

PARTITIONS, ROUNDS = 8, 3
PATIENCE_S = 60


async def test_a_reader_that_validates_its_position_reads_everything_once_and_hears_of_no_loss() -> None:
    reason = await trio.to_thread.run_sync(why_go_is_unavailable)
    if reason is not None:
        pytest.skip(reason)
    async with Cluster(brokers=3) as cluster:
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("t", PARTITIONS, 3)
        process = await trio.lowlevel.open_process(
            judge(cluster.bootstrap, "t"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with trio.fail_after(PATIENCE_S):
                assert await process.stdout.receive_some() == b"begun\n"
            for number in range(ROUNDS):
                leader = await cluster.leader_of("t", number)
                follower, survivor = await cluster.followers_of("t", number)
                leader.kill()
                follower.kill()
                await until_led_by(cluster, survivor)
                for node in (leader, follower):
                    await node.start()
                await cluster.wait_in_sync("t")
            await process.stdin.aclose()
            said = b""
            with trio.fail_after(PATIENCE_S):
                async for piece in process.stdout:
                    said += piece
                assert await process.wait() == 0
        finally:
            process.kill()
    found = json.loads(said)
    assert found["acknowledged"] > 0, found
    assert not any(found[what] for what in ("refused", "missing", "doubled", "moved", "lost")), found


async def until_led_by(cluster: Cluster, node: Node) -> None:
    with trio.fail_after(PATIENCE_S):
        for partition in range(PARTITIONS):
            while await cluster.leader_of("t", partition) is not node:  # noqa: ASYNC110 (nobody tells)
                await trio.sleep(0.02)
