"""What becomes of a cluster's nodes, said in a line when it happens."""

from __future__ import annotations

import logging
import signal

import trio

from odradek.testing import Cluster, Node
from odradek.testing.node import LOG_FILE, State

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25


async def watch(cluster: Cluster) -> None:
    """Log every change that is seen, for ever."""
    before = {node.name: node.state for node in cluster.nodes}
    while True:
        await trio.sleep(LOOK_EVERY_S)
        for node in cluster.nodes:
            look_at(node, before)


def look_at(node: Node, before: dict[str, State]) -> None:
    """Log how a node's state differs from that in `before`, and note it there."""
    state = node.state
    if state is before[node.name]:
        return
    before[node.name] = state
    if state is not State.DOWN:
        logger.info("%s is %s", node.name, state.value)
        return
    exit_code = node.take_crash()
    if exit_code is None:
        logger.info("%s is down", node.name)
        return
    logger.warning(
        "%s has ended by itself, %s; see %s; `odradek node start %s` starts it again",
        node.name,
        _end(exit_code),
        node.directory / LOG_FILE,
        node.name.removeprefix("broker-"),
    )


def _end(exit_code: int) -> str:
    return f"by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"with exit code {exit_code}"
