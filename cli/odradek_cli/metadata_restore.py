"""What `odradek metadata restore` does: ask brokers for the metadata that they have, and write a journal of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek_broker.controller.frame import unframe
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.restore import Known, Remains, remains_of, set_aside, write
from odradek_broker.log.checkpoints import decode_properties, encode_restored_meta
from odradek_broker.log.directory import LOCK, META_PROPERTIES
from odradek_broker.metadata.messages import TellMetadataRequest, TellMetadataResponse
from odradek_broker.metadata.peer import Peer, PeerUnreachable
from odradek_broker.ports.disk import RealDisk
from odradek_broker.ports.network import Address
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_cli.metadata_source import METADATA_LOG

PATIENCE_S = 10.0


class Found(Struct, frozen=True):
    """What a journal can be made of."""

    known: list[Known]
    silent: list[str]
    """Who did not answer, and why."""


def ask_all(addresses: list[Address]) -> Found:
    found = Found([], [])
    trio.run(_ask_all, addresses, found)
    return found


async def _ask_all(addresses: list[Address], found: Found) -> None:
    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(_ask, address, found)


async def _ask(address: Address, found: Found) -> None:
    peer = Peer(TcpNetwork(), address, "metadata-restore")
    try:
        answer = await peer.ask(TellMetadataRequest(), TellMetadataResponse, 0, PATIENCE_S)
        records = [unframe(bytes(each)) for each in answer.records]
    except (PeerUnreachable, ProtocolError) as error:
        found.silent.append(str(error))
        return
    finally:
        peer.close()
    if answer.error_code:
        error_name = ErrorCode.from_code(answer.error_code).name
        found.silent.append(f"{address[0]}:{address[1]} tells its metadata to brokers only ({error_name})")
        return
    image = replay(MetadataImage(cluster_id=answer.cluster_id), records, answer.last_offset)
    found.known.append(Known(f"node {answer.node_id} at {address[0]}:{address[1]}", image, answer.epoch))


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
