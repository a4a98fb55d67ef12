"""Run one broker in this process until a signal says stop."""

from __future__ import annotations

import logging
import random
import signal
import sys
from collections.abc import Callable

import trio

from odradek_broker.config import BrokerConfig
from odradek_broker.log.failures import InconsistentDirectory
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.disk import AlreadyLocked, RealDisk
from odradek_broker.ports.network import Address, TcpNetwork
from odradek_broker.runtime.broker import Broker
from odradek_broker.server.server import Server

logger = logging.getLogger(__name__)


def run_broker(config: BrokerConfig, on_ready: Callable[[list[Address]], None]) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code. `on_ready` gets the addresses once clients would succeed."""
    exit_code = 0
    try:
        trio.run(_serve, config, on_ready)
    except* (AlreadyLocked, InconsistentDirectory, OSError) as errors:
        print(f"odradek: {_first(errors)}", file=sys.stderr)
        exit_code = 1
    return exit_code


async def _serve(config: BrokerConfig, on_ready: Callable[[list[Address]], None]) -> None:
    clock = SystemClock()
    broker = Broker(config, disk=RealDisk(), clock=clock, random=random.SystemRandom())
    server = Server(broker, TcpNetwork(), clock)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(server.run)
            on_ready(addresses)
            async for number in signals:
                logger.info("stopping on %s", signal.Signals(number).name)
                nursery.cancel_scope.cancel()
                break


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
