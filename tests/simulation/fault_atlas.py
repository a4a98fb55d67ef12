"""Which machine may damage which datum: of each, one at most in a whole run. No cluster survives the loss of all.

A datum is a partition: all its files, on all the machines that have it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from random import Random

from odradek_broker.log.filenames import topic_partition_of


class FaultAtlas:
    """Drawn as it is asked for."""

    def __init__(self, random: Random, machines: Sequence[str]) -> None:
        self._random = random
        self._machines = machines
        self._fragile: dict[tuple[str, int], str] = {}
        """Whose copy may suffer."""

    def of(self, machine: str) -> Callable[[str], bool]:
        """For `SimDisk.rot`: whether a file may be damaged there. Those that are no partition's may not."""

        def is_meant(path: str) -> bool:
            partition = topic_partition_of(posixpath.basename(posixpath.dirname(path)))
            if partition is None:
                return False
            if partition not in self._fragile:
                self._fragile[partition] = self._random.choice(self._machines)
            return self._fragile[partition] == machine

        return is_meant
