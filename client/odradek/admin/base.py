"""What all parts of the admin client share: the scope, the cluster, and trying again while a coordinator moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self, TypedDict, Unpack

import trio
from msgspec import Struct

from odradek.activity import Activities, Waiting
from odradek.cluster.cluster import Cluster, ClusterConfig
from odradek.cluster.connections import ConnectionHealth
from odradek.cluster.coordinator import GROUP, Coordinator
from odradek.errors import broker_error
from odradek.network import Surroundings, parse_bootstrap
from odradek.protocol.errors import ErrorCode
from odradek.scope import background_nursery
from odradek.security import NO_SECURITY, Security


class AdminOptions(TypedDict, total=False):
    """The keyword arguments of Admin; AdminConfig says what they are when left out."""

    request_timeout_ms: int
    connect_timeout_ms: int
    retry_backoff_ms: int
    metadata_max_age_ms: int
    client_id: str
    security: Security
    surroundings: Surroundings


class AdminConfig(Struct, frozen=True, kw_only=True):
    """What an admin client can be told."""

    request_timeout_ms: int = 30_000
    connect_timeout_ms: int = 10_000
    retry_backoff_ms: int = 100
    metadata_max_age_ms: int = 300_000
    client_id: str = "odradek-admin"
    security: Security = NO_SECURITY
    """Whether TLS is spoken, and who we are."""
    surroundings: Surroundings = Surroundings()


class AdminHealth(Struct, frozen=True):
    """What an admin client is doing at this moment."""

    connections: list[ConnectionHealth]
    waiting: list[Waiting]


class AdminBase:
    """The scope. Entering raises BootstrapFailed where no broker answers."""

    def __init__(self, bootstrap: str | Sequence[str], **options: Unpack[AdminOptions]) -> None:
        self.config = AdminConfig(**options)
        self._bootstrap = parse_bootstrap(bootstrap)
        self._activities = Activities()
        self._scope: AbstractAsyncContextManager[Self] | None = None

    async def __aenter__(self) -> Self:
        if self._scope is not None:
            raise RuntimeError("an admin client is entered once")
        self._scope = self._run()
        return await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return await self._scope.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Self]:
        config = self.config
        cluster_config = ClusterConfig(
            bootstrap=self._bootstrap,
            client_id=config.client_id,
            request_timeout_ms=config.request_timeout_ms,
            connect_timeout_ms=config.connect_timeout_ms,
            metadata_max_age_ms=config.metadata_max_age_ms,
            retry_backoff_ms=config.retry_backoff_ms,
            security=config.security,
        )
        async with background_nursery() as nursery:
            self._cluster = Cluster(cluster_config, config.surroundings, self._activities, nursery)
            await self._cluster.start()
            yield self

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
