"""Whose records a directory holds: the topic's id, in a file beside them."""

from __future__ import annotations

import os

from odradek_broker.log import checkpoints, damage, filenames
from odradek_broker.log.failures import (
    CorruptCheckpoint,
    TopicIdMismatch,
)
from odradek_broker.ports.disk import Disk


def check_topic_id(
    disk: Disk, directory: str, topic_id: bytes, *, was_synced: bool, is_known: bool, is_only_one: bool
) -> bool:
    """Write the topic's id where there is none yet, and say so. Raises TopicIdMismatch.

    It is synced with the first records. Before that, a power cut may leave the file empty or torn; and it is written
    again, as all that nobody knows to be on stable storage. Records without an id that reads back may be those of an
    earlier topic of the same name, unless it `is_known` otherwise whose they are. Where no other topic's log can be
    there (`is_only_one`), another id is none.
    """
    path = os.path.join(directory, filenames.PARTITION_METADATA)
    try:
        found = checkpoints.decode_partition_metadata(disk.read_file(path)) if disk.exists(path) else None
    except CorruptCheckpoint as error:
        if was_synced:
            damage.say(path, error, f"the checkpoints know it for topic id {topic_id.hex()}, and it is written anew")
        found = None
    if found is not None and found != topic_id and is_only_one:
        damage.say(path, f"it names topic id {found.hex()}", f"it can only be {topic_id.hex()}, and is written anew")
        found = None
    if found is not None:
        if found != topic_id:
            raise TopicIdMismatch(f"{directory} belongs to topic id {found.hex()}, not {topic_id.hex()}")
        if was_synced:
            return False
    has_records = _has_records(disk, directory)
    if found is None and not is_known and has_records:
        raise TopicIdMismatch(f"{directory} has records and does not say of which topic")
    # What is there may be all that is on stable storage: a power cut must not find less in its place.
    disk.replace_file(path, checkpoints.encode_partition_metadata(topic_id), sync=found is not None and has_records)
    return True


def _has_records(disk: Disk, directory: str) -> bool:
    names = (name for name in disk.list(directory) if filenames.base_offset_of(name, filenames.LOG) is not None)
    return any(disk.size(os.path.join(directory, name)) for name in names)
