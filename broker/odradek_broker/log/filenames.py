"""The names of files and directories in a log, as Kafka gives them.

A segment's files share one stem, its base offset in twenty digits; the suffix says which of them it is. A second
suffix marks a file in transit: `.cleaned` (being written by compaction), `.swap` (complete, about to take the place of
others), `.deleted` (on its way out).
"""

from __future__ import annotations

import os

LOG = ".log"
OFFSET_INDEX = ".index"
TIME_INDEX = ".timeindex"
TRANSACTION_INDEX = ".txnindex"
SNAPSHOT = ".snapshot"
SEGMENT_SUFFIXES = (LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX)

CLEANED = ".cleaned"
SWAP = ".swap"
DELETED = ".deleted"

LEADER_EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"

DELETED_DIRECTORY = "-delete"
STRAY_DIRECTORY = "-stray"

_STEM_DIGITS = 20
_MOST = 2**63 - 1


def segment_file(base_offset: int, suffix: str) -> str:
    """`segment_file(17, LOG)` is `00000000000000000017.log`."""
    return f"{base_offset:020d}{suffix}"


def base_offset_of(name: str, suffix: str) -> int | None:
    """The base offset in a name of exactly this suffix, or None where the name is another kind of file's."""
    stem = name[:_STEM_DIGITS]
    if name[_STEM_DIGITS:] == suffix and len(stem) == _STEM_DIGITS and stem.isascii() and stem.isdecimal():
        return int(stem) if int(stem) <= _MOST else None
    return None


def partition_directory(topic: str, partition: int) -> str:
    return f"{topic}-{partition}"


def marked_directory(path: str, mark: str, suffix: str) -> str:
    """The path of a log that is set aside; `mark` makes it unique. The name is kept short."""
    parent, name = os.path.split(path)
    return os.path.join(parent, f"{name[:200]}.{mark}{suffix}")


def topic_partition_of(name: str) -> tuple[str, int] | None:
    """The topic and partition a directory is named for, or None where it is named for none (or on its way out)."""
    topic, dash, partition = name.rpartition("-")
    if not dash or not topic or not (partition.isascii() and partition.isdecimal()):
        return None
    return topic, int(partition)
