"""The producer snapshots of a log: one at the base of each segment, and one at the end after a clean stop."""

from __future__ import annotations

import os
from typing import NamedTuple

from odradek_broker.log import damage, filenames, producer_snapshot
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.producer_state import Producer, ProducersAsOf, ProducerStates
from odradek_broker.log.sealed_files import SealedFiles
from odradek_broker.ports.disk import Disk


class Owed(NamedTuple):
    """One that is to be written, or being written."""

    file: SealedFiles
    producers: ProducersAsOf
    states: ProducerStates


class Snapshots:
    """Which exist is known from the listing of the directory; afterwards nobody else writes them."""

    def __init__(self, disk: Disk, directory: str, names: list[str]) -> None:
        self._disk = disk
        self.directory = directory
        offsets = (filenames.base_offset_of(name, filenames.SNAPSHOT) for name in names)
        self.offsets: set[int] = {offset for offset in offsets if offset is not None}
        self._owed: dict[int, Owed] = {}

    def reader(self) -> Snapshots:
        """The same, as they are now, for another thread."""
        made = Snapshots(self._disk, self.directory, [])
        made.offsets = set(self.offsets)
        return made

    def path(self, offset: int) -> str:
        return os.path.join(self.directory, filenames.segment_file(offset, filenames.SNAPSHOT))

    def take(self, offset: int, states: ProducerStates) -> str:
        """Write the state as of `offset`; return the path, unsynced. Raises OSError."""
        data = producer_snapshot.encode(ProducersAsOf(states.producers.values()))
        self._disk.replace_file(self.path(offset), data, sync=False)
        self.offsets.add(offset)
        return self.path(offset)

    def owe(self, offset: int, states: ProducerStates) -> None:
        """The same for a worker: it is among `owed` until it is written.

        Of several that nobody comes to write, the oldest and the newest stay: a start reads from the one before on.
        """
        for needless, owed in list(self._owed.items())[1:]:
            if owed.file.withdraw_unless_begun():
                self._forget(needless)
        producers = states.as_of_now()
        file = SealedFiles(self._disk, [(self.path(offset), lambda: producer_snapshot.encode(producers))])
        self._owed[offset] = Owed(file, producers, states)

    @property
    def owed(self) -> list[SealedFiles]:
        return [owed.file for owed in self._owed.values()]

    @property
    def owes_any(self) -> bool:
        return bool(self._owed)

    def written(self) -> None:
        """Take note of those owed that are there now."""
        if not self._owed:
            return
        for offset in [offset for offset, owed in self._owed.items() if owed.file.done]:
            self._forget(offset)

    def write_one_from(self, offset: int) -> str | None:
        """See that there is one at or behind an offset, if one is owed: all before it is about to go.

        Return the path of what was written, unsynced. Blocks. Raises OSError.
        """
        if any(known >= offset for known in self.offsets):
            return None
        for owed in [owed for owed in self._owed if owed >= offset]:
            self._owed[owed].file.write()
            self.written()
            return self.path(owed)
        return None

    def forget_owed(self) -> None:
        """Waits for whoever writes one just now."""
        for offset in list(self._owed):
            self._forget(offset)

    def _forget(self, offset: int) -> None:
        owed = self._owed.pop(offset, None)
        if owed is not None:
            owed.file.withdraw()
            owed.states.let_go(owed.producers)
            if owed.file.done:
                self.offsets.add(offset)

    def load_newest(self, at_most: int, now_ms: int) -> tuple[int, list[Producer]]:
        """The newest sound snapshot at or before an offset, with that offset; (-1, []) where there is none.

        Damaged ones are said, and removed.
        """
        for offset in sorted(self.offsets, reverse=True):
            if offset > at_most:
                continue
            try:
                return offset, producer_snapshot.decode(self._disk.read_file(self.path(offset)), now_ms)
            except (CorruptCheckpoint, FileNotFoundError) as error:
                damage.say(
                    self.path(offset), error, "what producers have sent is read from an older one and the records"
                )
                self.remove(offset)
        return -1, []

    def remove(self, offset: int) -> None:
        self._forget(offset)
        self.offsets.discard(offset)
        try:
            self._disk.remove(self.path(offset))
        except FileNotFoundError:
            pass

    def remove_after(self, offset: int) -> None:
        """Those behind a new, lower end of the log."""
        for later in [other for other in (*self.offsets, *self._owed) if other > offset]:
            self.remove(later)

    def remove_before(self, offset: int) -> None:
        for earlier in [other for other in (*self.offsets, *self._owed) if other < offset]:
            self.remove(earlier)

    def keep_only(self, offsets: set[int]) -> None:
        for offset in {*self.offsets, *self._owed} - offsets:
            self.remove(offset)
