"""Where metadata records are read from, by somebody who only looks: a directory, or etcd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import crc_is_valid
from odradek.protocol.records.record import decode_batch
from odradek_broker.config.load import ConfigError, load_broker_config, settings_of
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.image import METADATA_TOPIC
from odradek_broker.controller.journal import Entry
from odradek_broker.controller.journal_files import newest_snapshot
from odradek_broker.election.etcd import Etcd
from odradek_broker.election.etcd_journal import EtcdJournal, cluster_id_key
from odradek_broker.election.gateway import HttpGateway
from odradek_broker.log.checkpoints import decode_properties
from odradek_broker.log.directory import META_PROPERTIES
from odradek_broker.ports.disk import RealDisk
from odradek_broker.tls.stores import StoreError
from odradek_cli.failures import Failed
from odradek_cli.running import NoCluster, find_cluster
from odradek_cli.secured import SETTINGS
from odradek_cli.segment_files import batches_of

METADATA_LOG = f"{METADATA_TOPIC}-0"
CONTROLLER = "controller"
"""The controller's directory in a cluster's."""
ETCD_PREFIX = "odradek"
NO_LEADER = 0
"""No revision that anything was created at: a journal of it can write nothing."""


class NoMetadata(Failed):
    """There is no metadata log here, or it cannot be read."""


class Decided(Struct, frozen=True):
    """A record, with its place and time."""

    offset: int
    timestamp: int | None
    """None where the journal does not know."""
    record: Struct


class Journal(Struct, frozen=True):
    """All that the controllers of a cluster have decided, to be gone through once."""

    cluster_id: str
    decided: Iterator[Decided]


def in_directory(directory: Path) -> Journal:
    """A controller's, a cluster's that has one controller or is running, or the log's own.

    Raises NoMetadata, and while it is gone through also ProtocolError, OSError.
    """
    if not directory.is_dir():
        raise NoMetadata(f"{directory} is not a directory" if directory.exists() else f"there is no {directory}")
    candidates = [directory / METADATA_LOG, directory / CONTROLLER / METADATA_LOG]
    if directory.name == METADATA_LOG:
        candidates.insert(0, directory)
    log = next((each for each in candidates if any(each.glob("*.log")) or any(each.glob("*.checkpoint"))), None)
    if log is not None:
        return Journal(_cluster_id(log.parent), _decided(log))
    with suppress(NoCluster):
        return running(str(directory))
    raise NoMetadata(f"{directory} has no {METADATA_LOG}: it is no controller's data directory")


def in_etcd(endpoints: Sequence[str], prefix: str, settings: Path | None = None) -> Journal:
    """`settings`: of a controller, as which to come to etcd.

    Raises NoMetadata, EtcdUnavailable, ProtocolError; OSError where httpx is not installed.
    """
    try:
        as_whom = {} if settings is None else settings_of(settings, "etcd.")
        gateway = HttpGateway(load_broker_config(None, {}, as_whom | {"etcd.endpoints": ",".join(endpoints)}).config)
    except (ConfigError, StoreError) as error:
        raise NoMetadata(str(error)) from None
    etcd = Etcd(endpoints, gateway)
    try:
        cluster_id = etcd.get(cluster_id_key(prefix))
        if cluster_id is None:
            raise NoMetadata(f"etcd at {', '.join(endpoints)} has no metadata with the prefix {prefix}")
        decided = list(_entries(EtcdJournal(etcd, prefix, NO_LEADER).replay()))
    finally:
        gateway.close()
    return Journal(cluster_id.value.decode(), iter(decided))


def running(data_dir: str | None = None) -> Journal:
    """Of the cluster that `odradek up` runs, on that data directory. Raises NoCluster, and as the others do."""
    found = find_cluster(data_dir)
    if found.etcd:
        settings = None if found.profile is None else Path(found.profile).with_name(SETTINGS)
        return in_etcd(found.etcd.split(","), ETCD_PREFIX, settings)
    return in_directory(Path(found.data_dir) / CONTROLLER)


def _cluster_id(directory: Path) -> str:
    try:
        return decode_properties((directory / META_PROPERTIES).read_bytes()).get("cluster.id", "")
    except FileNotFoundError:
        return ""


def _decided(log: Path) -> Iterator[Decided]:
    """The newest snapshot, and what the log has behind it. A batch that is being written at the moment is left out."""
    snapshot, _ = newest_snapshot(RealDisk(), str(log))
    start = 0 if snapshot is None else snapshot.id.end_offset
    if snapshot is not None:
        for each in snapshot.records:
            yield Decided(start - 1, snapshot.timestamp_ms, each)
    for path in sorted(log.glob("*.log")):
        for position, header, batch in batches_of(path):
            if header.next_offset <= start:
                continue
            if not crc_is_valid(batch, 0, header):
                raise NoMetadata(f"{path}: the checksum does not match at position {position}")
            if header.is_control:
                continue  # Kafka's own controllers leave some
            try:
                for record in decode_batch(batch):
                    yield Decided(record.offset, record.timestamp, unframe(record.value or b""))
            except ProtocolError as error:
                raise NoMetadata(f"{path}: position {position}: {error}") from None


def _entries(entries: Iterable[Entry]) -> Iterator[Decided]:
    for entry in entries:
        first = entry.last_offset - len(entry.records) + 1
        for number, record in enumerate(entry.records):
            yield Decided(entry.last_offset if entry.is_snapshot else first + number, None, record)
