"""What everybody below the node may know: settings, the newest metadata, ports, and who we are. Values, no behaviour.

The node alone writes here: `config` and `image` are other values when the metadata has changed, so read them when they
are needed, and keep neither.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from odradek_broker.controller.image import MetadataImage
from odradek_broker.loop.lag import LoopLag
from odradek_broker.ports.steady_time import SteadyClock

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.disk import Disk
    from odradek_broker.ports.network import Network


class NodeContext:
    """Of one node."""

    __slots__ = (
        "clock", "config", "disk", "image", "is_broker", "is_stopping", "loop_lag", "network", "node_id", "random",
        "static_config", "steady_clock",
    )  # fmt: skip

    def __init__(self, config: BrokerConfig, *, disk: Disk, clock: Clock, random: Random, network: Network) -> None:
        self.node_id = config.node_id
        self.is_broker = "broker" in config.process_roles
        self.static_config = config
        """As it was at the start."""
        self.config = config
        """With its dynamic changes."""
        self.image = MetadataImage(cluster_id="")
        self.is_stopping = False
        """Whoever waits is to be answered with what there is."""
        self.loop_lag = LoopLag()
        """Kept up to date by who watches the loop, where anybody does."""
        self.disk = disk
        self.network = network
        self.random = random
        self.clock = clock
        self.steady_clock = SteadyClock(clock)
        """By which records, offsets and producers are too old."""
