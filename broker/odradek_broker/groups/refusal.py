"""Why a request comes to nothing."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode


class Refusal(Exception):
    """Raised while it is being decided about a request: nothing of it is done, and this is its answer."""

    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
