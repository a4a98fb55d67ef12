"""A broker: its data directory, the partitions in it, its controller and its group coordinators.

The metadata image decides which partitions there are; `on_image` makes the directory agree with it. Nothing else
creates or deletes a log.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import trio

from odradek.protocol.errors import ErrorCode
from odradek_broker.config.effective import TopicConfigs
from odradek_broker.controller.delta import Delta, PartitionDelta, delta
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import METADATA_TOPIC, Endpoint, MetadataImage, ResourceType
from odradek_broker.log.checkpoints import TopicPartition, decode_properties
from odradek_broker.log.directory import META_PROPERTIES, LogDirectory
from odradek_broker.log.failures import LogFailed, TopicIdMismatch
from odradek_broker.ports.workers import ThreadWorkers
from odradek_broker.runtime.controller import ControllerRuntime
from odradek_broker.runtime.fetch_sessions import FetchSessions
from odradek_broker.runtime.flusher import Flusher
from odradek_broker.runtime.groups import GroupsRuntime
from odradek_broker.runtime.housekeeping import Housekeeping
from odradek_broker.runtime.partition import Partition

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.disk import Disk

logger = logging.getLogger(__name__)

FLUSH_THREADS = 8


class Broker:
    """Made before anything is opened; `run` opens, serves and closes."""

    def __init__(self, config: BrokerConfig, *, disk: Disk, clock: Clock, random: Random) -> None:
        self.config = config
        """With its dynamic changes; the one at the start is the controller's."""
        self.disk = disk
        self.clock = clock
        self.random = random
        self.node_id = config.node_id
        self.partitions: dict[TopicPartition, Partition] = {}
        self.fetch_sessions = FetchSessions(config.max_incremental_fetch_session_cache_slots, random)
        self.directory: LogDirectory
        self.controller: ControllerRuntime
        self.flusher: Flusher
        self.groups = GroupsRuntime(self)
        self.is_stopping = False
        self._broker_epoch = -1
        self._running = False

    @property
    def image(self) -> MetadataImage:
        return self._image

    _image = MetadataImage(cluster_id="")

    @property
    def cluster_id(self) -> str:
        return self.directory.cluster_id

    def partition(self, topic: str, index: int) -> Partition | ErrorCode:
        """The partition, where it is here and open."""
        found = self.partitions.get((topic, index))
        if found is not None:
            return found
        known = self._image.topics.get(topic)
        if known is None or index not in known.partitions:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if known.partitions[index].leader != self.node_id:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.KAFKA_STORAGE_ERROR

    def topic_name(self, topic_id: bytes) -> str | None:
        return self._image.topic_names.get(topic_id)

    # --------------------------------------------------------------------------------------------------------- life

    async def run(
        self, endpoints: tuple[Endpoint, ...] = (), task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled, then leave a directory that the next start need not recover.

        Raises OSError, AlreadyLocked, InconsistentDirectory.
        """
        self.directory = self._open_directory()
        workers = ThreadWorkers(FLUSH_THREADS)
        self.flusher = Flusher(workers, sync=self.config.log_flush_policy == "sync")
        try:
            async with trio.open_nursery() as nursery:
                await self._start_controller(endpoints)
                await nursery.start(self.groups.run)
                nursery.start_soon(Housekeeping(self).run)
                self._running = True
                task_status.started()
                await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self.flusher.wait_idle()
                workers.close()
                await trio.to_thread.run_sync(self._close)

    def end_waits(self) -> None:
        """Before a stop: whoever waits for records, or for a group, gets an answer now."""
        self.is_stopping = True
        self.groups.close()
        for partition in self.partitions.values():
            partition.wake_readers()

    def _open_directory(self) -> LogDirectory:
        path = self.config.data_directory
        meta = os.path.join(path, META_PROPERTIES)
        known = decode_properties(self.disk.read_file(meta)) if self.disk.exists(meta) else {}
        cluster_id = known.get("cluster.id") or _new_cluster_id(self.random)
        return LogDirectory.open(
            path, self.disk, cluster_id=cluster_id, node_id=self.node_id, new_directory_id=self.random.randbytes(16)
        )

    async def _start_controller(self, endpoints: tuple[Endpoint, ...]) -> None:
        for path in self.directory.deleted_directories():
            self.directory.remove_directory(path)
        journal = FileJournal(self.directory.path, self.disk, self.clock.now_ms())
        self.controller = ControllerRuntime(
            journal, self.config, self.clock, self.random, self.directory.cluster_id, self.on_image
        )
        self._broker_epoch = await self.controller.start(endpoints, (self.directory.directory_id,))
        self._set_aside_strays()

    def _close(self) -> None:
        clean = self._running
        for partition in self.partitions.values():
            clean = clean and partition.log.failed is None
            try:
                partition.log.close(clean=self._running)
            except (OSError, LogFailed) as error:
                logger.error("%s could not be closed cleanly: %s", partition, error)
                clean = False
        try:
            if self._running:
                self.controller.close()
                self.checkpoint()()
                if clean:
                    self.directory.mark_clean(self._broker_epoch)
        except (OSError, LogFailed) as error:
            logger.error("the data directory could not be left cleanly: %s", error)
        finally:
            self.directory.release()

    def checkpoint(self) -> Callable[[], None]:
        """How far each log is flushed, begins, is committed and is compacted, as of now; call it to write that down."""
        flushed = {key: partition.log.flushed_offset for key, partition in self.partitions.items()}
        starts = {key: partition.log.log_start_offset for key, partition in self.partitions.items()}
        committed = {key: partition.high_watermark for key, partition in self.partitions.items()}
        compacted = {key: partition.log.first_dirty_offset for key, partition in self.partitions.items()}

        def write() -> None:
            self.directory.write_recovery_points(flushed)
            self.directory.write_log_start_offsets(starts)
            self.directory.write_high_watermarks(committed)
            self.directory.write_cleaner_offsets(compacted)

        return write

    # ----------------------------------------------------------------------------------------------------- metadata

    def on_image(self, old: MetadataImage, new: MetadataImage) -> None:
        """Make the directory agree with the metadata."""
        changes = delta(old, new)
        self._image = new
        if changes.broker_configs:
            self.config = self.controller.config
        for topic in changes.deleted:
            for index in topic.partitions:
                self._delete(topic.name, index)
        configs = self._topic_configs()
        for change in changes.partitions:
            self._take_up(change, configs)
        self._reconfigure(changes, configs)
        self.groups.on_image(old, new)

    def _topic_configs(self) -> TopicConfigs:
        return TopicConfigs(
            self.controller.static_config,
            self._image.configs.get((ResourceType.BROKER, str(self.node_id)), {}),
            self._image.configs.get((ResourceType.BROKER, ""), {}),
        )

    def _take_up(self, change: PartitionDelta, configs: TopicConfigs) -> None:
        if change.new.leader != self.node_id:
            return
        key = (change.topic.name, change.index)
        partition = self.partitions.get(key)
        if partition is None:
            config = configs.log_config(self._image.topic_config(change.topic.name))
            now_ms = self.clock.now_ms()
            try:
                log = self.directory.open_log(*key, config, topic_id=change.topic.topic_id, now_ms=now_ms)
                if log.recovery is not None:
                    log.flush()
            except (OSError, LogFailed, TopicIdMismatch) as error:
                logger.error("%s-%d cannot be opened: %s", *key, error)
                return
            if log.recovery is not None and log.recovery.cut_bytes:
                logger.warning("%s-%d: %s", *key, log.recovery)
            partition = Partition(
                *key, change.topic.topic_id, log, leader_epoch=-1, flusher=self.flusher, clock=self.clock
            )
            self.partitions[key] = partition
        if partition.leader_epoch != change.new.leader_epoch:
            partition.become_leader(change.new.leader_epoch)

    def _delete(self, topic: str, index: int) -> None:
        partition = self.partitions.pop((topic, index), None)
        if partition is None:
            return
        partition.is_leader = False
        try:
            self.directory.delete_log(partition.log, self.random.randbytes(16).hex(), self.clock.now_ms())
        except OSError as error:
            logger.error("%s could not be deleted: %s", partition, error)
        partition.log_failed()

    def _reconfigure(self, changes: Delta, configs: TopicConfigs) -> None:
        names = set(self._image.topics) if changes.broker_configs else set(changes.topic_configs)
        for partition in self.partitions.values():
            if partition.topic in names:
                partition.log.config = configs.log_config(self._image.topic_config(partition.topic))

    def _set_aside_strays(self) -> None:
        for topic, index in self.directory.partitions():
            if topic != METADATA_TOPIC and (topic, index) not in self.partitions:
                known = self._image.topics.get(topic)
                if known is None or index not in known.partitions:
                    path = self.directory.mark_stray(topic, index, self.random.randbytes(16).hex())
                    logger.warning("%s-%d is in no metadata and was set aside as %s", topic, index, path)


def _new_cluster_id(random: Random) -> str:
    """22 characters of unpadded base64url, as Kafka makes them; never beginning with a dash."""
    while True:
        cluster_id = base64.urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()
        if not cluster_id.startswith("-"):
            return cluster_id
