"""The small text files beside the segments: checkpoints of offsets, of leader epochs, and the partition's metadata.

Functions from values to bytes and back; reading raises CorruptCheckpoint. A checkpoint is a version (0), a count, and
that many lines, each with its end: of a file that was not synced a power cut may leave any beginning, and none but the
whole is taken for one (Kafka: CheckpointFile). Whoever writes one replaces the file at one stroke.

Those of offsets, which nobody else reads, are of version 1: behind the lines comes their CRC-32. A digit that is not
what it was could begin a log behind its end, and all that is in it would go.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

from odradek_broker.log.failures import CorruptCheckpoint

VERSION, VERSION_WITH_CRC = 0, 1
MOST_INT32, MOST_INT64 = 2**31 - 1, 2**63 - 1
PartitionKey = tuple[str, int]
"""Topic and index. A plain tuple, for it is made for each partition of each request; a TopicPartition is one, too."""
LogKey = tuple[bytes, int]
"""The topic's id, 16 raw bytes, and the partition's index: no other log ever has the same."""


def encode_offsets(offsets: Mapping[LogKey, int]) -> bytes:
    """Lines of `topic partition offset` as Kafka's, but for the topic's id in the place of its name."""
    lines = [f"{encode_id(topic)} {partition} {offset}" for (topic, partition), offset in sorted(offsets.items())]
    content = _encode(lines, VERSION_WITH_CRC)
    return content + _crc_line(content)


def decode_offsets(data: bytes) -> dict[LogKey, int]:
    """A line that names a topic by name says nothing: nobody knows which topic of that name it was."""
    offsets, version = {}, VERSION
    if not data.startswith(f"{VERSION}\n".encode()):  # such are Kafka's, and older ones of ours
        content, _, crc = data.rpartition(b"crc ")
        if _crc_line(content) != b"crc " + crc:
            raise CorruptCheckpoint("the lines do not match their crc")
        data, version = content, VERSION_WITH_CRC
    for line in _decode(data, version):
        try:
            topic, partition, offset = line.split(" ")
            topic_id = decode_id(topic)
            if topic_id is not None:
                offsets[topic_id, _number(partition, MOST_INT32)] = _number(offset)
            else:
                _number(partition, MOST_INT32), _number(offset)
        except ValueError:
            raise CorruptCheckpoint(f"not a topic, a partition and an offset: {line!r}") from None
    return offsets


def encode_epochs(epochs: Sequence[tuple[int, int]]) -> bytes:
    """Lines of `epoch start_offset`."""
    return _encode([f"{epoch} {start_offset}" for epoch, start_offset in epochs])


def decode_epochs(data: bytes) -> list[tuple[int, int]]:
    epochs = []
    for line in _decode(data):
        try:
            epoch, start_offset = line.split(" ")
            epochs.append((_number(epoch, MOST_INT32), _number(start_offset)))
        except ValueError:
            raise CorruptCheckpoint(f"not an epoch and an offset: {line!r}") from None
    for before, behind in pairwise(epochs):
        if before[0] >= behind[0] or before[1] >= behind[1]:
            raise CorruptCheckpoint(f"epoch and offset {behind} behind {before}")
    return epochs


def encode_partition_metadata(topic_id: bytes) -> bytes:
    """The topic's id, 16 raw bytes, as the text Kafka writes."""
    return b"version: 0\ntopic_id: " + encode_id(topic_id).encode()


def decode_partition_metadata(data: bytes) -> bytes:
    """The topic's id, 16 raw bytes. Of a torn file nothing may pass for one."""
    properties = dict(line.split(b": ", 1) for line in data.splitlines() if b": " in line)
    topic_id = decode_id(properties.get(b"topic_id", b"").decode("latin-1"))
    if properties.get(b"version") != b"0" or topic_id is None:
        raise CorruptCheckpoint(f"not a topic id of version 0: {data!r}")
    return topic_id


def encode_id(topic_id: bytes) -> str:
    """22 characters of unpadded base64url, as Kafka writes ids."""
    return base64.urlsafe_b64encode(topic_id).rstrip(b"=").decode()


def decode_id(text: str) -> bytes | None:
    """16 raw bytes; None unless the text is exactly what an id is written as. (base64's decoder passes over noise.)"""
    try:
        topic_id = base64.urlsafe_b64decode(text + "==")
    except ValueError:
        return None
    return topic_id if len(topic_id) == 16 and encode_id(topic_id) == text else None


