"""Directories that were set aside (`-stray`): replicas that were not for this broker, or of another topic of that name.

Nobody opens them, and nobody removes them but somebody who has looked: they are what is left where the metadata was
wrong. A broker that runs never touches one that is there, so they may be removed beside it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from odradek_broker.log import filenames
from odradek_broker.ports.disk import Disk


class Stray(NamedTuple):
    path: str
    topic: str
    """As far as the directory's name tells."""
    partition: int
    """-1 where it does not."""
    size_bytes: int


def find_strays(disk: Disk, path: str) -> list[Stray]:
    """In a data directory, by name. Raises OSError."""
    names = sorted(name for name in disk.list(path) if name.endswith(filenames.STRAY_DIRECTORY))
    return [_stray(disk, os.path.join(path, name)) for name in names if disk.is_dir(os.path.join(path, name))]


def remove_stray(disk: Disk, path: str) -> None:
    """Remove the directory with its files. Raises OSError; what is left then is still a stray."""
    assert path.endswith(filenames.STRAY_DIRECTORY), "only what has been set aside is removed"
    for name in disk.list(path):
        disk.remove(os.path.join(path, name))
    disk.remove_dir(path)


def _stray(disk: Disk, path: str) -> Stray:
    name = os.path.basename(path).rpartition(".")[0]
    topic, partition = filenames.topic_partition_of(name) or (name, -1)
    return Stray(path, topic, partition, sum(disk.size(os.path.join(path, each)) for each in disk.list(path)))
