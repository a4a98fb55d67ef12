"""Why a request, or one entry of it, comes to nothing. Kafka: ApiError."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode


class ApiError(Exception):
    """Raised within a decision, caught by it, and told in the response; nothing of what it is about is done."""

    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
