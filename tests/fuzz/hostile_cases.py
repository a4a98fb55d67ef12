"""Cases for the fuzzer: frames that a stranger may send, each made of its number and of what it was told before.

A case begins with what makes sense: a request of an API in one of its versions, that names topics, groups and ids which
are there; a batch of records of any codec; a record as coordinators write them. Then some of its values are made
hostile, or bits of its bytes turned. Checksums are made right again: behind them lies the interesting code.
"""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from random import Random
from types import ModuleType
from typing import Any

from msgspec import Struct, structs

from odradek.protocol.codec import decode, encode
from odradek.protocol.headers import encode_request, read_request_header, read_response_header
from odradek.protocol.messages import consumer_group_records, group_metadata, share_group_records, transaction_log
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.protocol.primitives import ProtocolError, encode_varint
from odradek.protocol.records.batch import HEADER, HEADER_BYTES, BatchHeader, write_crc
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.codecs import Codec, compress
from odradek.protocol.records.record import Record
from odradek.protocol.registry import response_class
from odradek_broker.apis import Api
from tests.hostile.spoilt_messages import spoilt
from tests.protocol.messages.message_samples import samples
from tests.server.forged_batches import bomb_batch

TOPICS = ("orders", "compacted", "recompressed", "stamped", "limited")
INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state", "__share_group_state")
GROUPS = ("g", "h", "")
IDS = ("tx", "", None)
EDGES = (-(2**63), -(2**31), -2, -1, 0, 1, 2**31 - 1, 2**62, 2**63 - 1)
SOON_MS = (0, 1, 20)
TOLD = 20
TELLING = {
    "member_id": "member",
    "member_epoch": "epoch",
    "generation_id": "epoch",
    "generation_id_or_member_epoch": "epoch",
    "producer_id": "producer",
    "session_id": "session",
    "acquired_records": "acquired",
    "first_offset": "offset",
    "last_offset": "offset",
    "base_offset": "offset",
    "fetch_offset": "offset",
}
"""Names of fields that mean the same, in requests and answers."""
ADMIN = "__admin_client"
"""Whoever calls itself so may write into internal topics."""
RECORD_MODULES: tuple[ModuleType, ...] = (group_metadata, transaction_log, consumer_group_records, share_group_records)

Frame = bytes
"""Without its length."""


class Cases:
    """`topic_ids` are those of TOPICS, which the broker alone knows. One that does not learn makes the same of a number
    whatever came before."""

    def __init__(self, apis: Sequence[Api], topic_ids: Sequence[bytes], *, learns: bool) -> None:
        self._learns = learns
        self._apis = apis
        self._topic_ids = topic_ids
        self._told: defaultdict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=TOLD))
        """By the names of fields, what answers have said: members, epochs, ids, which nobody could guess."""
        self._record_kinds = [kind for module in RECORD_MODULES for kind in _kinds(module)]

    def frame(self, number: int) -> Frame | None:
        """None where what came of it cannot be put into a frame."""
        random = Random(number)
        make: Callable[[Random], Frame] = random.choices((self._request, self._batch, self._internal), (6, 3, 1))[0]
        try:
            frame = make(random)
        except (ProtocolError, ValueError, TypeError, OverflowError, AttributeError, struct.error):
            return None  # no version of the wire's format has a place for such a value
        return _turned(random, frame) if random.random() < 0.2 else frame

    def learn(self, frame: Frame, answer: Frame) -> None:
        """Let the next cases speak of what this one was told."""
        if not self._learns:
            return
        header, _ = read_request_header(memoryview(frame))
        kind = response_class(header.api_key)
        _, position = read_response_header(memoryview(answer), kind, header.api_version)
        self._note(decode(kind, answer, header.api_version, position))

    def _note(self, value: Any, name: str = "") -> None:
        if isinstance(value, Struct):
            for each in value.__struct_fields__:
                self._note(getattr(value, each), each)
        elif isinstance(value, list):
            for each in value:
                self._note(each, name)
        elif name in TELLING and value:
            self._told[TELLING[name]].append(value)

    # ------------------------------------------------------------------------------------------------------ requests

    def _request(self, random: Random) -> Frame:
        api = random.choice(self._apis)
        version = random.choice(api.versions)
        request = self._sensible(random, random.choice(samples(api.request, version)))
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            request = spoilt(random, request)
        return _framed(request, version, random.choice((ADMIN, "fuzz", None)))

    def _sensible(self, random: Random, value: Any, name: str = "") -> Any:
        """The same, where names, ids and times mean something."""
        if isinstance(value, Struct):
            changed = {each: self._sensible(random, getattr(value, each), each) for each in value.__struct_fields__}
            return structs.replace(value, **changed)
        if isinstance(value, list | tuple):
            return [self._sensible(random, each, name) for each in value]
        told = self._told.get(TELLING.get(name, ""))
        if told and random.random() < 0.8:
            return random.choice(told)
        if isinstance(value, str) and name != "records":
            return self._sensible_text(random, name, value)
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return _sensible_number(random, name, value)
        if name == "records":
            return hostile_batch(random)
        if isinstance(value, bytes) and name == "topic_id":
            return random.choice(self._topic_ids)
        return value

    def _sensible_text(self, random: Random, name: str, value: str) -> str | None:
        if name in ("topic", "name", "topic_name", "resource_name", "subscribed_topic_names", "topics"):
            return random.choice((*TOPICS, *INTERNAL_TOPICS, value))
        if name in ("group_id", "key", "group_ids", "groups", "coordinator_keys", "groups_names"):
            return random.choice(GROUPS)
        return random.choice(IDS) if name == "transactional_id" else value

    # ------------------------------------------------------------------------------------------------------- records

    def _batch(self, random: Random) -> Frame:
        return _produce(random, random.choice(TOPICS), hostile_batch(random))

    def _internal(self, random: Random) -> Frame:
        """What a coordinator would write, but for a value."""
        key_kind, value_kind = random.choice(self._record_kinds)
        key = self._sensible(random, random.choice(samples(key_kind, 0)))
        version = random.choice(value_kind.VERSIONS)
        value = self._sensible(random, random.choice(samples(value_kind, version)))
        value = spoilt(random, value) if random.random() < 0.7 else value
        written: bytes | None = version.to_bytes(2, "big") + encode(value, version)
        if random.random() < 0.1:
            written = None
        kind = getattr(key_kind, "API_KEY", random.choice((0, 1, 2)))
        record = Record(timestamp=1, key=kind.to_bytes(2, "big") + encode(key, 0), value=written)
        return _produce(random, random.choice(INTERNAL_TOPICS), build_batch([record]), ADMIN)


