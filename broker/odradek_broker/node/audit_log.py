"""The audit log as a file: JSON lines, of which the oldest go when there are too many.

Half of the room is the file that is written, the other half the one before it. A second may pass before a line is
there, and none of it is synced: it tells what has been asked, and nothing depends on it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import trio

from odradek.protocol.acl import Operation, ResourceType, name_of
from odradek_broker.security.audit import MAX_TEXT_LENGTH, Asked, Audit
from odradek_broker.security.authorizer import Decision, describe_resource
from odradek_broker.security.principal import ANONYMOUS

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

FILE = "audit.jsonl"
BEFORE = ".1"
PACE_S = 1.0
MAX_NAME_LENGTH = 100
"""Of a user whom nobody knows."""


class AuditLog:
    """Of one node. Decisions may be noted by workers, too."""

    def __init__(self, context: NodeContext, workers: Workers) -> None:
        config = context.config
        self._disk, self._clock = context.disk, context.clock
        self._workers = workers
        self._path = config.audit_log_file or os.path.join(config.data_directory, FILE)
        self._max_bytes = config.audit_log_max_bytes // 2
        self._audit = Audit()
        self._lock = Lock()
        """Held for a moment: decisions are made in several threads."""
        self._due: list[bytes] = []
        """Lines that are taken, and not written yet."""
        self._has_failed = False

    def note(
        self,
        principal: str,
        host: str,
        request: str,
        operation: int,
        resource_type: int,
        name: str,
        decision: Decision,
    ) -> None:
        asked = Asked(
            principal,
            host,
            request,
            name_of(Operation, operation),
            describe_resource(resource_type, name[:MAX_TEXT_LENGTH]),  # no more of a stranger's words is kept
            decision.allowed,
            decision.rule,
        )
        with self._lock:
            self._audit.note(asked, self._clock.now_ms())

    def note_login(self, host: str, mechanism: str, claimed: str, why: str) -> None:
        """One that was refused. `claimed`: as whom somebody wanted to come in."""
        who = describe_resource(ResourceType.USER, claimed[:MAX_NAME_LENGTH])
        asked = Asked(str(ANONYMOUS), host, "SaslAuthenticate", mechanism, who, False, why)
        with self._lock:
            self._audit.note(asked, self._clock.now_ms())

    async def run(self) -> None:
        while True:
            await trio.sleep(PACE_S)
            while self._take():
                await self._workers.run(self._write)

    def close(self) -> None:
        """Blocking."""
        self._write()  # what was taken by `run`, which was cancelled before it was written
        while self._take(everything=True):
            self._write()

    def _take(self, *, everything: bool = False) -> bool:
        """Whether there is anything to be written."""
        with self._lock:
            self._due += self._audit.take(self._clock.now_ms(), everything=everything)
            return bool(self._due)

    def _write(self) -> None:
        with self._lock:
            lines, self._due = self._due, []
        if lines:
            self._append(lines)

    def _append(self, lines: Sequence[bytes]) -> None:
        data = b"".join(lines)[-self._max_bytes :]
        try:
            if self._disk.exists(self._path) and self._disk.size(self._path) + len(data) > self._max_bytes:
                self._disk.rename(self._path, self._path + BEFORE)
            file = self._disk.open(self._path, create=not self._disk.exists(self._path))
            try:
                file.append(data)
            finally:
                file.close()
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                logger.error("cannot write the audit log %s: %s", self._path, error)
            self._has_failed = True
