"""How a broker asks the active controller, be it in this process or in another one.

`ask` takes a request of Kafka's and gives its response once the decision is durable and this broker's own image shows
it: who has created a topic finds it here. Everything else is said in terms of `ask`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import trio
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.internal_topics import DEFAULT, topic_to_create

CREATE_TOPICS_VERSION = 7

R = TypeVar("R", bound=Struct)


class ControllerUnavailable(Exception):
    """Nothing has been decided, as far as this broker knows."""

    error_code = ErrorCode.REQUEST_TIMED_OUT


class JournalUnavailable(ControllerUnavailable):
    """The decision could not be written down, so it has not been made."""

    error_code = ErrorCode.KAFKA_STORAGE_ERROR


class JournalOver(JournalUnavailable):
    """Nobody knows whether the decision was written down, until the journal is read anew."""

    error_code = ErrorCode.REQUEST_TIMED_OUT


class CameLate(ControllerUnavailable):
    """Whoever has asked may have given up, and somebody may have asked for something else since: nothing is decided."""

    error_code = ErrorCode.OPERATION_NOT_ATTEMPTED


class ControllerClient(ABC):
    """Made for one broker."""

    def __init__(self, config: BrokerConfig) -> None:
        self.static_config = config
        """The configuration of this broker at its start."""
        self.broker_epoch = -1
        self._producer_ids = iter(range(0))
        self._producer_ids_lock = trio.Lock()

    @property
    @abstractmethod
    def image(self) -> MetadataImage:
        """The metadata as this broker knows it."""

    @property
    @abstractmethod
    def metadata_epoch(self) -> int:
        """The epoch of the image's last record (controller/history.py)."""

    @property
    def has_lease(self) -> bool:
        """Whether no other broker can have been made leader of what this one leads, as far as it knows."""
        return True

    @abstractmethod
    async def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        """The controller's response. Raises ControllerUnavailable."""

    @abstractmethod
    async def leave(self) -> None:
        """Give leadership to others, as far as there are any, before this broker stops."""

    @abstractmethod
    def lead_no_more(self) -> None:
        """The lease is over for good: this broker stops."""

    @abstractmethod
    def close(self) -> None:
        """In a worker thread: let go of what is on a disk. Raises OSError, LogFailed."""

    # What is said in terms of it. All raise ControllerUnavailable.

    async def next_producer_id(self) -> int:
        """An id that nobody has had before."""
        producer_id = next(self._producer_ids, None)
        if producer_id is None:
            async with self._producer_ids_lock:
                producer_id = next(self._producer_ids, None)
                if producer_id is None:
                    producer_id = await self._take_producer_ids()
        return producer_id

    async def _take_producer_ids(self) -> int:
        request = AllocateProducerIdsRequest(broker_id=self.static_config.node_id, broker_epoch=self.broker_epoch)
        block = await self.ask(request, AllocateProducerIdsResponse, 0)
        if block.error_code:
            raise ControllerUnavailable(ErrorCode.from_code(block.error_code).sentence)
        self._producer_ids = iter(range(block.producer_id_start, block.producer_id_start + block.producer_id_len))
        return next(self._producer_ids)

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
        response = await self.ask(CreateTopicsRequest(topics=wanted), CreateTopicsResponse, CREATE_TOPICS_VERSION)
        codes = {topic.name: ErrorCode.from_code(topic.error_code) for topic in response.topics}
        return {
            name: ErrorCode.NONE if code is ErrorCode.TOPIC_ALREADY_EXISTS else code for name, code in codes.items()
        }