def encode_properties(properties: Mapping[str, str]) -> bytes:
    """Lines of `key=value`, as in `meta.properties`."""
    return "".join(f"{key}={value}\n" for key, value in properties.items()).encode()


def decode_properties(data: bytes) -> dict[str, str]:
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#!"]
    return {key.strip(): value.strip() for key, _, value in pairs}


def with_properties_crc(lines: bytes) -> bytes:
    """Properties that end with `crc=` and the checksum of all lines before."""
    return lines + f"crc={zlib.crc32(lines):08x}\n".encode()


def check_properties_crc(data: bytes) -> None:
    """Raises CorruptCheckpoint unless they end so."""
    if with_properties_crc(data.rpartition(b"crc=")[0]) != data:
        raise CorruptCheckpoint("the lines do not match their crc")


def encode_restored_meta(cluster_id: str) -> bytes:
    """`meta.properties` of a directory in which a journal was made anew: nobody knows yet whose node it is."""
    return encode_properties({"version": "1", "cluster.id": cluster_id, "restored": "true"})


def decode_meta(data: bytes) -> dict[str, str]:
    """What `meta.properties` says. Raises CorruptCheckpoint where it is not what Kafka or we have written.

    A directory that was made anew (`encode_restored_meta`) knows its cluster only: who starts on it writes the rest.
    """
    known = decode_properties(data)
    is_restored = known.get("restored") == "true"
    is_sound = {
        "version": known.get("version") in ("0", "1"),
        "cluster.id": known.get("cluster.id", "").isprintable() and "\ufffd" not in known.get("cluster.id", "\ufffd"),
        "node.id": is_restored or known.get("node.id", known.get("broker.id", "")).isdecimal(),
        "directory.id": "directory.id" not in known or decode_id(known["directory.id"]) is not None,
    }
    for name, sound in is_sound.items():
        if not sound:
            raise CorruptCheckpoint(f"its {name} is not there, or not to be read")
    return known


def encode_seen_metadata(offset: int, epoch: int) -> bytes:
    """The newest metadata record that a node has acted upon; with a checksum, for a digit that is not what it was would
    let a controller start with less than it has decided, or none start."""
    return with_properties_crc(encode_properties({"version": "1", "offset": str(offset), "epoch": str(epoch)}))


def decode_seen_metadata(data: bytes) -> tuple[int, int]:
    """Offset and epoch, -1 where there was none. Raises CorruptCheckpoint. One of version 0 has no checksum."""
    known = decode_properties(data)
    try:
        if known["version"] != "0" or "crc" in known:
            check_properties_crc(data)
        return _number(known["offset"], least=-1), _number(known["epoch"], MOST_INT32, least=-1)
    except (KeyError, ValueError) as error:
        raise CorruptCheckpoint(f"not a note of the metadata seen: {error}") from None


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    """The file that says a broker stopped cleanly, and in which epoch it had been."""
    return json.dumps({"version": VERSION, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def decode_clean_shutdown(data: bytes) -> int:
    """The broker epoch. Raises CorruptCheckpoint, also for an old Kafka's empty file: it may be what damage left."""
    try:
        epoch = json.loads(data)["brokerEpoch"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CorruptCheckpoint(f"not the mark of a clean shutdown: {data[:80]!r}") from None
    if not isinstance(epoch, int) or not -1 <= epoch <= MOST_INT64:
        raise CorruptCheckpoint(f"not a broker epoch: {epoch!r}")
    return epoch


def _number(text: str, most: int = MOST_INT64, least: int = 0) -> int:
    """Raises ValueError unless it is one that Kafka's field can hold."""
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number} is none of {most}")
    return number


def _crc_line(content: bytes) -> bytes:
    return f"crc {zlib.crc32(content):08x}\n".encode()


def _encode(lines: Sequence[str], version: int = VERSION) -> bytes:
    return "\n".join([str(version), str(len(lines)), *lines, ""]).encode()


def _decode(data: bytes, expected_version: int = VERSION) -> list[str]:
    try:
        version, count, *lines, end = data.decode().split("\n")
        if int(version) != expected_version or int(count) != len(lines) or end:
            raise CorruptCheckpoint(f"version {version}, {count} entries announced, {len(lines)} found, and {end!r}")
    except ValueError:
        raise CorruptCheckpoint(f"not a checkpoint: {data[:80]!r}") from None
    return lines
