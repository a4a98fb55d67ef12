"""Logs of this broker's replicas that nobody is served from yet: they have been opened, or cannot be.

    before it registers    what the metadata says is ours is opened and recovered, so that the registration tells what
                           is damaged: whoever is let in may be elected at once
    while it runs          a log in which damage is found, as it is opened or by a coordinator that reads it, is kept
                           back until the controller has heard of it; one that cannot be opened is tried again, with
                           longer and longer pauses

A directory that holds another topic's log of the same name is set aside, and the log begun anew. Others see to it that
this is never done on the word of metadata older than what this broker has acted upon before (metadata_note.py).

Damage is what is missing of that which had been synced, as the recovery point says (log/recovery.py). What was written
after it, within its last second, is not to be told from a torn tail, which a power cut leaves; there the log ends early
without a word. Until the controller knows of the damage the recovery point stays where it was, so that the next start
finds it too; then it is brought down, before anything is appended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

import trio

from odradek_broker.controller.effective import topic_configs
from odradek_broker.controller.image import NO_LEADER
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.controller.replica_faults import ReplicaFaultsRequest, ReplicaFaultsResponse, ReplicaOf
from odradek_broker.log.failures import DamagedLog, LogFailed, TopicIdMismatch
from odradek_broker.log.offset_checkpoints import RECOVERY_POINTS
from odradek_broker.loop.defects import survive
from odradek_broker.metadata.client import ControllerUnavailable
from odradek_broker.partitions.log_opening import LogOpening
from odradek_broker.partitions.others import others_have
from odradek_broker.partitions.topic_settings import log_config
from odradek_broker.partitions.waiting import Waiting

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.controller.image import MetadataImage, PartitionImage
    from odradek_broker.log.checkpoints import LogKey, PartitionKey
    from odradek_broker.log.config import LogConfig
    from odradek_broker.log.directory import LogDirectory
    from odradek_broker.log.log import Log
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.partitions.partition import Partition, Partitions
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

REFRESH_EVERY = 100
"""Logs that are opened one after another."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


class _Ours(NamedTuple):
    key: PartitionKey
    waiting: Waiting
    partition: PartitionImage

    @property
    def replica(self) -> ReplicaOf:
        return ReplicaOf(self.waiting.topic_id, self.key[1])


