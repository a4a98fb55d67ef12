"""The coordinators of this broker, one for each partition of a coordinator's topic that it leads.

What is coordinated belongs to the partition that its name hashes to, and whoever leads the partition coordinates it.
How many partitions there are is what the topic says and not what the configuration does: two brokers that disagreed
about it would both think that they own a group.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import trio

from odradek.protocol.errors import ErrorCode
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.coordinators.runtime import CoordinatorPartition, CoordinatorUnavailable
from odradek_broker.partitions.others import others_have

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.partitions.partition import Partition
    from odradek_broker.partitions.replica_logs import ReplicaLogs
    from odradek_broker.partitions.replica_manager import ReplicaManager

P = TypeVar("P", bound=CoordinatorPartition[Any])

LOADING_WAIT_SECONDS = 1.0
"""A request that comes while the log is still being read waits for so long before the client is sent away."""

RELOAD_SECONDS = 1.0
"""A coordinator that could not go on, where its broker still leads, is made anew no more often than that."""


class Coordinators(ABC, Generic[P]):
    """Finds the coordinator of a name, and keeps those that there have to be."""

    topic: ClassVar[str]

    def __init__(self, context: NodeContext, replicas: ReplicaManager, logs: ReplicaLogs) -> None:
        self._context = context
        self._replicas = replicas
        self._logs = logs
        self._partitions: dict[int, P] = {}
        self._nursery: trio.Nursery | None = None

    @abstractmethod
    def _make(self, partition: Partition, *, is_only_copy: bool) -> P:
        """The coordinator of a partition that this broker has come to lead."""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Coordinate until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.refresh()
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def close(self) -> None:
        """Let go of everything; who waits is told to look elsewhere."""
        for each in self._partitions.values():
            each.close()
        self._partitions.clear()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
            self._nursery = None

    def refresh(self) -> None:
        """Take up the partitions that this broker has come to lead, and drop those that it no longer leads.

        Also when the lease has run out, or is there again: nobody is answered meanwhile, and the log knows all.
        """
        topic = self._context.image.topics.get(self.topic)
        for index in set(self._partitions).union(() if topic is None else topic.partitions):
            self._take_up(index)

    def _take_up(self, index: int) -> P | None:
        """The coordinator of a partition, as of the present leader epoch; None where it is another broker's."""
        partition = self._replicas.partition(self.topic, index)
        current = self._partitions.get(index)
        if isinstance(partition, ErrorCode) or not partition.is_leader or self._nursery is None:
            if current is not None:
                self._partitions.pop(index).close()
            return None
        if current is not None:
            if current.partition is partition and current.leader_epoch == partition.leader_epoch:
                return current
            current.close()
        taken = self._make(partition, is_only_copy=not others_have(self._context, partition))
        self._partitions[index] = taken
        self._nursery.start_soon(self._coordinate, index, taken)
        return taken

    async def _coordinate(self, index: int, taken: P) -> None:
        """Until it is closed here. Where it ends by itself and we lead all the same, another begins after a while.

        Where the log is damaged that is another broker's, if one has it.
        """
        await taken.run()
        partition = taken.partition
        if self._partitions.get(index) is not taken or partition.log.failed is not None:
            return
        if taken.damaged_at is not None and others_have(self._context, partition):
            self._logs.doubt(partition, taken.damaged_at)
            return
        await trio.sleep(RELOAD_SECONDS)
        if self._partitions.get(index) is taken:
            del self._partitions[index]
            self._take_up(index)

    async def find(self, name: str) -> P:
        """The coordinator of a name, loaded. Raises CoordinatorUnavailable."""
        topic = self._context.image.topics.get(self.topic)
        if topic is None:
            raise CoordinatorUnavailable(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        found = self._take_up(coordinator_partition(name, len(topic.partitions)))
        if found is None:
            raise CoordinatorUnavailable(ErrorCode.NOT_COORDINATOR)
        if not found.is_loaded:
            with trio.move_on_after(LOADING_WAIT_SECONDS):
                await found.wait_loaded()
        if not found.is_loaded:
            raise CoordinatorUnavailable(found.why_not)
        return found

    async def _all_loaded(self) -> tuple[ErrorCode, list[P]]:
        """Those that are loaded; an error where some are not yet."""
        self.refresh()
        with trio.move_on_after(LOADING_WAIT_SECONDS):
            for each in list(self._partitions.values()):
                await each.wait_loaded()
        loaded = [each for each in self._partitions.values() if each.is_loaded]
        missing = [each.why_not for each in self._partitions.values() if not each.is_loaded]
        return (missing[-1] if missing else ErrorCode.NONE), loaded
