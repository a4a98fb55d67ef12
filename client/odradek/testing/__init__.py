"""Real clusters on this machine, for tests that kill brokers.

    async with Cluster(brokers=3) as cluster:
        async with Producer(cluster.bootstrap) as producer:
            await producer.send("orders", b"1")
            (await cluster.leader_of("orders", 0)).kill()
            await producer.send("orders", b"2")

With pytest and pytest-trio the fixture `odradek_cluster` is such a cluster of three brokers.

The names below are imported when they are first asked for: pytest imports this package in every run, for its plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odradek.testing.cluster import Cluster
    from odradek.testing.node import Node, NodeFailed

__all__ = ["Cluster", "Node", "NodeFailed"]

_HOME_OF = {"Cluster": "cluster", "Node": "node", "NodeFailed": "node"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'odradek.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"odradek.testing.{_HOME_OF[name]}"), name)
    return value
