"""Rules about records and transactions."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from odradek.protocol.acl import Operation, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from odradek.protocol.messages.produce import ProduceRequest
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import HEADER_BYTES
from odradek_broker.apis.permissions.asking import Asking, NotPermitted
from odradek_broker.apis.permissions.entries import PRODUCE
from odradek_broker.apis.permissions.rules import Rule, Ruling, each
from odradek_broker.log.validation import ATTRIBUTES_LOW_BYTE

TRANSACTIONAL = 0x10
BATCHED_SINCE = 4
"""The version of AddPartitionsToTxn from which on brokers ask, and nobody else."""

_write = each(PRODUCE, Operation.WRITE)


def produce(request: ProduceRequest, version: int, asking: Asking) -> Ruling:
    """Of a transaction only with the right to its id: the handler refuses one without any id.

    Who wants no answer loses the connection, as for every error.
    """
    if request.transactional_id is not None and any(
        _is_transactional(data.records) for topic in request.topic_data for data in topic.partition_data
    ):
        try:
            _transaction(request.transactional_id, asking)
        except NotPermitted as refusal:
            if request.acks:
                raise
            raise _unanswered(refusal.error) from None
    ruling = _write(request, version, asking)
    if ruling.finish is None or request.acks:
        return ruling

    def end(response: None) -> None:
        raise _unanswered(ErrorCode.TOPIC_AUTHORIZATION_FAILED)

    return Ruling(ruling.request, end)


def may_write_as_before(request: ProduceRequest, asking: Asking) -> bool:
    """Most requests are like the one before: then there is nothing to be asked."""
    if request.transactional_id is not None:
        return False
    for topic in request.topic_data:
        name = topic.name or asking.topic_name(topic.topic_id)
        if not asking.remembers(Operation.WRITE, ResourceType.TOPIC, name):
            return False
    return True


def _unanswered(error: ErrorCode) -> ProtocolError:
    return ProtocolError(f"{error.name} in a Produce request that takes no answer")


def _is_transactional(records: Any) -> bool:
    return records is not None and len(records) >= HEADER_BYTES and bool(records[ATTRIBUTES_LOW_BYTE] & TRANSACTIONAL)


def _transaction(transactional_id: str | None, asking: Asking) -> None:
    """Raises NotPermitted."""
    if transactional_id is None or not asking.may(Operation.WRITE, ResourceType.TRANSACTIONAL_ID, transactional_id):
        raise NotPermitted(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)


def init_producer_id(request: Any, version: int, asking: Asking) -> Ruling:
    """Without a transaction: whoever may write anywhere may have an id (KIP-679)."""
    if request.transactional_id is not None:
        _transaction(request.transactional_id, asking)
    elif not asking.may_cluster(Operation.IDEMPOTENT_WRITE, quietly=True) and not asking.may_any(
        Operation.WRITE, ResourceType.TOPIC
    ):
        raise NotPermitted(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    return Ruling(request)


def add_partitions(by_brokers: Rule) -> Rule:
    """A client needs the right to the transactional id. The handler asks for its topics: all are added, or none."""

    def rule(request: AddPartitionsToTxnRequest, version: int, asking: Asking) -> Ruling:
        if version >= BATCHED_SINCE:
            return by_brokers(request, version, asking)
        _transaction(request.v3_and_below_transactional_id, asking)
        return Ruling(request)

    return rule


def refuse_partitions(request: AddPartitionsToTxnRequest, version: int, error: ErrorCode) -> AddPartitionsToTxnResponse:
    if version >= BATCHED_SINCE:
        return AddPartitionsToTxnResponse(error_code=error)
    refused = [
        AddPartitionsToTxnTopicResult(
            topic.name, [AddPartitionsToTxnPartitionResult(index, error) for index in topic.partitions]
        )
        for topic in request.v3_and_below_topics
    ]
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=refused)


def topics_of_transactions(request: Any, version: int, asking: Asking) -> Ruling:
    """Of each transaction's topics only those are told that may be known of."""

    def keep(response: Any) -> Any:
        states = [
            structs.replace(state, topics=[each for each in state.topics if asking.may_know(each.topic)])
            for state in response.transaction_states
        ]
        return structs.replace(response, transaction_states=states)

    return Ruling(request, keep)