def _kinds(module: ModuleType) -> list[tuple[type[Any], type[Any]]]:
    """Keys with their values."""
    members = vars(module)
    pairs = ((name, name.removesuffix("Key") + "Value") for name in members if name.endswith("Key"))
    return [(members[key], members[value]) for key, value in pairs if value in members]


def _sensible_number(random: Random, name: str, value: int) -> int:
    if name.endswith("_ms") and "timestamp" not in name:
        return random.choice(SOON_MS)
    if name in ("partition", "partition_index", "partition_indexes", "partitions", "num_partitions"):
        return random.choice((0, 0, 1))
    if name in ("acks", "generation_id", "generation_id_or_member_epoch", "member_epoch", "producer_epoch"):
        return random.choice((-1, 0, 1))
    return random.choice((0, 1, value))


def _produce(random: Random, topic: str, batch: bytes | bytearray, client_id: str = "fuzz") -> Frame:
    data = [TopicProduceData(topic, partition_data=[PartitionProduceData(0, batch)])]
    return _framed(ProduceRequest(None, random.choice((1, -1)), 1000, data), 9, client_id)


def _framed(request: Any, version: int, client_id: str | None) -> Frame:
    pieces: list[Any] = list(encode_request(request, version, 1, client_id))
    return b"".join(pieces)[4:]


# -------------------------------------------------------------------------------------------------------------- batches


def hostile_batch(random: Random) -> bytes:
    """A batch whose checksum is right, most of the time."""
    if random.random() < 0.01:
        return bytes(bomb_batch(random.choice((Codec.GZIP, Codec.LZ4, Codec.ZSTD)), 1))
    plain = build_batch([_record(random) for _ in range(random.choice((1, 2, 7, 40)))])
    header = BatchHeader._make(HEADER.unpack_from(plain))
    codec = random.choice(list(Codec))
    payload = bytes(plain[HEADER_BYTES:])
    if random.random() < 0.4:
        payload = _turned(random, payload)
    payload = bytes(compress(codec, payload))
    if random.random() < 0.1:
        payload = _turned(random, payload)
    fields = {"attributes": codec, "batch_length": HEADER_BYTES - 12 + len(payload)}
    for _ in range(random.choice((0, 0, 1, 2))):
        fields[random.choice([name for name in BatchHeader._fields if name not in ("batch_length", "crc")])] = (
            random.choice(EDGES)
        )
    batch = bytearray(HEADER_BYTES) + payload
    HEADER.pack_into(batch, 0, *(_fitting(header._replace(**fields))))
    write_crc(batch, 0, len(batch))
    return _turned(random, bytes(batch)) if random.random() < 0.05 else bytes(batch)


def _fitting(header: BatchHeader) -> BatchHeader:
    """With every field brought into the bits that it has."""
    for letter, name in zip(HEADER.format.lstrip(">"), BatchHeader._fields, strict=True):
        bits = {"q": 64, "i": 32, "h": 16, "b": 8, "I": 32}[letter]
        value = getattr(header, name) % 2**bits
        if letter != "I" and value >= 2 ** (bits - 1):
            value -= 2**bits
        header = header._replace(**{name: value})
    return header


def _record(random: Random) -> Record:
    key = random.choice((None, b"", b"k", b"l", bytes(200)))
    value = random.choice((None, b"", b"v", bytes(2_000)))
    headers = random.choice(((), (("h", None),), (("", b""), ("h", b"1"))))
    return Record(timestamp=random.choice((1, 2**40, *EDGES[3:6])), key=key, value=value, headers=headers)


def _turned(random: Random, data: bytes) -> bytes:
    """With a few bits turned, a piece gone, one twice, or a number in its place that has no end."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(out) + 1)
        change = random.randrange(4)
        if change == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif change == 1:
            del out[at : at + random.choice((1, 4, 50))]
        elif change == 2:
            out[at:at] = out[at : at + random.choice((1, 4, 50))]
        else:
            out[at : at + 1] = encode_varint(random.choice(EDGES))
    return bytes(out)