class ReplicaLogs:
    """One for a broker."""

    def __init__(
        self,
        context: NodeContext,
        directory: LogDirectory,
        workers: Workers,
        partitions: Partitions,
        controller: ControllerClient,
        *,
        on_opened: Callable[[PartitionKey, PartitionImage], None],
        on_change: Callable[[], None],
    ) -> None:
        """`on_opened`: this log of ours may be served from, or was tried. `on_change`: which ones are has changed."""
        self._context = context
        self._directory = directory
        self._workers = workers
        self._partitions = partitions
        self._controller = controller
        self._on_opened = on_opened
        self._on_change = on_change
        self._waiting: dict[PartitionKey, Waiting] = {}
        self._damaged_ends: dict[LogKey, int] = {}
        """Up to where damaged logs are sound of which the controller knows; what stands on disk says more."""
        self._has_work = trio.Event()
        self._opening = LogOpening(self._open_as_configured, self._opened, self._discard)
        self._opened_count = 0

    @property
    def waiting(self) -> frozenset[PartitionKey]:
        return frozenset(self._waiting) | frozenset(self._opening.wanted)

    def is_opening(self, key: PartitionKey) -> bool:
        """Whether it is a matter of a moment until the log can be served from."""
        return key in self._opening.wanted

    # ------------------------------------------------------------------------------------------------------- opening

    def recover(self, image: MetadataImage, config_of: Callable[[str], LogConfig]) -> None:
        """Open what is here, or should be, of the partitions that are ours. Blocks; before anything else runs.

        What nobody has synced is synced now, before the broker may claim to have it. Where that cannot be, it may go
        with the next power cut, whatever this broker says of itself by then: so such a log is doubted at once.
        """
        directory = self._directory
        there, claimed = set(directory.partitions()), directory.checkpoints.written(RECOVERY_POINTS)
        for topic in image.topics.values():
            for index, partition in topic.partitions.items():
                key = (topic.name, index)
                is_here = key in there or (topic.topic_id, index) in claimed
                if is_here and self._context.node_id in partition.replicas:
                    waiting = self._waiting[key] = self._open(key, topic.topic_id, config_of(topic.name))
                    if waiting.log is None and not directory.was_synced:
                        waiting.is_damaged = True

    def damaged(self) -> list[ReplicaOf]:
        return [ReplicaOf(each.topic_id, index) for (_, index), each in self._waiting.items() if each.is_damaged]

    def told(self) -> None:
        """The broker's registration says what is damaged: nothing that is known of it will be older."""
        for key, each in self._waiting.items():
            if each.is_damaged:
                self._is_known(key, each)

    def _is_known(self, key: PartitionKey, waiting: Waiting) -> None:
        waiting.is_damaged = False
        self._damaged_ends[waiting.topic_id, key[1]] = waiting.sound_up_to

    def lower_recovery_points(self) -> None:
        """The controller knows what is damaged here: from now on that counts. Blocks; in any thread. Raises OSError."""
        ends, self._damaged_ends = self._damaged_ends, {}
        self._directory.checkpoints.lower(ends, [RECOVERY_POINTS])

    async def wait_opened(self, topics: Collection[str]) -> None:
        """Return once the logs of these topics that are ours, as we know now, are open or known not to be.

        A disk may hang: then, too, after some seconds (log_opening.py).
        """
        await self._opening.wait(topics)

    def take(self, key: PartitionKey, topic_id: bytes, image: MetadataImage) -> Log | None:
        """The log, to be served from from now on; None where that cannot be yet.

        Then it is opened beside the loop (log_opening.py), or tried again, and taken up when it is there.
        """
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.topic_id != topic_id:
            self.let_go(key)
            waiting = None
        if waiting is None:
            self._opening.want(key, topic_id)
            return None
        partition = image.partition(*key)
        assert partition is not None
        if waiting.log is None or waiting.is_damaged or (waiting.is_told and self._is_taken_for_sound(partition)):
            self._has_work.set()
            return None
        if waiting.sound_up_to < waiting.log.log_end_offset and not self._settle(key, waiting.log, waiting, partition):
            return None
        del self._waiting[key]
        return waiting.log

    def _is_taken_for_sound(self, partition: PartitionImage) -> bool:
        """Whether the metadata knows nothing yet of what is wrong: any other change of the partition may come first."""
        node_id = self._context.node_id
        has_lost = partition.leader == node_id and partition.leader_recovery_state == RECOVERING
        return node_id in (*partition.isr, *partition.elr) and not has_lost

    def met(self, partition: Partition, damage: DamagedLog) -> bool:
        """A log in use is damaged: say so, and whether another replica is to lead and this one to be mended.

        Where no other has it, whoever reads there is refused, and everything else goes on.
        """
        if self._partitions.get((partition.topic, partition.index)) is not partition:
            return True
        if others_have(self._context, partition):
            logger.error("%s is damaged: %s. Another replica has it, from which it is fetched again", partition, damage)
            self.doubt(partition, damage.offset)
            return True
        if partition.damaged_at is None or damage.offset < partition.damaged_at:
            partition.known_damage = damage.offset, partition.log.truncations
            logger.error(
                "%s is damaged: %s. No other broker has it: reads there are refused, and what can be read is served."
                " Seek past it, or delete the records up to behind it",
                *(partition, damage),
            )
        return False

    def doubt(self, partition: Partition, sound_up_to: int) -> None:
        """Damage was met in a log in use that others have, too: one of them is to lead, and this one to be mended.

        Nobody is served from it until the controller knows.
        """
        key = (partition.topic, partition.index)
        assert self._partitions.pop(key) is partition
        partition.retire()
        self._waiting[key] = Waiting(partition.topic_id, partition.log, True, sound_up_to)
        self._has_work.set()
        self._on_change()

    def _settle(self, key: PartitionKey, log: Log, waiting: Waiting, partition: PartitionImage) -> bool:
        """What becomes of what lies behind a gap, and whether that is known already.

        Where another leads, that one fills the gap: we begin before it. If we are to lead, nobody is left who could,
        and what lies behind it is better than nothing.
        """
        if partition.leader == NO_LEADER:
            return False
        if partition.leader != self._context.node_id:
            try:
                log.truncate_to(waiting.sound_up_to)
            except (OSError, LogFailed) as error:
                logger.error("%s-%d cannot be cut where it is damaged, and will be opened again: %s", *key, error)
                self.let_go(key)
                self._waiting[key] = Waiting(waiting.topic_id, None)
                self._has_work.set()
                return False
        return True

    def let_go(self, key: PartitionKey) -> Log | None:
        """The partition is no longer ours; return its log, closed, if it was open."""
        self._opening.forget(key)
        waiting = self._waiting.pop(key, None)
        if waiting is None or waiting.log is None:
            return None
        waiting.log.close(clean=False)
        return waiting.log

    def close(self) -> None:
        for key in self.waiting:
            self.let_go(key)

    def _open_as_configured(self, key: PartitionKey, topic_id: bytes) -> Waiting:
        """In a worker."""
        image = self._context.image
        configs = topic_configs(image, self._context.static_config)
        return self._open(key, topic_id, log_config(image, configs, key[0]))

    def _opened(self, key: PartitionKey, waiting: Waiting) -> None:
        """Serve from it, if that may be."""
        self._waiting[key] = waiting
        partition = self._context.image.partition(*key)
        if partition is not None:
            self._on_opened(key, partition)
        self._opened_count += 1
        if self._opening.is_last or self._opened_count % REFRESH_EVERY == 0:
            self._on_change()

    def _discard(self, key: PartitionKey, log: Log) -> None:
        context = self._context
        try:
            self._directory.delete_log(log, context.random.randbytes(16).hex(), context.clock.now_ms())
        except OSError as error:
            logger.error("%s-%d could not be deleted: %s", *key, error)

    def _open(self, key: PartitionKey, topic_id: bytes, config: LogConfig) -> Waiting:
        try:
            log = self._open_or_begin(key, topic_id, config)
            if log.flushed_offset < log.log_end_offset:
                log.flush()
        except (OSError, LogFailed, TopicIdMismatch) as error:
            logger.error("%s-%d cannot be opened, and will be tried again: %s", *key, error)
            return Waiting(topic_id, None)
        except Exception as defect:
            survive(defect, f"{key[0]}-{key[1]} cannot be opened, and will be tried again; everything else goes on")
            return Waiting(topic_id, None)
        found = log.recovery
        synced_up_to = self._directory.checkpoints.get(RECOVERY_POINTS, (topic_id, key[1]))
        if log.log_end_offset < synced_up_to or (found is not None and found.is_damage):
            sound_up_to = log.log_end_offset if found is None else found.sound_up_to
            logger.error(
                "%s-%d is damaged: %s is sound up to offset %d, where up to %d had been synced (%s). Another replica"
                " leads, from which the rest is fetched again; where this is the only one, those records are lost",
                *key,
                found.file if found is not None and found.file else log.directory,
                sound_up_to,
                synced_up_to,
                "nothing more is there" if found is None else found,
            )
            return Waiting(topic_id, log, True, sound_up_to)
        if found is not None and found.cut_bytes:
            logger.warning("%s-%d: %s", *key, found)
        return Waiting(topic_id, log)

    def _open_or_begin(self, key: PartitionKey, topic_id: bytes, config: LogConfig) -> Log:
        """Raises OSError, LogFailed, TopicIdMismatch."""
        directory, now_ms = self._directory, self._context.clock.now_ms()
        try:
            return directory.open_log(*key, config, topic_id=topic_id, now_ms=now_ms)
        except TopicIdMismatch as mismatch:
            path = directory.mark_stray(*key, self._context.random.randbytes(16).hex())
            logger.warning("%s: it was set aside as %s", mismatch, path)
        return directory.open_log(*key, config, topic_id=topic_id, now_ms=now_ms)

    # ------------------------------------------------------------------------------------------------- while it runs

    async def run(self) -> None:
        """Open what is new here, tell the controller of what is wrong, and try again what could not be opened, until
        cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._opening.run, self._workers)
            nursery.start_soon(self._mend)

    async def _mend(self) -> None:
        pause_s = FIRST_PAUSE_SECONDS
        while True:
            await self._has_work.wait()
            await self._tell()
            self._try_again()
            if not self.waiting:  # nor is any being opened: that may fail as it did before
                self._has_work, pause_s = trio.Event(), FIRST_PAUSE_SECONDS
                continue
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_SECONDS)

    async def _tell(self) -> None:
        node_id, controller = self._context.node_id, self._controller
        damaged = [each for each in self._ours() if each.waiting.is_damaged]
        unreadable = [each for each in self._ours() if each.waiting.log is None and each.partition.leader == node_id]
        if not (damaged or unreadable):
            return
        request = ReplicaFaultsRequest(
            node_id,
            controller.broker_epoch,
            [each.replica for each in damaged],
            [each.replica for each in unreadable],
        )
        try:
            response = await controller.ask(request, ReplicaFaultsResponse, 0)
        except ControllerUnavailable as error:
            logger.warning("the controller cannot be told which replicas are damaged: %s", error)
            return
        if response.error_code:
            return
        for key, waiting, _ in damaged:
            self._is_known(key, waiting)
            waiting.is_told = True
        try:
            await self._workers.run(self.lower_recovery_points)
        except OSError as error:
            logger.error("cannot write down that replicas are damaged: %s", error)

    def _try_again(self) -> None:
        for key, waiting, partition in self._ours():
            if waiting.log is None:
                del self._waiting[key]
            self._on_opened(key, partition)
        self._on_change()

    def _ours(self) -> list[_Ours]:
        """Those of which the metadata, as we know it, knows."""
        found = [(key, waiting, self._context.image.partition(*key)) for key, waiting in self._waiting.items()]
        return [_Ours(key, waiting, partition) for key, waiting, partition in found if partition is not None]
