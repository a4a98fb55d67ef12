"""Records on their way to becoming requests: queues by partition, grouped by the broker that leads them.

Plain decisions: where a record goes, what may be sent to a broker now, when to look again, what has waited too long,
how many bytes are held. `notify(leader)` is called when there may be something new to send to that broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from odradek.cluster.metadata import ClusterImage
from odradek.producer.config import ProducerConfig
from odradek.producer.partitioner import TopicQueues
from odradek.producer.queue import Batch, PartitionQueue

Headers = Sequence[tuple[str, bytes | None]]

RECORD_OVERHEAD_BYTES = 16
"""About what a record costs beyond its key and value."""


class Accumulator:
    """Times are seconds of a monotonic clock."""

    def __init__(self, config: ProducerConfig, now: Callable[[], float], notify: Callable[[int], None]) -> None:
        self.used_bytes = 0
        self.topics: dict[str, TopicQueues] = {}
        self.flushing_count = 0
        """While not zero, nothing lingers."""
        self._config = config
        self._linger_s = config.linger_ms / 1000
        self._now = now
        self._notify = notify
        self._waiting: dict[int, dict[PartitionQueue, None]] = {}
        """By leader, the queues that have something to send, in the order in which they get their turn."""

    @property
    def queues(self) -> Iterator[PartitionQueue]:
        for topic in self.topics.values():
            yield from topic.queues

    def open_topic(self, name: str, image: ClusterImage) -> TopicQueues:
        """The queues of a topic that the image knows."""
        if name not in self.topics:
            queues = [self._new_queue(name, p.index, p.leader) for p in image.topics[name].partitions]
            start = int(self._config.surroundings.random.random() * len(queues))
            self.topics[name] = TopicQueues(name, queues, self._config.partitioner, start)
        return self.topics[name]

    def _new_queue(self, topic: str, partition: int, leader: int) -> PartitionQueue:
        config = self._config
        limit = config.max_in_flight if not config.is_idempotent else min(5, config.max_in_flight)
        queue = PartitionQueue(topic, partition, config.codec, config.compression_level, limit)
        queue.leader = leader
        queue.needs_admission = config.is_idempotent
        queue.on_wanted = self._list
        return queue

    def begin_batch(
        self, queue: PartitionQueue, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int
    ) -> Batch:
        """Close the queue's open batch, if there is one, and begin the next with this record.

        What follows goes straight into `batch.append`; whoever calls counts bytes in `size_bytes` and `used_bytes`.
        Raises TypeError for a key or value that is not bytes, and has begun nothing then.
        """
        queue.close_open()
        batch = queue.begin_batch(self._now())
        try:
            batch.append(key, value, headers, timestamp_ms)
        except BaseException:
            queue.open = None
            raise
        finally:
            self._list(queue)
        return batch

    def release(self, batch: Batch) -> None:
        """A batch is done: its bytes are free again."""
        self.used_bytes -= batch.size_bytes

    def drain(self, leader: int, now_s: float) -> list[Batch]:
        """The batches of the next request to that broker: one for each partition that may send, up to the limit."""
        waiting = self._waiting.get(leader)
        if not waiting:
            return []
        linger_s = 0.0 if self.flushing_count else self._linger_s
        batches: list[Batch] = []
        size_bytes = 0
        for queue in list(waiting):
            if queue.is_empty:
                del waiting[queue]
            elif not queue.is_blocked and queue.ready_at(linger_s) <= now_s:
                first = queue.closed[0] if queue.closed else queue.open
                assert first is not None
                if batches and size_bytes + first.size_bytes > self._config.max_request_size:
                    break
                batches.append(queue.drain())
                size_bytes += batches[-1].size_bytes
                del waiting[queue]
                if not queue.is_empty:
                    waiting[queue] = None  # behind the others, so that each gets its turn
        return batches

    def to_admit(self, leader: int) -> list[PartitionQueue]:
        """Queues that have something to send there, and may not yet."""
        return [queue for queue in self._waiting.get(leader, ()) if queue.needs_admission and not queue.is_empty]

    def next_look_at(self, leader: int) -> float:
        """When, by time alone, something more may be sent to that broker; infinity if never."""
        linger_s = 0.0 if self.flushing_count else self._linger_s
        ready = [queue.ready_at(linger_s) for queue in self._waiting.get(leader, ()) if not queue.is_blocked]
        return min(ready, default=float("inf"))

    def list_again(self, queue: PartitionQueue) -> None:
        """Batches of this queue have come back."""
        self._list(queue)

    def follow(self, image: ClusterImage) -> None:
        """Take in new metadata: leaders, and partitions that were added."""
        for name, topic in self.topics.items():
            known = image.topics.get(name)
            if known is None or not known.partitions:
                continue
            for partition in known.partitions[len(topic.queues) :]:
                topic.queues.append(self._new_queue(name, partition.index, partition.leader))
            for queue, partition in zip(topic.queues, known.partitions, strict=False):
                if queue.leader != partition.leader:
                    self._waiting.get(queue.leader, {}).pop(queue, None)
                    queue.leader = partition.leader
                    self.list_again(queue)

    def leaders_waited_for(self) -> list[int]:
        """Brokers that there is something to send to, among them NO_LEADER."""
        return [leader for leader, waiting in self._waiting.items() if waiting]

    def take_expired(self, now_s: float) -> list[Batch]:
        """Batches that have not been sent in time; they are in no queue any more."""
        timeout_s = self._config.delivery_timeout_ms / 1000
        return [batch for queue in self.queues for batch in queue.take_expired(now_s, timeout_s)]

    def next_expiry(self, now_s: float) -> float:
        """When to look again for expired batches."""
        oldest = min((queue.oldest_created_at() for queue in self.queues), default=now_s)
        return min(oldest, now_s) + self._config.delivery_timeout_ms / 1000

    def _list(self, queue: PartitionQueue) -> None:
        if queue.is_empty:
            return
        self._waiting.setdefault(queue.leader, {})[queue] = None
        self._notify(queue.leader)


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """About how many bytes a record takes in a batch."""
    size = RECORD_OVERHEAD_BYTES
    if value is not None:
        size += len(value)
    if key is not None:
        size += len(key)
    for name, content in headers:
        size += len(name) + (len(content) if content is not None else 0) + 2
    return size
