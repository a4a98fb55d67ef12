"""One bit of what a replica had on stable storage turns over, at a place where the next start has to see it.

That is in the segment before the recovery point, which every start walks through (log/recovery.py), and in the file
that says whose log it is. What lies in older segments is found by readers alone, and what has no checksum by nobody:
nothing is held against the broker there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from ledger import Key
from sim_disk import SimDisk

from odradek.protocol.records.batch import BatchHeader, iter_headers
from odradek_broker.log import checkpoints, filenames
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.offset_checkpoints import LOG_START_OFFSETS, RECOVERY_POINTS

DATA = "/data"
JOURNAL = "/data/__cluster_metadata-0"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
BASE_OFFSET, LEADER_EPOCH = range(8), range(12, 16)
"""The bytes of a batch that its checksum does not cover."""
IDENTITY_SHARE = 0.15


class Turned(NamedTuple):
    """A bit: turned once more it is as it was."""

    path: str
    position: int
    bit: int


def damage(disk: SimDisk, random: Random, key: Key, name: str, *, compacts: bool) -> bool:
    """Whether there was something to damage of a partition of that topic. Its machine is without power."""
    directory = posixpath.join(DATA, filenames.partition_directory(name, key[1]))
    synced_up_to = _checkpoint(disk, RECOVERY_POINTS).get(key, 0)
    if not synced_up_to or not disk.is_dir(directory) or disk.exists(posixpath.join(DATA, CLEAN_SHUTDOWN)):
        return False
    whose = posixpath.join(directory, filenames.PARTITION_METADATA)
    if _topic_of(disk, whose) != key[0]:
        return False
    if random.random() < IDENTITY_SHARE:  # where it says nothing any more, the recovery point says whose it is
        return _flip(disk, random, whose, range(disk.size(whose)), lambda: _topic_of(disk, whose) not in (None, key[0]))
    start = _checkpoint(disk, LOG_START_OFFSETS).get(key, 0)
    path, batches = _walked(disk, directory, start, synced_up_to)
    places = [place for each in batches for place in _places(*each, compacts=compacts)]
    return bool(places) and _flip(disk, random, path, places, lambda: True)


def damage_journal(disk: SimDisk, random: Random) -> Turned | None:
    """Not of the last batch, which might be torn as well; None where there is no other."""
    names = disk.list(JOURNAL) if disk.is_dir(JOURNAL) else []
    paths = [posixpath.join(JOURNAL, name) for name in sorted(names) if name.endswith(filenames.LOG)]
    batches = [(path, *each) for path in paths for each in _headers(disk.read_file(path))]
    if len(batches) < 2:
        return None
    path, position, header = random.choice(batches[:-1])
    turned = Turned(path, position + random.randrange(header.size_bytes), random.randrange(8))
    disk.flip(*turned)
    return turned


def _walked(disk: SimDisk, directory: str, start: int, synced_up_to: int) -> tuple[str, list[tuple[int, BatchHeader]]]:
    """The segment that holds the record before the recovery point, and those of its batches that had been synced."""
    bases = [filenames.base_offset_of(name, filenames.LOG) for name in disk.list(directory)]
    base = max((each for each in bases if each is not None and each < max(synced_up_to, start + 1)), default=None)
    if base is None:
        return "", []
    path = posixpath.join(directory, filenames.segment_file(base, filenames.LOG))
    found = []
    for position, header in _headers(disk.read_file(path)):
        if header.base_offset >= start and header.next_offset <= synced_up_to:
            found.append((position, header))
    return path, found


def _headers(data: bytes) -> Iterator[tuple[int, BatchHeader]]:
    """Up to where the power cut has torn it."""
    try:
        yield from iter_headers(data)
    except ValueError:
        return


def _places(position: int, header: BatchHeader, *, compacts: bool) -> list[int]:
    """The bytes of a batch whose damage shows. Compaction leaves gaps, in which another offset is in order, too."""
    hidden = {*BASE_OFFSET, *LEADER_EPOCH} if compacts else {*LEADER_EPOCH}
    return [position + byte for byte in range(header.size_bytes) if byte not in hidden]


def _flip(disk: SimDisk, random: Random, path: str, places: range | list[int], is_damage: Callable[[], bool]) -> bool:
    position, bit = random.choice(places), random.randrange(8)
    disk.flip(path, position, bit)
    if is_damage():
        return True
    disk.flip(path, position, bit)
    return False


def _topic_of(disk: SimDisk, path: str) -> bytes | None:
    try:
        return checkpoints.decode_partition_metadata(disk.read_file(path))
    except (FileNotFoundError, CorruptCheckpoint):
        return None


def _checkpoint(disk: SimDisk, name: str) -> dict[Key, int]:
    try:
        return checkpoints.decode_offsets(disk.read_file(posixpath.join(DATA, name)))
    except (FileNotFoundError, CorruptCheckpoint):
        return {}
