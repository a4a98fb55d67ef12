"""Long work on the loop, cut into slices: others run between any two of them.

The rule: nothing holds the loop for longer than 20 ms. What grows with a request, an image or a batch of records either
goes to a worker, or passes through here and pays for each piece; a slice of SLICE pieces, each of some microseconds,
is far below that. Counted, not timed: so it is the same on every machine, and in the simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import trio

T = TypeVar("T")

SLICE = 100
"""Pieces of work between two checkpoints: a partition of a request, a topic, a key."""


class Slices:
    """For one request, or whatever else does one long thing."""

    def __init__(self, size: int = SLICE) -> None:
        self._size = self._left = size

    async def pay(self, pieces: int = 1) -> None:
        """After so many pieces of work; a full checkpoint once a slice of them is done."""
        self._left -= pieces
        if self._left <= 0:
            self._left = self._size
            await trio.lowlevel.checkpoint()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same, by so many at once."""
    left = iter(items)
    while piece := list(islice(left, size)):
        yield piece
