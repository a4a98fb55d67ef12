"""The running cluster of `odradek up --brokers N`, and how `odradek node` asks it.

A supervisor listens at a Unix socket. One request a connection: a line of JSON there, a line of JSON back.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from typing import TYPE_CHECKING, Any

import trio

from odradek import OdradekError
from odradek.testing import Cluster, Node, NodeFailed
from odradek_cli.greeting import greet, point_to
from odradek_cli.node_watch import watch
from odradek_cli.running import NoCluster, announced, find_cluster

if TYPE_CHECKING:
    from odradek_cli.secured import Secured

ACTIONS = ("list", "kill", "pause", "resume", "stop", "start")
MAX_REQUEST_BYTES = 10_000
LEADER_PREFIX = "leader-of "


# ------------------------------------------------------------------------------------------------------ the supervisor


async def supervise(cluster: Cluster, secured: Secured | None = None) -> None:
    """Run a cluster until SIGINT or SIGTERM. Raises NodeFailed."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(end)
            async with cluster:
                nursery.start_soon(watch, cluster)
                await _serve_requests(cluster, secured)


def _say_ready(cluster: Cluster, secured: Secured | None) -> None:
    point_to(secured)
    for broker in cluster.brokers:
        print(f"ready {broker.address}", flush=True)
    greet(cluster.bootstrap, str(cluster.data_dir), is_temporary=cluster.is_temporary, has_nodes=True, secured=secured)


async def _serve_requests(cluster: Cluster, secured: Secured | None) -> None:
    etcd = ",".join(member.endpoint for member in cluster.etcd) or None
    profile = None if secured is None else str(secured.profile)
    with announced(cluster.data_dir, cluster.bootstrap, etcd=etcd, profile=profile, has_socket=True) as path:
        listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        await listening.bind(str(path))
        listening.listen()
        _say_ready(cluster, secured)  # and whoever reads that finds us
        listener = trio.SocketListener(listening)
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(_serve_one, cluster, await listener.accept())


async def _serve_one(cluster: Cluster, stream: trio.SocketStream) -> None:
    async with stream:
        received = b""
        while not received.endswith(b"\n") and len(received) < MAX_REQUEST_BYTES:
            more = await stream.receive_some()
            if not more:
                return
            received += more
        try:
            request = json.loads(received)
            answer = await _carry_out(cluster, request["action"], request.get("node"))
        except (NodeFailed, OdradekError, ValueError, KeyError, TypeError, trio.TooSlowError) as error:
            answer = {"error": str(error) or type(error).__name__}
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(json.dumps(answer).encode() + b"\n")


async def _carry_out(cluster: Cluster, action: str, wanted: str | None) -> dict[str, Any]:
    if action == "list":
        return {"nodes": [_row(node) for node in cluster.nodes]}
    if wanted is None or action not in ACTIONS:
        raise ValueError(f"{action} needs a node")
    node = await _find(cluster, wanted)
    if action in ("kill", "pause", "resume"):
        getattr(node, action)()
    else:
        await getattr(node, action)()
    return {"nodes": [_row(node)]}


async def _find(cluster: Cluster, wanted: str) -> Node:
    if wanted == "controller":
        return await cluster.active_controller()
    if not wanted.startswith(LEADER_PREFIX):
        return cluster.node(wanted)
    topic, dash, index = wanted.removeprefix(LEADER_PREFIX).rpartition("-")
    if not dash or not index.isdecimal():
        raise ValueError(f"write leader-of TOPIC-PARTITION, unlike {wanted}")
    return await cluster.leader_of(topic, int(index))


def _row(node: Node) -> dict[str, Any]:
    return {"node": node.name, "address": node.address, "pid": node.pid, "state": node.state.value}


# ---------------------------------------------------------------------------------------------------- who talks to it


def ask(data_dir: str | None, action: str, node: str | None) -> list[dict[str, Any]]:
    """Ask the running cluster; the nodes concerned, as they are then. Raises NoCluster, OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(find_cluster(data_dir).socket or "")
        connection.sendall(json.dumps({"action": action, "node": node}).encode() + b"\n")
        with connection.makefile("rb") as answer:
            received = json.loads(answer.readline() or b'{"error": "the cluster has gone"}')
    if "error" in received:
        raise NoCluster(received["error"])
    nodes: list[dict[str, Any]] = received["nodes"]
    return nodes
