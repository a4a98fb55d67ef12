"""What the audit log says: who asked from where for what, whether it was allowed, and by which rule.

The first time it is said at once. What is the same within WINDOW_MS after that is counted, and said together when the
time is over. No more than MAX_KEPT different things are told apart meanwhile, and of one address no more than
MAX_ALLOWED_OF_A_HOST and MAX_REFUSED_OF_A_HOST: of what comes beyond that the number is said, once in WINDOW_MS. So who
asks for ten thousand different things does not wash out of the file what others have done, and what they did before.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

WINDOW_MS = 60_000
MAX_KEPT = 10_000
MAX_ALLOWED_OF_A_HOST = 1_000
MAX_REFUSED_OF_A_HOST = 100
EVERYWHERE = ""
"""In place of an address, where it is no single one that has asked for too much."""
LINES_AT_ONCE = 500
MAX_TEXT_LENGTH = 500
"""Of a name in a line; what is longer is cut off."""


class Asked(NamedTuple):
    """What was decided; equal where a line would say the same."""

    principal: str
    host: str
    request: str
    """Name of the API."""
    operation: str
    resource: str
    """As `TOPIC:orders`."""
    allowed: bool
    rule: str


class _Count:
    def __init__(self, first_ms: int) -> None:
        self.first_ms = self.last_ms = first_ms
        self.untold = 0


class Audit:
    """Between the decisions and the file."""

    def __init__(self) -> None:
        self._kept: dict[Asked, _Count] = {}
        """In the order in which they were first asked."""
        self._new: deque[Asked] = deque()
        self._of_host: dict[tuple[str, bool], int] = {}
        """How many are kept of an address, of what was allowed and of what was not."""
        self._beyond: dict[str, _Count] = {}
        """By address, only of those of which there are some above."""

    def note(self, asked: Asked, now_ms: int) -> None:
        count, whose = self._kept.get(asked), (asked.host, asked.allowed)
        if count is None:
            too_many = self._too_many(asked)
            if too_many is not None:
                self._beyond.setdefault(too_many, _Count(now_ms)).untold += 1
                return
            self._of_host[whose] = self._of_host.get(whose, 0) + 1
            count = self._kept[asked] = _Count(now_ms)
            self._new.append(asked)
        count.last_ms = now_ms
        count.untold += 1

    def take(self, now_ms: int, *, everything: bool = False) -> list[bytes]:
        """The lines that are due, LINES_AT_ONCE at most; with `everything` of all that has not been said."""
        lines: list[bytes] = []
        while self._new and len(lines) < LINES_AT_ONCE:
            asked = self._new.popleft()
            lines.append(self._line(asked, self._kept[asked]))
        while not self._new and self._kept and len(lines) < LINES_AT_ONCE:
            asked, count = next(iter(self._kept.items()))
            if not everything and now_ms - count.first_ms < WINDOW_MS:
                break
            self._forget(asked)
            if count.untold:
                lines.append(self._line(asked, count))
        for host, count in list(self._beyond.items()):
            if everything or now_ms - count.first_ms >= WINDOW_MS:
                del self._beyond[host]
                where = {"host": host} if host else {}
                lines.append(_encode({"time": _time(now_ms), **where, "others": count.untold}))
        return lines

    def _too_many(self, asked: Asked) -> str | None:
        """Whose are too many for one more to be kept."""
        most = MAX_ALLOWED_OF_A_HOST if asked.allowed else MAX_REFUSED_OF_A_HOST
        if self._of_host.get((asked.host, asked.allowed), 0) >= most:
            return asked.host
        return EVERYWHERE if len(self._kept) >= MAX_KEPT else None

    def _forget(self, asked: Asked) -> None:
        del self._kept[asked]
        whose = (asked.host, asked.allowed)
        self._of_host[whose] -= 1
        if not self._of_host[whose]:
            del self._of_host[whose]

    def _line(self, asked: Asked, count: _Count) -> bytes:
        times, count.untold = count.untold, 0
        texts = {name: _short(value) for name, value in asked._asdict().items()}
        return _encode({"time": _time(count.last_ms), **texts, "times": times})


def _short(value: Any) -> Any:
    return value[:MAX_TEXT_LENGTH] if isinstance(value, str) else value


def _time(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields) + b"\n"
