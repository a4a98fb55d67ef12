"""What clients did and saw. Times are seconds since the run began."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

CRASH = "crash"
"""The kind of a fault that is not the nemesis's: a node has ended that nobody has told to."""
REMAINS = "remains"
"""Likewise: a topic that was made again had something of the one before it."""
TRESPASS, SHUT_OUT = "trespass", "shut-out"
"""Likewise: somebody could do what is not permitted; somebody was refused what is."""
LAST_WRITER = "last"
"""It writes to every partition once more, when all is healed."""


Place: TypeAlias = tuple[str, int]
"""A topic and a partition."""


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
    topic: str = ""

    @property
    def place(self) -> Place:
        return self.topic, self.partition


class Read(Struct, tag="read"):
    """Records of one partition that one poll returned, in the order in which they came."""

    reader: str
    partition: int
    at_s: float
    offsets: list[int]
    values: list[str]
    final: bool = False
    """Of the last reader, after everything was healed, which reads all from the beginning."""
    topic: str = ""

    @property
    def place(self) -> Place:
        return self.topic, self.partition


class Commit(Struct, tag="commit"):
    """A group's member has said how far it has come in one partition."""

    group: str
    topic: str
    partition: int
    offset: int
    sent_s: float
    done_s: float
    """When it was acknowledged."""


class Committed(Struct, tag="committed"):
    """What the coordinator said of one partition, asked by somebody who is no member; -1 for nothing."""

    group: str
    topic: str
    partition: int
    offset: int
    sent_s: float
    done_s: float = 0.0


class Transfer(Struct, tag="transfer"):
    """A transaction: what a program has read and written in it. OK: committed; FAIL: aborted; INFO: not known."""

    program: str
    life: int
    """Of the program's clients: they are made anew when one has failed."""
    number: int
    sent_s: float
    writes: list[tuple[str, int, str]] = []
    """Topic, partition, value: unique in its topic."""
    reads: list[tuple[str, int, int, str]] = []
    """Topic, partition, offset, value."""
    generation: int = -1
    """Of the group by which it has read; -1 where it was assigned by hand."""
    worked_s: float = 0.0
    """When the program had done with it, and its end had not begun."""
    done_s: float = 0.0
    outcome: Outcome = Outcome.INFO
    error: str = ""


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
    commits: list[Commit] = []
    committed: list[Committed] = []
    transfers: list[Transfer] = []

    def save(self, path: Path) -> None:
        """One JSON object a line, in the order of time."""
        entries: list[Write | Read | Fault | Commit | Committed | Transfer] = [
            *self.writes,
            *self.reads,
            *self.faults,
            *self.commits,
            *self.committed,
            *self.transfers,
        ]
        entries.sort(key=lambda entry: entry.at_s if isinstance(entry, Read | Fault) else entry.sent_s)
        with path.open("wb") as file:
            for entry in entries:
                file.write(msgspec.json.encode(entry) + b"\n")
