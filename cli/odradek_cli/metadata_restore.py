"""What `odradek metadata restore` does: ask brokers for the metadata that they have, and write a journal of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from msgspec import Struct

from odradek.activity import Activities
from odradek.cluster.connections import ConnectionPool
from odradek.errors import OdradekError
from odradek.network import Address, Surroundings
from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek.security import Security
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.restore import Known, Remains, remains_of, set_aside, write
from odradek_broker.log.checkpoints import decode_properties, encode_restored_meta
from odradek_broker.log.directory import LOCK, META_PROPERTIES
from odradek_broker.metadata.messages import TellMetadataRequest, TellMetadataResponse
from odradek_broker.ports.disk import RealDisk
from odradek_cli.metadata_source import METADATA_LOG

PATIENCE_S = 10.0


class Found(Struct, frozen=True):
    """What a journal can be made of."""

    known: list[Known]
    silent: list[str]
    """Who did not answer, and why."""


def ask_all(addresses: list[Address], security: Security) -> Found:
    """`security`: as whom to come; nodes that ask for a login tell their metadata to super users and brokers alone."""
    found = Found([], [])
    trio.run(_ask_all, addresses, security, found)
    return found


async def _ask_all(addresses: list[Address], security: Security, found: Found) -> None:
    async with trio.open_nursery() as nursery:
        connections = ConnectionPool(
            nursery,
            Surroundings(),
            Activities(),
            client_id="metadata-restore",
            connect_timeout_s=PATIENCE_S,
            security=security,
        )
        async with trio.open_nursery() as asking:
            for address in addresses:
                asking.start_soon(_ask, address, connections, found)
        nursery.cancel_scope.cancel()


async def _ask(address: Address, connections: ConnectionPool, found: Found) -> None:
    name = f"{address[0]}:{address[1]}"
    try:
        connection = await connections.connect(name, "metadata", *address, name)
        answer = await connection.request(TellMetadataRequest(), TellMetadataResponse, PATIENCE_S, 0)
        records = [unframe(bytes(each)) for each in answer.records]
    except (OdradekError, ProtocolError) as error:
        found.silent.append(str(error))
        return
    if answer.error_code:
        error_name = ErrorCode.from_code(answer.error_code).name
        found.silent.append(f"{name} tells its metadata to brokers and super users only ({error_name})")
        return
    image = replay(MetadataImage(cluster_id=answer.cluster_id), records, answer.last_offset)
    found.known.append(Known(f"node {answer.node_id} at {name}", image, answer.epoch))


class Restoration:
    """Of one controller's data directory."""

    def __init__(self, data_directory: Path) -> None:
        self._disk = RealDisk()
        self._path = str(data_directory)
        self._journal = os.path.join(self._path, METADATA_LOG)
        self._meta = os.path.join(self._path, META_PROPERTIES)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep controllers away. Raises AlreadyLocked, OSError."""
        self._disk.make_dirs(self._path)
        lock = self._disk.lock(os.path.join(self._path, LOCK))
        try:
            yield
        finally:
            lock.release()

    def remains(self) -> tuple[Remains, str]:
        """What the journal still shows, and the cluster's id. Raises CorruptCheckpoint, OSError."""
        meta = decode_properties(self._disk.read_file(self._meta)) if self._disk.exists(self._meta) else {}
        cluster_id = meta.get("cluster.id", "")
        return remains_of(self._disk, self._journal, cluster_id), cluster_id

    def write(self, newest: Known, remains: Remains) -> tuple[str, str | None]:
        """The path of the snapshot that is the new journal, and where the old files have been copied to."""
        now_ms = time.time_ns() // 1_000_000
        copy = set_aside(self._disk, self._journal, str(now_ms))
        if not self._disk.exists(self._meta):
            self._disk.replace_file(self._meta, encode_restored_meta(newest.image.cluster_id))
        id = write(self._disk, self._journal, newest, remains, now_ms)
        return os.path.join(self._journal, id.file_name), copy
