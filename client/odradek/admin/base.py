"""What all parts of the admin client share: the scope, the cluster, and trying again while a coordinator moves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Unpack

import trio
from msgspec import Struct

from odradek.activity import Waiting
from odradek.cluster.client import Client
from odradek.cluster.config import ClientConfig, ClientOptions
from odradek.cluster.connections import ConnectionHealth
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.errors import broker_error
from odradek.protocol.errors import ErrorCode


class AdminOptions(ClientOptions, total=False):
    """The keyword arguments of Admin; AdminConfig says what they are when left out."""


class AdminConfig(ClientConfig, frozen=True, kw_only=True):
    """What an admin client can be told."""

    client_id: str = "odradek-admin"


class AdminHealth(Struct, frozen=True):
    """What an admin client is doing at this moment."""

    connections: list[ConnectionHealth]
    waiting: list[Waiting]


class AdminBase(Client[AdminConfig]):
    """The scope. Entering raises BootstrapFailed where no broker answers."""

    _KIND = "an admin client"

    def __init__(self, bootstrap: str | Sequence[str], **options: Unpack[AdminOptions]) -> None:
        super().__init__(bootstrap, AdminConfig(**options))

    def _serve(self, nursery: trio.Nursery) -> AbstractAsyncContextManager[Any]:
        return nullcontext()

    def health(self) -> AdminHealth:
        """What is connected, what is waited for and for how long."""
        return AdminHealth(self._cluster.health(), self._activities.now())

    @property
    def _timeout_s(self) -> float:
        return self.config.request_timeout_ms / 1000

    def _coordinator(self, group: str) -> Coordinator:
        return Coordinator(self._cluster, GROUP, group)

    async def _wait_until_known(self, *topics: str) -> None:
        """Until the brokers have heard of new topics too, with a leader for each partition."""
        deadline = trio.current_time() + self._timeout_s
        for name in topics:
            image = await self._cluster.topic(name, self._timeout_s)
            while any(partition.leader < 0 for partition in image.partitions):
                if trio.current_time() >= deadline:
                    raise broker_error(ErrorCode.LEADER_NOT_AVAILABLE, f"a partition of {name}")
                await trio.sleep(self._cluster.backoff_s)
                await self._cluster.refresh()
                image = await self._cluster.topic(name, self._timeout_s)
