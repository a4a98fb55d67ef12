"""What members have said of records, until it is on its way to the broker. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple, TypeAlias

PartitionId: TypeAlias = tuple[bytes, int]
"""A topic's id, and a partition's number."""


class Verdict(IntEnum):
    """Kafka's acknowledge types."""

    GAP = 0
    """There is no such record."""
    ACCEPT = 1
    RELEASE = 2
    REJECT = 3
    RENEW = 4


class Run(NamedTuple):
    """The same said of all offsets from first to last."""

    first_offset: int
    last_offset: int
    verdict: Verdict


class Verdicts:
    """By partition. What is said later of a record counts."""

    def __init__(self) -> None:
        self._said: dict[PartitionId, dict[int, Verdict]] = {}

    def __bool__(self) -> bool:
        return bool(self._said)

    def say(self, partition: PartitionId, offsets: Iterable[int], verdict: Verdict) -> None:
        said = dict.fromkeys(offsets, verdict)
        if said:
            self._said.setdefault(partition, {}).update(said)

    def take(self) -> dict[PartitionId, list[Run]]:
        """All of it, in runs of offsets in order; nothing is left."""
        said, self._said = self._said, {}
        return {partition: list(_runs(each)) for partition, each in said.items()}


def _runs(said: dict[int, Verdict]) -> Iterable[Run]:
    ordered = enumerate(sorted(said.items()))
    for (_, verdict), run in groupby(ordered, key=lambda each: (each[1][0] - each[0], each[1][1])):
        offsets = [offset for _, (offset, _) in run]
        yield Run(offsets[0], offsets[-1], verdict)
