"""Which partitions may have changed since they were last looked at, so that nobody need look at all after every event.

A partition has changed where an attribute of it, or of its log, was set: all that the invariants are about is either
such an attribute or changes in the same step as one.
"""

from __future__ import annotations

from typing import Any

from odradek_broker.log.log import Log
from odradek_broker.partitions.partition import Partition

_changed: dict[Partition, None] = {}
"""In the order of their changes."""


def take_changed() -> list[Partition]:
    """Those that may have changed since the last call."""
    if not _changed:
        return []
    found = list(_changed)
    _changed.clear()
    return found


def _set_on_partition(self: Partition, name: str, value: Any) -> None:
    object.__setattr__(self, name, value)
    _changed[self] = None
    if name == "log":
        object.__setattr__(value, "watched_for", self)


def _set_on_log(self: Log, name: str, value: Any) -> None:
    object.__setattr__(self, name, value)
    partition = self.__dict__.get("watched_for")
    if partition is not None:
        _changed[partition] = None


Partition.__setattr__ = _set_on_partition  # type: ignore[method-assign, assignment]
Log.__setattr__ = _set_on_log  # type: ignore[method-assign, assignment]
