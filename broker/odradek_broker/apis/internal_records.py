"""What may be written into an internal topic from outside: nothing but what its coordinator can read back.

Kafka's door for it is a client id (`__admin_client`), which anybody can take. What passes it is replayed into a
coordinator some day, on every broker that comes to lead the partition; so it is held to the format that the coordinator
itself writes, and to a size that a broker can look through between two other requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import Buffer, ProtocolError
from odradek.protocol.records.batch import BatchHeader, crc_is_valid, read_whole_header
from odradek.protocol.records.record import Record, decode_batch
from odradek_broker.controller.image import GROUP_TOPIC, SHARE_TOPIC, TRANSACTION_TOPIC
from odradek_broker.groups import records as groups
from odradek_broker.log.validation import Refused
from odradek_broker.sharing import records as sharing
from odradek_broker.transactions import records as transactions

MAX_RECORDS = 1_000
MAX_PAYLOAD_BYTES = 1024 * 1024
"""Of one batch, uncompressed."""


def why_refused(topic: str, records: memoryview) -> Refused | None:
    """Why a batch must not be appended to an internal topic; None where the topic's log is to judge the rest."""
    try:
        header = read_whole_header(records)
    except ProtocolError:
        return None
    if not crc_is_valid(records, 0, header):
        return None
    if header.record_count > MAX_RECORDS:
        return Refused(ErrorCode.INVALID_RECORD, f"more than {MAX_RECORDS} records at once for {topic}")
    return _fault_of_records(topic, records, header)


def _fault_of_records(topic: str, records: memoryview, header: BatchHeader) -> Refused | None:
    try:
        found = decode_batch(records, 0, MAX_PAYLOAD_BYTES)
    except ProtocolError as error:
        return Refused(ErrorCode.INVALID_RECORD, str(error))
    for index, record in enumerate(found):
        fault = fault_of(topic, record)
        if fault is not None:
            why = f"{topic} takes only what its coordinator can read: {fault}"
            return Refused(ErrorCode.INVALID_RECORD, why, [(index, why)])
    return None


def fault_of(topic: str, record: Record) -> str | None:
    """Why a coordinator cannot read a record of its topic."""
    try:
        known = _READERS.get(topic, _unreadable)(record.key or b"", record.value)
    except ProtocolError as error:
        return str(error)
    return "a record of an unknown kind" if known is None else None


def _unreadable(_key: Buffer, _value: Buffer | None) -> None:
    return None


_READERS: dict[str, Callable[[Buffer, Buffer | None], Any]] = {
    GROUP_TOPIC: groups.read_record,
    TRANSACTION_TOPIC: transactions.read_record,
    SHARE_TOPIC: sharing.read_record,
}
