"""Why a command cannot do what it was told to, and which errors are foreseen."""

from __future__ import annotations

FAILED = 1


class Failed(Exception):
    """A command cannot do what it was told to, and this is the line that says why: exit code 1."""


def is_foreseen(error: BaseException) -> bool:
    """Whether one line says enough of it."""
    if isinstance(error, Failed | OSError | ValueError):
        return True
    from odradek.errors import OdradekError, ProtocolError

    return isinstance(error, OdradekError | ProtocolError)


def sentence_of(error: BaseException) -> str:
    """What went wrong, for people: of an OSError the file and the reason, without a number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
