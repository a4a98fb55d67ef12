"""What Producer, Consumer, ShareConsumer and Admin are underneath: something that is entered once, and is connected.

Invariants
    Nothing outlives the scope.
    Connections outlive the tasks that use them: where the scope is cancelled, what has to be said yet (that a member
    leaves its group, that a transaction is aborted) can be said. They end when `_serve` has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import trio

from odradek.activity import Activities
from odradek.cluster.cluster import Cluster
from odradek.cluster.config import ClientConfig
from odradek.cluster.scope import background_nursery
from odradek.network import parse_bootstrap

C = TypeVar("C", bound=ClientConfig)


class Client(ABC, Generic[C]):
    """The scope. Entering raises BootstrapFailed where no broker answers."""

    _KIND: ClassVar[str]
    """With its article, for those who enter it twice."""
    _CREATES_TOPICS: ClassVar[bool] = False
    """Whether asking for a topic may create it, where the broker allows it too."""

    def __init__(self, bootstrap: str | Sequence[str], config: C) -> None:
        self.config = config
        self._bootstrap = parse_bootstrap(bootstrap)
        self._activities = Activities()
        self._scope: AbstractAsyncContextManager[Self] | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        if self._scope is not None:
            raise RuntimeError(f"{self._KIND} is entered once")
        self._scope = self._run()
        return await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return await self._scope.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Self]:
        async with background_nursery() as nursery:
            connections: trio.Nursery = await nursery.start(_stay_connected)
            connections.cancel_scope.shield = True  # not before: a start that is cancelled would never end
            try:
                self._cluster = Cluster(
                    self._bootstrap, self.config, self._activities, connections, creates_topics=self._CREATES_TOPICS
                )
                self._track()
                await self._cluster.start()
                async with self._serve(nursery):
                    yield self
            finally:
                connections.cancel_scope.cancel()

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError(f"the {self._KIND.partition(' ')[2]} is not open")

    def _track(self) -> None:
        """Tell the cluster of which topics to ask from the beginning on."""

    @abstractmethod
    def _serve(self, nursery: trio.Nursery) -> AbstractAsyncContextManager[Any]:
        """What goes on around the program's block. The cluster is reached; tasks in `nursery` end with the scope."""


async def _stay_connected(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()
