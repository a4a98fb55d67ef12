"""`odradek topic`: create, list, describe, alter, delete, sizes, trim."""

from __future__ import annotations

import time
from typing import Annotated, Any

from odradek import Admin, TopicAlreadyExists
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.places import named_partitions, offsets_at
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, parse_pairs, run, security_for
from odradek_cli.when import parse_place

topic = Group("topic", "Topics and their configuration.")

MAX_INT16, MAX_INT32 = 2**15 - 1, 2**31 - 1

Name = Annotated[str, Argument("The topic.", completes="topic")]
Configs = Annotated[list[str] | None, Option("--config", "-c", help="NAME=VALUE, as in retention.ms=60000.")]


@topic.command()
def create(
    name: Name,
    partitions: Annotated[
        int, Option("--partitions", "-p", min=-1, max=MAX_INT32, help="-1: the broker's num.partitions.")
    ] = -1,
    replication_factor: Annotated[
        int, Option("--replication-factor", "-r", min=-1, max=MAX_INT16, help="-1: the broker's own.")
    ] = -1,
    config: Configs = None,
    if_not_exists: Annotated[bool, Option(help="Be content with a topic of that name, whatever it is like.")] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Create a topic, and wait until it can be used."""
    configs: dict[str, str | None] = {**parse_pairs(config or [], "--config")}

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            try:
                await admin.create_topic(name, partitions, replication_factor, configs=configs)
            except TopicAlreadyExists:
                if not if_not_exists:
                    raise

    run(work, bootstrap)


@topic.command("list")
def list_topics(
    internal: Annotated[bool, Option(help="Topics of the broker's own too.")] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List topics with their numbers of partitions."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            names = await admin.list_topics(internal=internal)
            found = await admin.describe_topics(*names) if names else {}
        rows: list[dict[str, Any]] = [
            {"topic": name, "partitions": len(each.partitions), "replication_factor": each.replication_factor}
            for name, each in sorted(found.items())
        ]
        show(["topic", "partitions", "replication_factor"], rows, as_json=as_json)

    run(work, bootstrap)


@topic.command()
def describe(
    name: Name,
    configs: Annotated[
        bool, Option("--configs", help="The whole configuration, with where each value comes from.")
    ] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show a topic's partitions, and the configuration that is not the default."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            described = await admin.describe_topic(name)
            entries = await admin.describe_configs(name)
        rows: list[dict[str, Any]] = [
            {
                "topic": name,
                "partition": partition.index,
                "leader": partition.leader,
                "replicas": list(partition.replicas),
                "isr": list(partition.isr),
            }
            for partition in described.partitions
        ]
        show(["topic", "partition", "leader", "replicas", "isr"], rows, as_json=as_json)
        values: list[dict[str, Any]] = [
            {"config": entry.name, "value": entry.value, "source": entry.source.name.lower()}
            for entry in entries.values()
            if configs or not entry.is_default
        ]
        show(["config", "value", *(["source"] if configs else [])], values, as_json=as_json)

    run(work, bootstrap)


@topic.command()
def alter(
    name: Name,
    partitions: Annotated[
        int | None, Option("--partitions", "-p", min=1, max=MAX_INT32, help="More partitions than now.")
    ] = None,
    config: Configs = None,
    delete_config: Annotated[list[str] | None, Option(help="A key to have its default again.")] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Change a topic's configuration, or give it more partitions."""
    changed = parse_pairs(config or [], "--config")
    if partitions is None and not changed and not delete_config:
        raise UsageError("say what to change: --partitions, --config or --delete-config")

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            if changed or delete_config:
                await admin.alter_configs(name, set=changed, delete=delete_config or ())
            if partitions is not None:
                await admin.create_partitions(name, partitions)

    run(work, bootstrap)


@topic.command()
def delete(
    names: Annotated[list[str], Argument("Topics.", completes="topic")], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> None:
    """Delete topics with all their records."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            for name in names:
                await admin.delete_topic(name)

    run(work, bootstrap)


@topic.command()
def sizes(
    names: Annotated[list[str] | None, Argument("Topics; all where none is named.", completes="topic")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show for each partition which offsets it has, and the bytes that it takes on its brokers' disks."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            partitions = await named_partitions(admin, [(each, []) for each in names or await admin.list_topics()])
            begins = await admin.beginning_offsets(partitions)
            ends = await admin.end_offsets(partitions)
            bytes_of = await admin.replica_sizes(partitions)
        rows: list[dict[str, Any]] = []
        for each in partitions:
            replicas = bytes_of.get(each, {})
            rows.append(
                {
                    "topic": each.topic,
                    "partition": each.partition,
                    "begin": begins[each],
                    "end": ends[each],
                    "bytes": max(replicas.values(), default=None),
                    "bytes_on_all": sum(replicas.values()),
                }
            )
        show(["topic", "partition", "begin", "end", "bytes", "bytes_on_all"], rows, as_json=as_json)

    run(work, bootstrap)


@topic.command()
def trim(
    name: Name,
    before: Annotated[
        str, Option(metavar="PLACE", help="Offset, time (2026-01-31T12:00), -7d, or latest for all there is.")
    ],
    partition: Annotated[list[int] | None, Option("--partition", "-p", min=0, help="Only of this partition.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Delete a topic's records before an offset or a time, for good, and show where its partitions begin then."""
    try:
        place = parse_place(before, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise UsageError(f"--before {error}") from None

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            wanted = await named_partitions(admin, [(name, partition or [])])
            begins = await admin.delete_records(await offsets_at(admin, wanted, place))
        rows = [{"topic": name, "partition": each.partition, "begin": begin} for each, begin in sorted(begins.items())]
        show(["topic", "partition", "begin"], rows, as_json=as_json)

    run(work, bootstrap)
