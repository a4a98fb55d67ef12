"""What clients did and saw. Times are seconds since the run began."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import msgspec
from msgspec import Struct

CRASH = "crash"
"""The kind of a fault that is not the nemesis's: a node has ended that nobody has told to."""
LAST_WRITER = "last"
"""It writes to every partition once more, when all is healed."""


class Outcome(Enum):
    OK = "ok"
    """Acknowledged."""
    FAIL = "fail"
    """Surely not written."""
    INFO = "info"
    """Nobody knows: no answer came in time."""


class Write(Struct, tag="write"):
    """A record that was sent."""

    writer: str
    number: int
    """The writer's own, from 0."""
    partition: int
    value: str
    """Unique in the run."""
    sent_s: float
    done_s: float = 0.0
    outcome: Outcome = Outcome.INFO
    offset: int = -1
    error: str = ""


class Read(Struct, tag="read"):
    """Records of one partition that one poll returned, in the order in which they came."""

    reader: str
    partition: int
    at_s: float
    offsets: list[int]
    values: list[str]
    final: bool = False
    """Of the last reader, after everything was healed, which reads all from the beginning."""


class Fault(Struct, tag="fault"):
    """Something was done to a node, or undone."""

    kind: str
    node: str
    at_s: float
    healed: bool = False


class History(Struct):
    writes: list[Write] = []
    reads: list[Read] = []
    faults: list[Fault] = []

    def save(self, path: Path) -> None:
        """One JSON object a line, in the order of time."""
        entries: list[Write | Read | Fault] = [*self.writes, *self.reads, *self.faults]
        entries.sort(key=lambda entry: entry.sent_s if isinstance(entry, Write) else entry.at_s)
        with path.open("wb") as file:
            for entry in entries:
                file.write(msgspec.json.encode(entry) + b"\n")
