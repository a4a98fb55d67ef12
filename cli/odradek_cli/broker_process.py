"""Run one broker in this process until a signal says stop."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable

import trio
from msgspec import structs

from odradek.first_error import first_error
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.journal import JournalDamaged
from odradek_broker.election.etcd import EtcdUnavailable
from odradek_broker.log.failures import CorruptCheckpoint, InconsistentDirectory
from odradek_broker.metadata.registration import NotAdmitted
from odradek_broker.node.node import Node
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.descriptors import claim
from odradek_broker.ports.disk import AlreadyLocked, RealDisk
from odradek_broker.ports.network import Address
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.server.loop_watch import watch_loop
from odradek_broker.server.server import Server
from odradek_cli.failures import sentence_of

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
"""How long a worker that computes keeps the loop waiting, each time that has called the system. A tenth of Python's own
lets the 99th percentile of a round trip beside a busy worker fall to a third (benchmarks/flat_cost.py)."""
ENDS = (
    AlreadyLocked,
    CorruptCheckpoint,
    EtcdUnavailable,
    InconsistentDirectory,
    JournalDamaged,
    NotAdmitted,
    OSError,
)
"""What ends a broker with one line that says why."""


def say_ready(addresses: list[Address]) -> None:
    for host, port in addresses:
        print(f"ready {host}:{port}", flush=True)


def run_broker(config: BrokerConfig, on_ready: Callable[[list[Address]], None], *, with_parent: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code. `on_ready` gets the addresses once clients would succeed.

    `with_parent`: or until standard input ends.
    """
    exit_code = 0
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        trio.run(_serve, config, on_ready, with_parent)
    except* ENDS as errors:
        print(f"odradek: {sentence_of(first_error(errors))}", file=sys.stderr)
        exit_code = 1
    return exit_code


async def _serve(config: BrokerConfig, on_ready: Callable[[list[Address]], None], with_parent: bool) -> None:
    clock = SystemClock()
    descriptors = claim()
    if config.max_replicas_per_broker is None:
        config = structs.replace(config, max_replicas_per_broker=descriptors.logs)
    network = TcpNetwork()
    node = Node(config, disk=RealDisk(), clock=clock, random=random.SystemRandom(), network=network)
    server = Server(node, network, clock, descriptors)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as watching:
            watching.start_soon(watch_loop, node.context.loop_lag)
            async with trio.open_nursery() as serving:
                watching.start_soon(_stop_on, signals, server, serving)
                if with_parent:
                    watching.start_soon(_stop_without_parent, server, serving)
                on_ready(await serving.start(server.run))
            watching.cancel_scope.cancel()


async def _stop_on(signals: AsyncIterator[int], server: Server, serving: trio.Nursery) -> None:
    async for number in signals:
        logger.info("stopping on %s", signal.Signals(number).name)
        _stop(server, serving)


async def _stop_without_parent(server: Server, serving: trio.Nursery) -> None:
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        while await stdin.receive_some():
            pass
    if not server.is_stopping:
        _stop(server, serving)


def _stop(server: Server, serving: trio.Nursery) -> None:
    """The first time requests at work are answered, if there can be any; the second time nobody waits for that."""
    if server.is_stopping or not server.is_ready:
        serving.cancel_scope.cancel()
    else:
        serving.start_soon(server.stop)
