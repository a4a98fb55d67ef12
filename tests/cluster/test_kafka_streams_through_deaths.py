"""Kafka Streams counts words with exactly_once_v2 on three brokers, while one after another is killed: exact counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from odradek import Admin
from odradek.testing import Cluster
from referee import why_java_is_unavailable
from tests.interop.java_programs import java_program
from tests.interop.test_exactly_once_in_java import WORDS, check_counts, read_committed, write

LINES, PIECES = 300, 6

pytestmark = [
    pytest.mark.soak,
    pytest.mark.java,
    pytest.mark.skipif(bool(why_java_is_unavailable("streams")), reason="Kafka Streams is not there"),
]


async def test_words_are_counted_once_though_brokers_die(tmp_path: Path) -> None:
    async with Cluster(brokers=3) as cluster:
        async with Admin(cluster.bootstrap) as admin:
            for topic in ("lines", "counts"):
                await admin.create_topic(topic, 2)
        counting = cluster.bootstrap, "lines", "counts", "3", str(tmp_path)
        with java_program("WordCount", *counting, libraries="streams") as running:
            try:
                for number in range(PIECES):
                    lines = [" ".join(WORDS).encode()] * (LINES // PIECES)
                    await trio.to_thread.run_sync(write, cluster.bootstrap, "lines", lines, 2)
                    victim = cluster.brokers[number % 3]
                    victim.kill()
                    await trio.sleep(2)
                    await victim.start()
                    await cluster.wait_in_sync("lines")
                count = LINES * len(WORDS)
                found = await trio.to_thread.run_sync(read_committed, cluster.bootstrap, "counts", 2, count)
            finally:
                said, _ = await trio.to_thread.run_sync(running.communicate)
    check_counts(found, LINES, said.decode())
