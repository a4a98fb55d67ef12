"""The controller's Trio side: one decision at a time, durable before it shows.

A decision is made on the image as it is; its records are appended to the journal and synced in a worker thread, and
only then replayed, handed to the broker and answered. So an image never holds what a crash could take back. Who is
cancelled in the middle of it gets no answer, but the decision stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import TypeVar

import trio
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse
from odradek.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.brokers import bootstrap, register_broker
from odradek_broker.controller.configs import alter_configs, broker_config, incremental_alter_configs
from odradek_broker.controller.create_partitions import create_partitions
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.delete_topics import delete_topics
from odradek_broker.controller.elections import elect_leaders
from odradek_broker.controller.image import Endpoint, MetadataImage
from odradek_broker.controller.internal_topics import DEFAULT, topic_to_create
from odradek_broker.controller.journal import Journal
from odradek_broker.controller.producer_ids import allocate_producer_ids
from odradek_broker.controller.replay import replay
from odradek_broker.controller.result import Result
from odradek_broker.log.failures import LogFailed
from odradek_broker.ports.clock import Clock

logger = logging.getLogger(__name__)

R = TypeVar("R")

OnImage = Callable[[MetadataImage, MetadataImage], None]


class JournalUnavailable(Exception):
    """The decision could not be written down, so it has not been made. Answer KAFKA_STORAGE_ERROR."""


class ControllerRuntime:
    """Decides for a cluster whose only controller this is."""

    def __init__(
        self,
        journal: Journal,
        config: BrokerConfig,
        clock: Clock,
        random: Random,
        cluster_id: str,
        on_image: OnImage,
    ) -> None:
        """`on_image` gets the old image and the new one before a decision is answered; it must not wait."""
        self.image = MetadataImage(cluster_id=cluster_id)
        self._journal = journal
        self.static_config = config
        """The configuration of this broker at its start."""
        self._clock = clock
        self._random = random
        self._on_image = on_image
        self._lock = trio.Lock()
        self._producer_ids = iter(range(0))
        self._producer_ids_lock = trio.Lock()

    @property
    def config(self) -> BrokerConfig:
        """The broker's configuration with its dynamic changes laid over it."""
        return broker_config(self.image, self.static_config)

    async def start(
        self,
        endpoints: tuple[Endpoint, ...] = (),
        log_dirs: tuple[bytes, ...] = (),
        incarnation_id: bytes | None = None,
    ) -> int:
        """Replay the journal, or begin it, and register this broker; return its broker epoch.

        `on_image` is called once, with the image as it is then. Raises OSError, ProtocolError, JournalUnavailable.
        """
        before = self.image
        image = await trio.to_thread.run_sync(self._replay_journal)
        if image.offset < 0:
            image = await self._write(image, bootstrap())
        registration = register_broker(
            image,
            self.static_config.node_id,
            incarnation_id or self._random.randbytes(16),
            endpoints,
            self.static_config.broker_rack,
            log_dirs,
        )
        self.image = await self._write(image, registration.records)
        self._on_image(before, self.image)
        return registration.response

    def close(self) -> None:
        self._journal.close()

    # Decisions, one method each. All raise JournalUnavailable.

    async def create_topics(self, request: CreateTopicsRequest) -> CreateTopicsResponse:
        return await self._decide(lambda image: create_topics(image, request, self.static_config, self._random))

    async def delete_topics(self, request: DeleteTopicsRequest, version: int) -> DeleteTopicsResponse:
        return await self._decide(lambda image: delete_topics(image, request, self.static_config, version))

    async def create_partitions(self, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
        return await self._decide(lambda image: create_partitions(image, request, self._random))

    async def alter_configs(self, request: AlterConfigsRequest) -> AlterConfigsResponse:
        return await self._decide(lambda image: alter_configs(image, request, self.static_config))

    async def incremental_alter_configs(
        self, request: IncrementalAlterConfigsRequest
    ) -> IncrementalAlterConfigsResponse:
        return await self._decide(lambda image: incremental_alter_configs(image, request, self.static_config))

    async def elect_leaders(self, request: ElectLeadersRequest) -> ElectLeadersResponse:
        return await self._decide(lambda image: elect_leaders(image, request))

    async def next_producer_id(self) -> int:
        """An id that nobody has had before."""
        producer_id = next(self._producer_ids, None)
        if producer_id is None:
            async with self._producer_ids_lock:
                producer_id = next(self._producer_ids, None)
                if producer_id is None:
                    block = await self._decide(lambda image: allocate_producer_ids(image, self.static_config.node_id))
                    self._producer_ids = iter(block)
                    producer_id = next(self._producer_ids)
        return producer_id

    async def create_missing_topics(self, names: list[str]) -> dict[str, ErrorCode]:
        """Make topics as automatic creation does; for each name NONE where the topic is there afterwards."""
        wanted = [
            topic_to_create(self.image, self.static_config, name) for name in names if name not in self.image.topics
        ]
        return dict.fromkeys(names, ErrorCode.NONE) | await self._create_missing(wanted)

    async def create_topic_if_missing(
        self,
        name: str,
        partitions: int = DEFAULT,
        configs: dict[str, str] | None = None,
        replication_factor: int = DEFAULT,
    ) -> ErrorCode:
        """NONE where the topic is there afterwards. A coordinator's own topic needs its name only."""
        if name in self.image.topics:
            return ErrorCode.NONE
        wanted = topic_to_create(self.image, self.static_config, name, partitions, replication_factor, configs)
        return (await self._create_missing([wanted]))[name]

    async def _create_missing(self, wanted: list[CreatableTopic]) -> dict[str, ErrorCode]:
        if not wanted:
            return {}
        response = await self.create_topics(CreateTopicsRequest(topics=wanted))
        codes = {topic.name: ErrorCode.from_code(topic.error_code) for topic in response.topics}
        return {
            name: ErrorCode.NONE if code is ErrorCode.TOPIC_ALREADY_EXISTS else code for name, code in codes.items()
        }

    async def _decide(self, decision: Callable[[MetadataImage], Result[R]]) -> R:
        async with self._lock:
            result = decision(self.image)
            if result.records:
                old, self.image = self.image, await self._write(self.image, result.records)
                self._on_image(old, self.image)
            return result.response

    async def _write(self, image: MetadataImage, records: list[Struct]) -> MetadataImage:
        """The image with these records, once they are durable."""
        now_ms = self._clock.now_ms()
        try:
            last_offset = await trio.to_thread.run_sync(self._journal.append, records, now_ms)
        except (OSError, LogFailed) as error:
            logger.error("cannot write %d metadata records: %s", len(records), error)
            raise JournalUnavailable(str(error)) from error
        return replay(image, records, last_offset)

    def _replay_journal(self) -> MetadataImage:
        image = self.image
        for entry in self._journal.replay():
            image = replay(image, entry.records, entry.last_offset)
        return image
