"""The share session with one broker: requests in their order, and what their answers mean for it. No I/O.

A session begins with epoch 0, and each request of it counts one up; a broker that has lost it, or with which the
connection is lost, has given back what we had from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from odradek.protocol.messages import share_acknowledge, share_fetch
from odradek.protocol.messages.share_acknowledge import ShareAcknowledgeRequest
from odradek.protocol.messages.share_fetch import ShareFetchRequest
from odradek.share.config import ShareConsumerConfig
from odradek.share.verdicts import PartitionId, Run, Verdict

NEW, LAST, MAX_EPOCH = 0, -1, 0x7FFF_FFFF
STRICTLY = 1
"""The share_acquire_mode in which no more records come than were asked for (KIP-1206)."""


class ShareSession:
    """One member's."""

    def __init__(self, group: str, member_id: str, config: ShareConsumerConfig) -> None:
        self._group = group
        self._member_id = member_id
        self._config = config
        self._epoch = NEW
        self._known: set[PartitionId] = set()
        """Partitions that the broker knows we want."""

    @property
    def is_open(self) -> bool:
        return self._epoch != NEW

    def begin_anew(self) -> None:
        """The broker has no session of ours."""
        self._epoch, self._known = NEW, set()

    def fetch(
        self, wanted: Collection[PartitionId], verdicts: Mapping[PartitionId, Sequence[Run]]
    ) -> ShareFetchRequest:
        """Ask for records of these partitions, and say what became of others. In a new session nothing can be said."""
        named: defaultdict[bytes, list[share_fetch.FetchPartition]] = defaultdict(list)
        forgotten: defaultdict[bytes, list[int]] = defaultdict(list)
        for topic_id, index in sorted({*(set(wanted) - self._known), *verdicts}):
            runs = verdicts.get((topic_id, index), ())
            batches = [share_fetch.AcknowledgementBatch(first, last, [kind]) for first, last, kind in runs]
            named[topic_id].append(share_fetch.FetchPartition(index, batches))
        for topic_id, index in sorted({*self._known, *verdicts} - set(wanted)):
            forgotten[topic_id].append(index)
        config = self._config
        request = ShareFetchRequest(
            *(self._group, self._member_id, self._epoch),
            max_wait_ms=config.fetch_max_wait_ms,
            min_bytes=config.fetch_min_bytes,
            max_bytes=config.fetch_max_bytes,
            max_records=config.max_poll_records,
            batch_size=config.max_poll_records,
            share_acquire_mode=STRICTLY,
            topics=[share_fetch.FetchTopic(*each) for each in named.items()],
            forgotten_topics_data=[share_fetch.ForgottenTopic(*each) for each in forgotten.items()],
        )
        self._known = set(wanted)
        self._count()
        return request

    def acknowledge(
        self, verdicts: Mapping[PartitionId, Sequence[Run]], *, is_last: bool = False
    ) -> ShareAcknowledgeRequest:
        """Say what became of records; with `is_last`, that the others are for somebody else."""
        named: defaultdict[bytes, list[share_acknowledge.AcknowledgePartition]] = defaultdict(list)
        for (topic_id, index), runs in verdicts.items():
            batches = [share_acknowledge.AcknowledgementBatch(first, last, [kind]) for first, last, kind in runs]
            named[topic_id].append(share_acknowledge.AcknowledgePartition(index, batches))
        request = ShareAcknowledgeRequest(
            *(self._group, self._member_id, LAST if is_last else self._epoch),
            is_renew_ack=any(run.verdict is Verdict.RENEW for runs in verdicts.values() for run in runs),
            topics=[share_acknowledge.AcknowledgeTopic(*each) for each in named.items()],
        )
        self._count()
        return request

    def _count(self) -> None:
        self._epoch = 1 if self._epoch == MAX_EPOCH else self._epoch + 1
