"""Opening logs beside the loop: of a partition that is new here, or of one that could not be opened before.

A log may have to be recovered, and even a new one means directories and files. So it is done by workers, AT_ONCE at a
time, in the order in which the metadata has named them, while everything else goes on. Who has asked for a topic waits
until its logs are open, but no longer than WAIT_SECONDS: a disk that hangs hangs nobody's request. Of one directory
never more than one log is being opened: where a topic is deleted meanwhile, and made anew, the log of the first is
discarded before that of the second is begun.

What is decided here is only who is next; what a log is opened by, and what becomes of it, `ReplicaLogs` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import trio

if TYPE_CHECKING:
    from odradek_broker.log.checkpoints import PartitionKey
    from odradek_broker.log.log import Log
    from odradek_broker.partitions.waiting import Waiting
    from odradek_broker.ports.workers import Workers

AT_ONCE = 4
WAIT_SECONDS = 5
"""Less than any client waits for an answer. What is not open by then is refused to its readers and writers, who ask
again."""


class Wanted(NamedTuple):
    topic_id: bytes
    is_settled: trio.Event
    """It is open, or cannot be opened, or is not wanted any more."""


class LogOpening:
    """One for a broker."""

    def __init__(
        self,
        open_log: Callable[[PartitionKey, bytes], Waiting],
        take: Callable[[PartitionKey, Waiting], None],
        discard: Callable[[PartitionKey, Log], None],
    ) -> None:
        """`open_log` blocks, and is called in a worker. `take` gets what has come of it, where that is still wanted;
        `discard` a log that is not."""
        self._open_log = open_log
        self._take = take
        self._discard = discard
        self._wanted: dict[PartitionKey, Wanted] = {}
        self._queue: deque[PartitionKey] = deque()
        self._at_work: set[PartitionKey] = set()
        self._idle = trio.lowlevel.ParkingLot()

    @property
    def wanted(self) -> Collection[PartitionKey]:
        return self._wanted.keys()

    @property
    def is_last(self) -> bool:
        """Whether nothing else waits for a worker."""
        return not self._queue

    def want(self, key: PartitionKey, topic_id: bytes) -> None:
        """Have it opened."""
        known = self._wanted.get(key)
        if known is not None and known.topic_id == topic_id:
            return
        self.forget(key)
        self._wanted[key] = Wanted(topic_id, trio.Event())
        if key not in self._at_work:  # who is at work there goes on with it
            self._queue.append(key)
            self._idle.unpark()

    def forget(self, key: PartitionKey) -> None:
        """It is not ours any more."""
        wanted = self._wanted.pop(key, None)
        if wanted is not None:
            wanted.is_settled.set()

    async def wait(self, topics: Collection[str]) -> None:
        """Return once all that is wanted now of these topics is settled, or after WAIT_SECONDS."""
        with trio.move_on_after(WAIT_SECONDS):
            for wanted in [wanted for key, wanted in self._wanted.items() if key[0] in topics]:
                await wanted.is_settled.wait()

    async def run(self, workers: Workers) -> None:
        """Open what is wanted, until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(self._open_in_turn, workers)

    async def _open_in_turn(self, workers: Workers) -> None:
        while True:
            while not self._queue:
                await self._idle.park()
            key = self._queue.popleft()
            self._at_work.add(key)
            try:
                while (wanted := self._wanted.get(key)) is not None:
                    await self._open(key, wanted, workers)
            finally:
                self._at_work.discard(key)

    async def _open(self, key: PartitionKey, wanted: Wanted, workers: Workers) -> None:
        opened = await workers.run(partial(self._open_log, key, wanted.topic_id))
        if self._wanted.get(key) is wanted:
            del self._wanted[key]
            self._take(key, opened)
            wanted.is_settled.set()
        elif opened.log is not None:
            self._discard(key, opened.log)
