"""What went wrong first, where a nursery tells of several things at once."""

from __future__ import annotations


def first_error(error: BaseException) -> BaseException:
    """`error` itself, or the first in the first of its groups: enough for a line that a person reads."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
