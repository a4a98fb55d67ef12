"""A log directory: what belongs to all the logs in it together.

    meta.properties                    which cluster and node it belongs to, and its own id
    .lock                              held while a broker uses it
    .kafka_cleanshutdown               there only between a clean stop and the next start
    recovery-point-offset-checkpoint   and four others: how far each log may be believed (offset_checkpoints)
    broker-registration.properties     in which broker epoch it was last used, and how (our own: registration_note)
    metadata-seen.properties           up to which record the metadata has been acted upon (our own file)

The clean-shutdown file is taken away before anything is opened: a crash from then on is a crash. What cannot be
believed is named in `damaged`. Kafka: LogManager, LogDirFailure.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from msgspec import structs

from odradek_broker.log import checkpoints, filenames
from odradek_broker.log.checkpoints import LogKey, PartitionKey
from odradek_broker.log.config import LogConfig
from odradek_broker.log.deleted_files import DeletedFiles
from odradek_broker.log.failures import CorruptCheckpoint, InconsistentDirectory
from odradek_broker.log.log import Log
from odradek_broker.log.offset_checkpoints import (
    CLEANER_OFFSETS,
    COMPACTED_FOR,
    LOG_START_OFFSETS,
    NAMES,
    RECOVERY_POINTS,
    OffsetCheckpoints,
)
from odradek_broker.log.registration_note import NO_EPOCH, RegistrationNote, decode_note, encode_note
from odradek_broker.ports.disk import AlreadyLocked, Disk

META_PROPERTIES = "meta.properties"
LOCK = ".lock"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
REGISTRATION = "broker-registration.properties"
SEEN_METADATA = "metadata-seen.properties"

_WITHOUT = {
    CLEAN_SHUTDOWN: "all logs are recovered, as after a crash",
    REGISTRATION: "nobody knows what this broker lacks, so it is in sync nowhere until it has caught up",
    SEEN_METADATA: "the controller's word is taken for how far the metadata goes",
    LOG_START_OFFSETS: "what DeleteRecords has removed may be here again, until the leader says where logs begin",
    COMPACTED_FOR: "a log that compaction may have been over begins anew where its leader's parted from it",
}
_WITHOUT_CHECKPOINT = "it claims nothing, and logs are recovered from their beginning where it is needed"

_NO_OFFSET = -1


class LogDirectory:
    """Made by `open`; one process at a time."""

    def __init__(self, path: str, disk: Disk) -> None:
        self.path = path
        self.directory_id = b""
        """16 raw bytes."""
        self.cluster_id = ""
        self.node_id = -1
        self.clean = False
        """Whether the broker that used it last has stopped cleanly."""
        self.previous_broker_epoch = NO_EPOCH
        """Of that broker, where it has stopped cleanly."""
        self.registration = RegistrationNote()
        self.checkpoints: OffsetCheckpoints
        self.seen_metadata = (_NO_OFFSET, NO_EPOCH)
        """Offset and epoch of the newest metadata record that was acted upon here."""
        self.damaged: list[str] = []
        """Files that could not be believed: the start is one without them."""
        self._note_lock = threading.Lock()
        self._opened: set[LogKey] = set()
        self.has_unsynced_deletions = False
        self._deleted = DeletedFiles()
        self._disk = disk
        self._lock = disk.lock(self._at(LOCK))

    @classmethod
    def open(cls, path: str, disk: Disk, *, cluster_id: str, node_id: int, new_directory_id: bytes) -> LogDirectory:
        """Take the directory, creating it where there is none.

        `cluster_id` may be empty where nobody but the directory knows it. `new_directory_id`, 16 random bytes, is for a
        directory that has no id yet.
        Raises AlreadyLocked, InconsistentDirectory (it is another cluster's or node's), OSError.
        """
        _make_for_good(disk, path)
        try:
            directory = cls(path, disk)
        except AlreadyLocked:
            raise AlreadyLocked(f"{path} is in use by another process") from None
        try:
            directory._read_meta(cluster_id, node_id, new_directory_id)
            directory.registration = directory._read_registration()
            directory._take_clean_shutdown()
            directory.checkpoints = OffsetCheckpoints(path, disk)
            directory.damaged += directory.checkpoints.damaged
            directory.seen_metadata = directory._read_seen_metadata()
        except BaseException:
            directory.release()
            raise
        return directory

    # Logs.

    def partitions(self) -> list[PartitionKey]:
        """The partitions that have a directory here."""
        names = (filenames.topic_partition_of(name) for name in self._disk.list(self.path))
        found = [partition for partition in names if partition is not None]
        return sorted(pair for pair in found if self._disk.is_dir(self.path_of(*pair)))

    def path_of(self, topic: str, partition: int) -> str:
        return self._at(filenames.partition_directory(topic, partition))

    def open_log(self, topic: str, partition: int, config: LogConfig, *, topic_id: bytes, now_ms: int) -> Log:
        """Open a partition's log, or begin one, by what the checkpoints say. Raises OSError, TopicIdMismatch.

        That the last broker has stopped cleanly says nothing about a log that this one has had in use before. Where it
        is damaged its recovery point stays written as it was, so that the next start finds that too: whoever has told
        those who must know brings it down.
        """
        path, key = self.path_of(topic, partition), (topic_id, partition)
        if key in self._opened and not self._disk.exists(path):
            self.checkpoints.forget(key)  # the log that was here has been moved away, and now comes back
        log = Log.open(
            path,
            self._disk,
            config,
            topic_id=topic_id,
            clean=self.clean and key not in self._opened,
            recovery_point=self.checkpoints.get(RECOVERY_POINTS, key),
            log_start_offset=self.checkpoints.get(LOG_START_OFFSETS, key),
            may_lack_beginning=self.registration.epoch != NO_EPOCH and self.complete_since() == NO_EPOCH,
            first_dirty_offset=self.checkpoints.get(CLEANER_OFFSETS, key),
            compacted_for=self.checkpoints.get(COMPACTED_FOR, key),
            now_ms=now_ms,
        )
        if COMPACTED_FOR in self.checkpoints.damaged:
            log.compacted_for = log.log_end_offset  # nobody knows it any more
        self._opened.add(key)
        self.checkpoints.lower({key: log.log_end_offset}, set(NAMES) - {RECOVERY_POINTS})
        return log

    def mark_stray(self, topic: str, partition: int, mark: str) -> str:
        """Set aside the directory of a partition that nobody knows (any more); return its new path. Raises OSError."""
        path = self.path_of(topic, partition)
        stray = filenames.marked_directory(path, mark, filenames.STRAY_DIRECTORY)
        self._disk.rename(path, stray)
        self._disk.sync_dir(self.path)
        return stray

    def deleted_directories(self) -> list[str]:
        """Paths of logs that were deleted and whose files are still there."""
        names = [name for name in self._disk.list(self.path) if name.endswith(filenames.DELETED_DIRECTORY)]
        return [self._at(name) for name in sorted(names) if self._disk.is_dir(self._at(name))]

    def delete_log(self, log: Log, mark: str, now_ms: int) -> None:
        """Take a log out of use; its files stay for `file_delete_delay_ms` more. Raises OSError.

        `mark` makes the new name unique, so that a topic of the same name can be created at once. A power cut may bring
        the old name back until `sync_deletions`: then it is a stray, or the log of a replica that is not in sync.
        """
        self._deleted.add(log.delete(mark), now_ms + log.config.file_delete_delay_ms)
        self.has_unsynced_deletions = True

    def sync_deletions(self) -> None:
        """Let what has been deleted stay so. Blocks; in any thread. Raises OSError."""
        self.has_unsynced_deletions = False
        try:
            self._disk.sync_dir(self.path)
        except OSError:
            self.has_unsynced_deletions = True
            raise

    def take_deleted_logs(self, now_ms: int) -> list[str]:
        """Paths of logs that were deleted long enough ago: for `remove_directory`, after `sync_deletions`."""
        return self._deleted.take_due(now_ms)

    def remove_directory(self, path: str) -> None:
        """Remove a deleted log with its files. Raises OSError."""
        assert path.endswith(filenames.DELETED_DIRECTORY), "only what is marked as deleted is removed"
        for name in self._disk.list(path):
            self._disk.remove(os.path.join(path, name))
        self._disk.remove_dir(path)

    # Who has used it.

    def intend_to_register(self, incarnation_id: bytes) -> None:
        """Write down that a registration is about to be asked for: who dies before its answer knows it by this.

        It says nothing new about the directory, so the boot stays the one in which it was last used. But what was
        closed cleanly is on stable storage, whatever the policy was.
        """

        def intend(note: RegistrationNote) -> RegistrationNote:
            if self.clean:
                note = RegistrationNote(self.complete_since(), self._disk.boot_id(), True, note.incarnations)
            return note.intending(incarnation_id)

        self._write_registration(intend)

    def remember_epoch(self, broker_epoch: int, *, synced: bool) -> None:
        """From now on the directory is used in this broker epoch, and only now anything may be acknowledged in it.

        `synced`: whether that is on stable storage first.
        """
        self._write_registration(lambda _: RegistrationNote(broker_epoch, self._disk.boot_id(), synced))

    def doubt_caches(self) -> None:
        """A sync has failed: pages may be gone though the machine is not started again. Blocks. Raises OSError.

        Of what had been left to the page cache the next start does not claim to have everything. Any thread may ask.
        """
        self._write_registration(lambda note: structs.replace(note, boot_id=""))

    @property
    def was_synced(self) -> bool:
        """Whether all that was acknowledged here had been on stable storage when this start began."""
        return self.clean or self.registration.synced

    def complete_since(self) -> int:
        """The broker epoch in which the directory was last used, if it has all that was acknowledged then; else -1.

        What was on stable storage before it was acknowledged is there. What was left to the page cache is, after a
        clean stop, or as long as the machine has not been started again and no sync has failed. That is all that is
        known before the logs have been opened: see what their recovery says about each.
        """
        note = self.registration
        if self.clean and note.epoch == NO_EPOCH:
            return self.previous_broker_epoch
        same_boot = bool(note.boot_id) and note.boot_id == self._disk.boot_id()
        return note.epoch if self.was_synced or same_boot else NO_EPOCH

    def remember_metadata(self, offset: int, epoch: int) -> None:
        """The metadata up to that record has been acted upon here."""
        self._disk.replace_file(self._at(SEEN_METADATA), checkpoints.encode_seen_metadata(offset, epoch))
        self.seen_metadata = offset, epoch

    def _read_seen_metadata(self) -> tuple[int, int]:
        try:
            return checkpoints.decode_seen_metadata(self._disk.read_file(self._at(SEEN_METADATA)))
        except FileNotFoundError:
            return _NO_OFFSET, NO_EPOCH
        except CorruptCheckpoint:
            self.damaged.append(SEEN_METADATA)
            return _NO_OFFSET, NO_EPOCH

    def what_damage_means(self) -> list[str]:
        """A line for each file in `damaged`, for the operator."""
        return [f"{self._at(name)} is damaged: {_WITHOUT.get(name, _WITHOUT_CHECKPOINT)}" for name in self.damaged]

    # The end.

    def mark_clean(self, broker_epoch: int) -> None:
        """Say that every log here was closed cleanly, and that no checkpoint will change."""
        self._disk.replace_file(self._at(CLEAN_SHUTDOWN), checkpoints.encode_clean_shutdown(broker_epoch))

    def release(self) -> None:
        """Let another process have the directory."""
        self._lock.release()

    # How it is done.

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _read_meta(self, cluster_id: str, node_id: int, new_directory_id: bytes) -> None:
        self.cluster_id, self.node_id, self.directory_id = cluster_id, node_id, new_directory_id
        path = self._at(META_PROPERTIES)
        if not self._disk.exists(path):
            self._write_meta(path)
            return
        try:
            found = checkpoints.decode_meta(self._disk.read_file(path))
        except CorruptCheckpoint as error:
            raise InconsistentDirectory(
                f"{path} is damaged: {error}. If the directory is this broker's, write the file anew, with the lines"
                f" version=1, cluster.id={cluster_id or '(as the other nodes have it)'} and node.id={node_id}"
            ) from None
        for key, ours in (("cluster.id", cluster_id), ("node.id", str(node_id))):
            theirs = found.get(key, ours)
            if theirs != ours:
                raise InconsistentDirectory(f"{self.path} has {key} {theirs}, but this broker has {ours}")
        directory_id = checkpoints.decode_id(found.get("directory.id", ""))
        if directory_id is not None:
            self.directory_id = directory_id
        else:
            self._write_meta(path)

    def _write_meta(self, path: str) -> None:
        properties = {
            "version": "1",
            "cluster.id": self.cluster_id,
            "node.id": str(self.node_id),
            "directory.id": checkpoints.encode_id(self.directory_id),
        }
        self._disk.replace_file(path, checkpoints.encode_properties(properties))

    def _take_clean_shutdown(self) -> None:
        path = self._at(CLEAN_SHUTDOWN)
        if not self._disk.exists(path):
            return
        try:
            self.previous_broker_epoch = checkpoints.decode_clean_shutdown(self._disk.read_file(path))
            self.clean = True
        except CorruptCheckpoint:
            self.damaged.append(CLEAN_SHUTDOWN)
        self._disk.remove(path)
        self._disk.sync_dir(self.path)

    def _read_registration(self) -> RegistrationNote:
        try:
            return decode_note(self._disk.read_file(self._at(REGISTRATION)))
        except FileNotFoundError:
            return RegistrationNote()
        except CorruptCheckpoint:
            self.damaged.append(REGISTRATION)
            return RegistrationNote()

    def _write_registration(self, changed: Callable[[RegistrationNote], RegistrationNote]) -> None:
        with self._note_lock:
            note = changed(self.registration)
            if note != self.registration:
                self._disk.replace_file(self._at(REGISTRATION), encode_note(note))
                self.registration = note


def _make_for_good(disk: Disk, path: str) -> None:
    """Create the directory with what is missing above it: a power cut takes none of them, and so nothing inside."""
    changed: list[str] = []
    missing = os.path.abspath(path)
    while not disk.exists(missing):
        missing = os.path.dirname(missing)
        changed.append(missing)
    disk.make_dirs(path)
    for directory in changed:
        disk.sync_dir(directory)
