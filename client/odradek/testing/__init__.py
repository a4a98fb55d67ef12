"""Real clusters on this machine, for tests that kill brokers.

    async with Cluster(brokers=3) as cluster:
        async with Producer(cluster.bootstrap) as producer:
            await producer.send("orders", b"1")
            (await cluster.leader_of("orders", 0)).kill()
            await producer.send("orders", b"2")

With pytest and pytest-trio the fixture `odradek_cluster` is such a cluster of three brokers.
"""

from odradek.testing.cluster import Cluster
from odradek.testing.node import Node, NodeFailed

__all__ = ["Cluster", "Node", "NodeFailed"]
