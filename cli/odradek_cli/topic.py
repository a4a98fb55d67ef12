"""`odradek topic`: create, list, describe, alter, delete."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, parse_pairs, run

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
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Create a topic, and wait until it can be used."""
    configs: dict[str, str | None] = {**parse_pairs(config or [], "--config")}

    async def work() -> None:
        async with Admin(bootstrap) as admin:
            await admin.create_topic(name, partitions, replication_factor, configs=configs)

    run(work, bootstrap)


@topic.command("list")
def list_topics(
    internal: Annotated[bool, Option(help="Topics of the broker's own too.")] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List topics with their numbers of partitions."""

    async def work() -> None:
        async with Admin(bootstrap) as admin:
            names = await admin.list_topics(internal=internal)
            found = await admin.describe_topics(*names) if names else {}
        rows: list[dict[str, Any]] = [
            {"topic": name, "partitions": len(each.partitions), "replication_factor": each.replication_factor}
            for name, each in sorted(found.items())
        ]
        show(["topic", "partitions", "replication_factor"], rows, as_json=as_json)

    run(work, bootstrap)


@topic.command()
def describe(name: Name, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show a topic's partitions, and the configuration that is not the default."""

    async def work() -> None:
        async with Admin(bootstrap) as admin:
            described = await admin.describe_topic(name)
            configs = await admin.describe_configs(name)
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
        own = [{"config": entry.name, "value": entry.value} for entry in configs.values() if not entry.is_default]
        show(["config", "value"], own, as_json=as_json)

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
        async with Admin(bootstrap) as admin:
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
        async with Admin(bootstrap) as admin:
            for name in names:
                await admin.delete_topic(name)

    run(work, bootstrap)
