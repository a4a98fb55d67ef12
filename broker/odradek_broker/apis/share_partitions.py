"""What ShareFetch and ShareAcknowledge have in common: reading acknowledgements, letting them count, naming leaders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from odradek.protocol.errors import ErrorCode
from odradek_broker.apis.addresses import address_of
from odradek_broker.partitions.commits import Commit
from odradek_broker.sharing.records import StateKey
from odradek_broker.sharing.share_partition import Acknowledgement, AcknowledgeType

if TYPE_CHECKING:
    from odradek_broker.apis import RequestContext
    from odradek_broker.sharing.sessions import PartitionKey, SessionKey

MAX_TYPE, MAX_TYPE_WITHOUT_RENEWAL = AcknowledgeType.RENEW, AcknowledgeType.REJECT

LEADER_HAS_MOVED = {ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH}

Outcome: TypeAlias = "Commit | ErrorCode"
"""Of one partition's acknowledgements."""


class AcknowledgementBatch(Protocol):
    """As both requests have it."""

    @property
    def first_offset(self) -> int: ...

    @property
    def last_offset(self) -> int: ...

    @property
    def acknowledge_types(self) -> Sequence[int]: ...


class Leader(NamedTuple):
    """Whom to ask about a partition instead."""

    broker_id: int
    leader_epoch: int


NO_LEADER = Leader(-1, -1)


def acknowledge(
    session: SessionKey,
    key: PartitionKey,
    batches: Sequence[AcknowledgementBatch],
    context: RequestContext,
    *,
    may_renew: bool,
) -> Outcome:
    """Let what a member says of one partition's records count."""
    said = read_acknowledgements(batches, may_renew=may_renew)
    if said is None:
        return ErrorCode.INVALID_REQUEST
    leader = context.broker.sharing.known_leader(StateKey(session.group_id, *key))
    return leader if isinstance(leader, ErrorCode) else leader.acknowledge(session.member_id, said)


def read_acknowledgements(batches: Iterable[AcknowledgementBatch], *, may_renew: bool) -> list[Acknowledgement] | None:
    """What batches say, in runs of offsets; None where they are none: out of order, or with types that do not fit.

    Where two meet in one offset, as Kafka has it, that is for who knows its state.
    """
    said: list[Acknowledgement] = []
    highest = MAX_TYPE if may_renew else MAX_TYPE_WITHOUT_RENEWAL
    last_offset = -1
    for batch in batches:
        count, types = batch.last_offset - batch.first_offset + 1, batch.acknowledge_types
        if batch.first_offset < last_offset or count < 1 or len(types) not in (1, count):
            return None
        if min(types) < 0 or max(types) > highest:
            return None
        if len(types) == 1:
            said.append(Acknowledgement(batch.first_offset, batch.last_offset, AcknowledgeType(types[0])))
        else:
            said += _runs(batch.first_offset, types)
        last_offset = batch.last_offset
    return said


def _runs(offset: int, types: Sequence[int]) -> Iterable[Acknowledgement]:
    for kind, run in groupby(types):
        count = sum(1 for _ in run)
        yield Acknowledgement(offset, offset + count - 1, AcknowledgeType(kind))
        offset += count


async def outcome_of(outcome: Outcome) -> ErrorCode:
    """Once it is stored, or will not be."""
    return await outcome.wait() if isinstance(outcome, Commit) else outcome


def leader_instead(error: ErrorCode, key: PartitionKey, context: RequestContext) -> Leader:
    """Of a partition that this broker does not lead."""
    image = context.broker.image
    name = image.topic_names.get(key[0])
    partition = None if name is None or error not in LEADER_HAS_MOVED else image.partition(name, key[1])
    return NO_LEADER if partition is None else Leader(partition.leader, partition.leader_epoch)


def endpoints(leaders: Iterable[Leader], context: RequestContext) -> list[tuple[int, str, int, str | None]]:
    """Id, host, port and rack of each."""
    found = []
    for broker_id in sorted({each.broker_id for each in leaders if each.broker_id >= 0}):
        address, broker = address_of(broker_id, context), context.broker.image.brokers.get(broker_id)
        if address is not None:
            found.append((broker_id, *address, None if broker is None else broker.rack))
    return found
