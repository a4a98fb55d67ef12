"""What a leader makes of a batch that carries a producer id: append it, answer a retry, or refuse it.

The producer state decides. It may know less than the log: after a restart it comes from a snapshot, which tells of each
producer's last batch only, while retries in flight may be of the four before it. These are looked up in the log, once
for each producer, when such a retry comes.
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.records.batch import BatchHeader
from odradek_broker.log import damage
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.producer_state import BATCHES_KEPT, Producer, ProducerBatch, ProducerStates
from odradek_broker.log.replay import marker_in, producer_batch
from odradek_broker.log.segment import Segment
from odradek_broker.log.segments import Segments
from odradek_broker.log.validation import Origin, Refused

LOOK_BACK_BYTES = 8 * 1024 * 1024
"""How far before the last known batch retries in flight are looked for."""


def settle(
    producers: ProducerStates,
    segments: Segments,
    records: memoryview,
    position: int,
    header: BatchHeader,
    origin: Origin,
) -> ProducerBatch | Refused | None:
    """None to append the batch, the original where it is a retry of one in the log, or why it is refused.

    A coordinator that writes in a producer's name (offsets committed in a transaction) does not number its batches.
    """
    if header.is_control:
        return _settle_marker(producers, records, position, header)
    if origin is Origin.COORDINATOR:
        error = producers.check_epoch(header)
        return None if error is None else Refused(error, error.sentence)
    verdict = producers.check(header)
    out_of_order = verdict is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if out_of_order and _complete(producers.producers[header.producer_id], segments):
        verdict = producers.check(header)
    if isinstance(verdict, ErrorCode):
        return Refused(verdict, f"{verdict.sentence} Sequence {header.base_sequence}, epoch {header.producer_epoch}.")
    return verdict


def _settle_marker(
    producers: ProducerStates, records: memoryview, position: int, header: BatchHeader
) -> Refused | None:
    marker = marker_in(records[position : position + header.size_bytes])
    if marker is None:
        return None
    error = producers.check_marker(header.producer_id, header.producer_epoch, marker.coordinator_epoch)
    return None if error is None else Refused(error, error.sentence)


def _complete(producer: Producer, segments: Segments) -> bool:
    """Find the older batches of a producer that is known from a snapshot only; whether any were found."""
    if not producer.is_partial or not producer.batches:
        return False
    producer.is_partial = False
    first_known = producer.batches[0].base_offset
    found: list[ProducerBatch] = []
    segment: Segment | None = segments.at(first_known)
    left = LOOK_BACK_BYTES
    try:
        while segment is not None and left > 0 and len(found) < BATCHES_KEPT:
            known = segment.find(first_known)
            end = known[0] if known else segment.size_bytes
            found[:0] = _batches_of(producer, segment, end - left, end)
            left -= end
            segment = segments.before(segment)
    except DamagedLog as error:
        damage.say(
            error.filename, error, f"retries of what producer {producer.producer_id} sent before are not recognized"
        )
    producer.batches[:0] = found[-BATCHES_KEPT:]
    del producer.batches[:-BATCHES_KEPT]
    return bool(found)


def _batches_of(producer: Producer, segment: Segment, start: int, end: int) -> list[ProducerBatch]:
    """A producer's data batches of its present epoch between two positions, the first of them a rough one."""
    found = []
    for position, header in segment.batches(segment.offset_index.boundary_before(max(start, 0))):
        if position >= end:
            break
        is_its = header.producer_id == producer.producer_id and header.producer_epoch == producer.epoch
        if is_its and not header.is_control:
            found.append(producer_batch(header, header.base_offset))
    return found
