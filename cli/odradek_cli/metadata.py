"""`odradek metadata`: what a controller has decided, out of its journal, with the controller down or not.

What needs brokers, or writes, is imported by the command that does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from odradek.network import Address, parse_bootstrap
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.election.etcd import EtcdUnavailable
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.failures import Failed
from odradek_cli.metadata_source import Decided, Journal, NoMetadata, in_directory, in_etcd, running
from odradek_cli.metadata_text import fields_of, line_of, rows_of
from odradek_cli.session import AsJson, security_for
from odradek_cli.when import show_moment

metadata = Group("metadata", "The cluster's metadata.")


@metadata.command()
def dump(
    directory: Annotated[
        Path | None, Argument("A controller's data directory, or a cluster's; else the cluster that runs.")
    ] = None,
    etcd: Annotated[list[str] | None, Option(help="An endpoint of etcd, to read there; repeatable.")] = None,
    prefix: Annotated[str, Option(help="What the keys in etcd begin with: etcd.prefix.")] = "odradek",
    config: Annotated[
        Path | None, Option(help="A controller's settings, for those of TLS and the login at etcd.", completes="file")
    ] = None,
    image: Annotated[bool, Option("--image", help="What the records amount to, not each of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the records of the cluster's metadata, or what they amount to. Nothing is changed."""
    try:
        journal = _find(directory, etcd or [], prefix, config)
        for line in _image(journal, as_json) if image else _records(journal, as_json):
            print(line)
    except EtcdUnavailable as error:
        raise Failed(str(error)) from None


@metadata.command()
def restore(
    data_dir: Annotated[Path, Option(help="The data directory of a controller that does not run.")],
    sources: Annotated[
        list[str] | None, Option("--from", help="HOST:PORT of nodes that run, by comma; repeatable.")
    ] = None,
    yes: Annotated[bool, Option("--yes", help="Write; without it nothing is changed.")] = False,
    even_if_less: Annotated[
        bool, Option("--even-if-less", help="Although more was decided; data of topics may be set aside.")
    ] = False,
) -> None:
    """Make a controller's journal anew, out of the newest metadata that running brokers have in memory."""
    from odradek_broker.controller.restore import CannotRestore, choose
    from odradek_broker.log.failures import CorruptCheckpoint
    from odradek_broker.ports.disk import AlreadyLocked
    from odradek_cli.metadata_restore import Restoration, ask_all

    restoration = Restoration(data_dir)
    try:
        found = ask_all(_addresses(sources or []), security_for(",".join(sources or [])))
        for line in found.silent:
            print(f"odradek: {line}", file=sys.stderr)
        for each in found.known:
            print(f"{each.by}: {_extent(each.image)}, epoch {each.epoch}")
        remains, cluster_id = restoration.remains()
        newest = choose(found.known, remains, cluster_id, even_if_less=even_if_less)
        print(f"newest, with what the journal shows: {_extent(newest.image)}, out of {newest.by}")
        if newest.image.offset + 1 < remains.proven_end:
            print(f"LESS than what was decided: the journal shows that it went on to offset {remains.proven_end - 1}")
        if not yes:
            print("nothing was changed; with --yes that is what the controller starts with")
            return
        with restoration.alone():
            path, copy = restoration.write(newest, restoration.remains()[0])
    except AlreadyLocked:
        raise Failed(f"{data_dir} is in use: stop the controller first") from None
    except (CannotRestore, CorruptCheckpoint) as error:
        raise Failed(str(error)) from None
    print(f"wrote {path}" + (f"; the files that were there are copied to {copy}" if copy else ""))


def _addresses(given: list[str]) -> list[Address]:
    try:
        return [address for text in given for address in parse_bootstrap(text)]
    except ValueError as error:
        raise UsageError(f"--from {error}") from None


def _extent(image: MetadataImage) -> str:
    return f"offset {image.offset}, {len(image.brokers)} brokers, {len(image.topics)} topics"


def _find(directory: Path | None, endpoints: list[str], prefix: str, settings: Path | None) -> Journal:
    if endpoints and directory is not None:
        raise NoMetadata("give a directory or --etcd, not both")
    if endpoints:
        return in_etcd(endpoints, prefix, settings)
    return running() if directory is None else in_directory(directory)


def _records(journal: Journal, as_json: bool) -> Iterator[str]:
    for each in _all(journal):
        kind, fields = type(each.record).__name__, fields_of(each.record)
        if as_json:
            yield _json({"offset": each.offset, "timestamp": each.timestamp, "type": kind, "fields": fields})
        else:
            moment = show_moment(-1 if each.timestamp is None else each.timestamp)
            yield line_of(f"{each.offset}  {moment}  {kind}", fields)


def _image(journal: Journal, as_json: bool) -> Iterator[str]:
    for kind, fields in rows_of(_replayed(list(_all(journal)), journal.cluster_id)):
        yield _json({"type": kind, "fields": fields}) if as_json else line_of(kind, fields)


def _all(journal: Journal) -> Iterator[Decided]:
    found = False
    for each in journal.decided:
        found = True
        yield each
    if not found:
        raise NoMetadata("nothing has been decided there yet")


def _replayed(decided: list[Decided], cluster_id: str) -> MetadataImage:
    empty = MetadataImage(cluster_id=cluster_id)
    try:
        return replay(empty, [each.record for each in decided], decided[-1].offset)
    except (AssertionError, KeyError) as error:
        raise NoMetadata(f"the records do not fit together: {type(error).__name__} {error}") from None


def _json(row: dict[str, Any]) -> str:
    return msgspec.json.encode(row).decode()
