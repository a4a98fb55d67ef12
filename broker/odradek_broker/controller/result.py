"""What a decision comes to."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

R = TypeVar("R")


class Result(Struct, Generic[R], frozen=True):
    """Records to append, all or none of them, and the answer once they are safe."""

    records: list[Struct]
    response: R


class Refusal(Exception):
    """Why one entry of a request is not done: raised within a decision, caught by it, and told in the response."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
