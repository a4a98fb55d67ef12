"""What the log says of strangers who do not come in, and of connections that end by somebody's fault.

Of each kind the first one in a second has a line of its own, and the others are counted: who connects a thousand times
a second does not fill a disk with it.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek_broker.apis import Caller
    from odradek_broker.node.audit_log import AuditLog

logger = logging.getLogger(__name__)


class Ending(Enum):
    """By what it is said how often it has happened."""

    TURNED_AWAY = "somebody was turned away at the door"
    NOT_ACCEPTED = "a connection could not be accepted"
    NO_HANDSHAKE = "a handshake of TLS has failed"
    NO_LOGIN = "a login was refused"
    NO_PROTOCOL = "a connection was closed on which something was said that is no request"
    CLOSED = "a connection was closed that stood still, or whose place was needed"


class Endings:
    """Of one process."""

    def __init__(self, logger: logging.Logger = logger) -> None:
        self._logger = logger
        self._more: dict[Ending, int] = {}
        """How often it has happened again in this second."""

    def tell(self, ending: Ending, line: str, level: int = logging.INFO) -> None:
        if ending in self._more:
            self._more[ending] += 1
        else:
            self._more[ending] = 0
            self._logger.log(level, "%s", line)

    def tick(self) -> None:
        """Called about once a second."""
        for ending, times in self._more.items():
            if times:
                self._logger.warning("%d times more %s", times, ending.value)
        self._more.clear()

    def blame(self, ending: Ending, caller: Caller, why: str) -> None:
        """The peer itself, for the end of its connection."""
        who = "{}:{}".format(*caller.peer)
        if ending is Ending.NO_PROTOCOL:
            self.tell(ending, f"closing the connection of {who} ({caller.software}): {why}", logging.WARNING)
        else:
            self.tell(ending, f"{who} does not come in by {caller.listener}: {why}")

    def refuse(self, caller: Caller, why: str, audit_log: AuditLog | None) -> None:
        """A login. Whoever it was is also in the audit log, each by itself."""
        mechanism = "" if caller.login is None else caller.login.mechanism
        self.blame(Ending.NO_LOGIN, caller, f"its login by {mechanism or 'another mechanism'} was refused: {why}")
        if audit_log is not None:
            claimed = "" if caller.login is None else caller.login.claimed
            audit_log.note_login(caller.peer[0], mechanism, claimed, why)
