"""Errors of transactions that older versions of an API have other names for."""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode

OF_COORDINATORS = frozenset(
    {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR}
)


def fenced_since(error: ErrorCode, version: int, first: int) -> ErrorCode:
    """PRODUCER_FENCED is INVALID_PRODUCER_EPOCH before a version."""
    if error is ErrorCode.PRODUCER_FENCED and version < first:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return error


def abortable_since(error: ErrorCode, version: int, first: int) -> ErrorCode:
    """TRANSACTION_ABORTABLE is INVALID_TXN_STATE before a version."""
    if error is ErrorCode.TRANSACTION_ABORTABLE and version < first:
        return ErrorCode.INVALID_TXN_STATE
    return error
