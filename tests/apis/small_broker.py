"""A broker as far as the handlers of metadata need one, and requests that pass through the codec as on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from msgspec import Struct

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest, Listener
from odradek_broker.apis import Caller, RequestContext
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.delta import delta
from odradek_broker.controller.history import History
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import Entry
from odradek_broker.controller.replay import replay
from odradek_broker.controller.tail import MetadataTail
from odradek_broker.log.config import LogConfig
from odradek_broker.loop.looks import Looks
from odradek_broker.metadata.active import ControllerRuntime
from odradek_broker.metadata.local import LocalController
from odradek_broker.metadata.reachability import Reachability
from odradek_broker.metadata.recent_deletions import RecentDeletions
from odradek_broker.partitions.commits import Commit, Commits
from odradek_broker.ports.network import Network
from odradek_broker.ports.workers import ThreadWorkers
from odradek_broker.security.authorizer import Authorizer


class MemoryJournal:
    """A journal that forgets with the process, and fails when it is told to."""

    wants_snapshot = False
    history = History([(1, 0)])
    torn: str | None = None

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.failure: OSError | None = None

    def replay(self) -> Iterator[Entry]:
        yield from self.entries

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        if self.failure is not None:
            raise self.failure
        before = self.entries[-1].last_offset if self.entries else -1
        self.entries.append(Entry(before + len(records), list(records)))
        return self.entries[-1].last_offset

    def begin_snapshot(self, image: MetadataImage) -> Callable[[], None]:
        raise AssertionError("nobody wants it")

    def end_snapshot(self) -> None:
        raise AssertionError("nobody wants it")

    def close(self) -> None:
        pass


class FixedClock:
    """It stands still until a test sets it on."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return self.passed_ms


class SmallLog:
    """What the handlers see of a log."""

    def __init__(self) -> None:
        self.config = LogConfig()
        self.log_start_offset = 0
        self.size_bytes = 77

    def advance_log_start(self, offset: int) -> None:
        self.log_start_offset = max(self.log_start_offset, offset)


class SmallPartition:
    """The only replica of it."""

    high_watermark = 10

    def __init__(self) -> None:
        self.log = SmallLog()
        self._deletions = Commits()

    def deletion_of(self, offset: int) -> Commit:
        return self._deletions.begin(offset - 1)

    def log_start_written(self, offset: int) -> None:
        self._deletions.reached(offset)


class SmallCheckpoints:
    """They write down at once what is asked for."""

    failure: OSError | None = None

    async def write(self, names: Sequence[str]) -> None:
        if self.failure is not None:
            raise self.failure

    def log_start_written(self, partition: SmallPartition) -> int:
        return partition.log.log_start_offset


class NoLogs:
    """None has to be opened."""

    async def wait_opened(self, topics: Collection[str]) -> None:
        pass


class SmallBroker:
    def __init__(
        self,
        config: BrokerConfig | None = None,
        journal: MemoryJournal | None = None,
        network: Network | None = None,
    ) -> None:
        self.config = config or BrokerConfig()
        self.node_id = self.config.node_id
        self.authorizer: Authorizer | None = None
        self.clock = FixedClock()
        self.journal = journal or MemoryJournal()
        self.images: list[tuple[MetadataImage, MetadataImage]] = []
        self.workers = ThreadWorkers(1)
        self.looks = Looks(self.workers)
        self.replica_logs = NoLogs()
        self.replicas = self
        self.runtime = ControllerRuntime(
            self.journal,
            self.config,
            self.clock,
            Random(0),
            "cluster",
            self._on_image,
            self.workers,
            network,
        )
        self.controller = LocalController(self.runtime)
        self.disk = SimpleNamespace(free_bytes=lambda path: 12345, total_bytes=lambda path: 23456)
        self.partitions: dict[tuple[str, int], Any] = {}
        self.reachability = Reachability(self.clock)
        self.recent_deletions = RecentDeletions(self.clock)
        self.is_stopping = False
        self.checkpoints = SmallCheckpoints()

    async def start(self) -> SmallBroker:
        await self.runtime.start()
        await self.controller.join(
            BrokerRegistrationRequest(
                broker_id=self.node_id,
                cluster_id=self.image.cluster_id,
                incarnation_id=bytes([len(self.journal.entries)]) * 16,
                listeners=[Listener("PLAINTEXT", "127.0.0.1", 9092)],
                rack=None,
                previous_broker_epoch=self.previous_epoch(),
            )
        )
        return self

    def _on_image(self, old: MetadataImage, new: MetadataImage) -> None:
        self.images.append((old, new))
        self.recent_deletions.take(delta(old, new).deleted)

    def take(self, records: Sequence[Struct]) -> None:
        """Let these be the next that were decided."""
        offset = self.journal.append(records, 0)
        self.runtime._decider.image = replay(self.image, records, offset)
        self.runtime._decider.tail = MetadataTail(offset + 1)

    def previous_epoch(self) -> int:
        known = self.image.brokers.get(self.node_id)
        return -1 if known is None else known.epoch

    @property
    def image(self) -> MetadataImage:
        return self.controller.image

    def partition(self, topic: str, index: int) -> Any:
        """One made up on the spot for each partition of the image."""
        if self.image.partition(topic, index) is None:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        made = SmallPartition()
        return self.partitions.setdefault((topic, index), made)

    async def ask(
        self,
        api: ModuleType,
        request: Struct,
        version: int | None = None,
        local: tuple[str, int] = ("10.0.0.1", 9092),
        listener: str = "PLAINTEXT",
    ) -> Any:
        """The handler's answer, with request and answer encoded and decoded in a version (the newest)."""
        version = api.VERSIONS.stop - 1 if version is None else version
        assert version in api.VERSIONS
        request = decode(type(request), encode(request, version), version)
        context = RequestContext(cast(Any, self), {}, version, "test", Caller(("10.0.0.9", 40000), local, listener))
        answer = api.handle(request, context)
        response = await answer if isinstance(answer, Awaitable) else answer
        assert response.API_KEY == request.API_KEY  # type: ignore[attr-defined]
        return decode(type(response), encode(response, version), version)

    async def create(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Make a topic; configuration keys with underscores for dots."""
        own = {key.replace("_", "."): value for key, value in configs.items()}
        code = await self.controller.create_topic_if_missing(name, partitions, own)
        assert code is ErrorCode.NONE, code
