"""What a decision comes to."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

R = TypeVar("R")


class ControllerResult(Struct, Generic[R], frozen=True):
    """Records to append, all or none of them, and the answer once they are safe."""

    records: list[Struct]
    response: R
