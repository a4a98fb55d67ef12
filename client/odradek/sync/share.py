"""Share groups without async."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar, Unpack, overload

from odradek import share
from odradek.protocol.topic_partition import TopicPartition
from odradek.record import Record
from odradek.share.config import ShareConsumerOptions
from odradek.share.consumer import Acknowledge, Names
from odradek.share.verdicts import Verdict
from odradek.sync.faces import Face, asks, waits
from odradek.sync.thread import THREAD
from odradek.topic import Topic

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """A record in our hands, as `odradek.Shared`: `with shared as record:` accepts it, or else releases it."""

    def __init__(self, inner: share.Shared[K, V]) -> None:
        self._inner = inner

    @property
    def record(self) -> Record[K, V]:
        return self._inner.record

    @property
    def delivery_count(self) -> int:
        """1 where nobody has had it before."""
        return self._inner.delivery_count

    @property
    def verdict(self) -> Verdict | None:
        """What has been said; None as long as nothing has."""
        return self._inner.verdict

    def accept(self) -> None:
        """It is dealt with."""
        THREAD.run_sync(self._inner.accept)

    def release(self) -> None:
        """Somebody may have it again."""
        THREAD.run_sync(self._inner.release)

    def reject(self) -> None:
        """Nobody can deal with it."""
        THREAD.run_sync(self._inner.reject)

    def renew(self) -> None:
        """Let it be ours for as long again. Raises what `odradek.Shared.renew` raises."""
        THREAD.run(self._inner.renew)

    def __enter__(self) -> Record[K, V]:
        return self._inner.record

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        THREAD.run(self._inner.__aexit__, kind, error, traceback)


class ShareConsumer(Face, Generic[K, V]):
    """Deals with records together with others. Use as `with ShareConsumer("localhost:9092", "orders", group="g") as
    consumer:`; otherwise as `odradek.ShareConsumer`."""

    inner: share.ShareConsumer[K, V]

    @overload
    def __init__(
        self: ShareConsumer[bytes | None, bytes | None],
        bootstrap: str | Sequence[str],
        topics: Names,
        *,
        group: str,
        acknowledge: Acknowledge = "implicit",
        **options: Unpack[ShareConsumerOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ShareConsumer[K, V],
        bootstrap: str | Sequence[str],
        topics: Topic[K, V] | Sequence[Topic[K, V]],
        *,
        group: str,
        acknowledge: Acknowledge = "implicit",
        **options: Unpack[ShareConsumerOptions],
    ) -> None: ...

    def __init__(self, bootstrap: Any, topics: Any, **options: Any) -> None:
        super().__init__(share.ShareConsumer(bootstrap, topics, **options))

    def __iter__(self) -> Iterator[Shared[K, V]]:
        return self

    def __next__(self) -> Shared[K, V]:
        """The next record. Waits for as long as it takes."""
        return Shared(THREAD.run(self.inner.__anext__))

    def poll(self, max_records: int | None = None, timeout_s: float | None = None) -> list[Shared[K, V]]:
        """What is there now, as `odradek.ShareConsumer.poll`."""
        return [Shared(each) for each in THREAD.run(self.inner.poll, max_records, timeout_s)]

    @property
    def assignment(self) -> list[TopicPartition]:
        """The partitions that we fetch; others may fetch them too."""
        return THREAD.run_sync(lambda: self.inner.assignment)

    commit = waits(share.ShareConsumer.commit)
    health = asks(share.ShareConsumer.health)
