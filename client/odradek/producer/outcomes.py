"""What an answer means for a batch: done, once more, or given up. Decided here and nowhere else.

no error, DUPLICATE_SEQUENCE_NUMBER    done (a duplicate was written by an earlier attempt; its offset is not told)
the sequence or the producer is not known there (idempotent)
    the partition's first batch        once more, under the next epoch: it was surely not written
    any other                          once more, after those before it are settled
    within a transaction               the first is given up: the transaction has to be aborted
a retriable error, no answer           once more, while delivery_timeout_ms lasts
anything else                          given up

The sequence numbers of a batch that was refused are used again only where it is surely not in the log: it was sent
once, and the error is one of those that brokers find before they write. A batch with the numbers of one that was
written would be taken for a copy of it, and lost.
"""

from __future__ import annotations

from odradek.errors import BrokerError, DeliveryTimedOut, OdradekError, RecordTooLarge, broker_error
from odradek.producer.queue import Batch
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.produce import PartitionProduceResponse

SEQUENCE_ERRORS = frozenset(
    {
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.UNKNOWN_PRODUCER_ID,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    }
)

NOTHING_WRITTEN = frozenset(
    {
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.INVALID_RECORD,
        ErrorCode.INVALID_TIMESTAMP,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.INVALID_REQUIRED_ACKS,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.POLICY_VIOLATION,
        ErrorCode.UNSUPPORTED_VERSION,
        ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""Found before anything is written."""


class Outcomes:
    """Applies answers to batches and their queues. Returns whether the batch is done."""

    def __init__(self, delivery_timeout_s: float, *, idempotent: bool, transactional: bool) -> None:
        self._delivery_timeout_s = delivery_timeout_s
        self._idempotent = idempotent
        self._transactional = transactional

    def answered(self, batch: Batch, answer: PartitionProduceResponse, now_s: float, backoff_s: float) -> bool:
        """A broker has answered."""
        if answer.error_code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
            batch.queue.settle(batch)
            batch.queue.sequences.acknowledged(batch)
            duplicate = answer.error_code != ErrorCode.NONE
            batch.complete(-1 if duplicate else answer.base_offset, answer.log_append_time_ms)
            return True
        error = broker_error(answer.error_code, _detail(batch, answer))
        if self._idempotent and error.code in SEQUENCE_ERRORS:
            if batch.queue.is_first(batch):
                if self._transactional:
                    return self.refused(batch, error)
                batch.queue.renew_epoch()
            return self._once_more(batch, error, now_s, 0.0 if batch.attempts == 1 else backoff_s)
        if error.retriable:
            return self._once_more(batch, error, now_s, backoff_s)
        return self.refused(batch, error)

    def unanswered(self, batch: Batch, error: OdradekError, now_s: float, backoff_s: float) -> bool:
        """The request, or its answer, was lost: whether it was written is not known."""
        if not error.retriable:
            return self.refused(batch, error)
        return self._once_more(batch, error, now_s, backoff_s)

    def refused(self, batch: Batch, error: OdradekError) -> bool:
        """Sending it again would not help."""
        batch.queue.settle(batch)
        if batch.attempts == 1 and isinstance(error, BrokerError) and error.code in NOTHING_WRITTEN:
            batch.queue.sequences.take_back(batch)
        batch.fail(error)
        return True

    def _once_more(self, batch: Batch, error: OdradekError, now_s: float, backoff_s: float) -> bool:
        batch.last_error = error
        if now_s + backoff_s >= batch.created_at + self._delivery_timeout_s:
            batch.queue.settle(batch)
            batch.fail(timed_out(batch))
            return True
        batch.queue.retry(batch, now_s + backoff_s)
        return False


def timed_out(batch: Batch) -> DeliveryTimedOut:
    """The error of a batch that nobody acknowledged in time."""
    queue = batch.queue
    what = f"{batch.count} records for {queue.topic}-{queue.partition}"
    if batch.last_error is None:
        why = "the partition has no leader" if queue.leader < 0 else f"broker {queue.leader} could not be reached"
    else:
        why = str(batch.last_error)
    error = DeliveryTimedOut(f"{what} were not acknowledged within delivery_timeout_ms: {why}")
    error.__cause__ = batch.last_error
    return error


def too_large(size_bytes: int, limit_bytes: int) -> BrokerError:
    """The error of a record that would never fit into a request."""
    detail = f"a record of {size_bytes} bytes; max_request_size is {limit_bytes}"
    return RecordTooLarge(ErrorCode.MESSAGE_TOO_LARGE, detail)


def _detail(batch: Batch, answer: PartitionProduceResponse) -> str:
    parts = [f"{batch.count} records for {batch.queue.topic}-{batch.queue.partition}"]
    if answer.error_message:
        parts.append(answer.error_message)
    parts += [f"record {e.batch_index}: {e.batch_index_error_message}" for e in list(answer.record_errors)[:3]]
    return "; ".join(parts)
