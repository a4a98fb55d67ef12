"""`odradek group`: who consumes, and how far they are; and moving them elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.moves import COLUMNS as MOVED
from odradek_cli.moves import check_nobody_is_in, moves, target_of
from odradek_cli.places import named_by, named_partitions
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for
from odradek_cli.when import show_moment

group = Group("group", "Consumer groups.")

LAGS = ["group", "topic", "partition", "committed", "end", "lag", "lag_bytes", "lag_seconds", "member", "host"]
REBALANCES = ["group", "time", "generation", "cause", "member", "client", "host", "seconds", "members"]
MEMBERS = ["group", "member", "instance", "client", "host", "partitions"]

Name = Annotated[str, Argument("The group.", completes="group")]
Topics = Annotated[
    list[str] | None, Argument("TOPIC, or TOPIC:0,2; else all that the group has committed in.", completes="topic")
]


@group.command("list")
def list_groups(
    state: Annotated[list[str] | None, Option(help="Only groups in this state, such as Empty.")] = None,
    type: Annotated[list[str] | None, Option(help="Only of this type: classic, consumer, share.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List groups with their states."""
    states, types = ({word.lower() for word in words or ()} for words in (state, type))

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await admin.list_groups()
        rows: list[dict[str, Any]] = [
            {"group": each.group_id, "state": each.state, "type": each.group_type}
            for each in sorted(found, key=lambda each: each.group_id)
            if (not states or each.state.lower() in states) and (not types or each.group_type.lower() in types)
        ]
        show(["group", "state", "type"], rows, as_json=as_json)

    run(work, bootstrap)


@group.command()
def describe(
    name: Name,
    committed: Annotated[
        bool, Option("--committed", help="Lag of consumers that read only what is committed.")
    ] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show for each partition what the group has committed, its lag, and the member that has it."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            described = await admin.describe_group(name)
            lags = await admin.group_lag(name, read_committed=committed)
        owners = {partition: member for member in described.members for partition in member.partitions}
        rows: list[dict[str, Any]] = []
        for partition in sorted({*lags, *owners}):
            lag, owner = lags.get(partition), owners.get(partition)
            rows.append(
                {
                    "group": name,
                    "topic": partition.topic,
                    "partition": partition.partition,
                    "committed": None if lag is None else lag.offset,
                    "end": None if lag is None else lag.end,
                    "lag": None if lag is None else lag.records,
                    "lag_bytes": None if lag is None else lag.size_bytes,
                    "lag_seconds": None if lag is None else lag.age_s,
                    "member": None if owner is None else owner.member_id,
                    "host": None if owner is None else owner.client_host,
                }
            )
        show(LAGS, rows, as_json=as_json)

    run(work, bootstrap)


@group.command()
def members(name: Name, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show who is in the group, from where, and which partitions each has."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            described = await admin.describe_group(name)
        rows: list[dict[str, Any]] = [
            {
                "group": name,
                "member": each.member_id,
                "instance": each.instance_id,
                "client": each.client_id,
                "host": each.client_host,
                "partitions": [str(partition) for partition in sorted(each.partitions)],
            }
            for each in described.members
        ]
        show(MEMBERS, rows, as_json=as_json)

    run(work, bootstrap)


@group.command()
def history(name: Name, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show the group's last rebalances: when, why, who caused each, and how long it took."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await admin.group_history(name)
        rows: list[dict[str, Any]] = [
            {
                "group": name,
                "time": show_moment(each.began_ms),
                "generation": each.generation,
                "cause": each.cause,
                "member": each.member_id,
                "client": each.client_id,
                "host": each.client_host,
                "seconds": each.took_s,
                "members": each.member_count,
            }
            for each in found
        ]
        show(REBALANCES, rows, as_json=as_json)

    run(work, bootstrap)


@group.command()
def delete(
    names: Annotated[list[str], Argument("Groups without members.", completes="group")],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Delete groups with all that they have committed."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            for name in names:
                await admin.delete_group(name)

    run(work, bootstrap)


@group.command()
def reset(
    name: Name,
    topics: Topics = None,
    to_time: Annotated[
        str | None, Option(metavar="TIME", help="The first record from then on: 2026-01-31T12:00, or -2h.")
    ] = None,
    to_offset: Annotated[int | None, Option(min=0, help="This offset, or the beginning or end next to it.")] = None,
    shift: Annotated[int | None, Option(help="So many offsets on; below 0, back.")] = None,
    to_earliest: Annotated[bool, Option("--to-earliest", help="Where the partitions begin.")] = False,
    to_latest: Annotated[bool, Option("--to-latest", help="Where the partitions end.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would become of it, and change nothing.")] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Let a group without members go on elsewhere, and show how many records that skips or repeats."""
    target = target_of(to_time, to_offset, shift, to_earliest, to_latest)
    named = named_by(topics)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await check_nobody_is_in(admin.describe_group, name, may_be_new=bool(named))
            committed = {each: found.offset for each, found in (await admin.group_offsets(name)).items()}
            partitions = await named_partitions(admin, named) if named else sorted(committed)
            decided = await moves(admin, partitions, committed, target)
            if not dry_run:
                await admin.alter_group_offsets(name, {each.partition: each.after for each in decided})
        show(MOVED, [each.row(name) for each in decided], as_json=as_json)

    run(work, bootstrap)


@group.command("delete-offsets")
def delete_offsets(
    name: Name,
    topics: Annotated[list[str], Argument("TOPIC, or TOPIC:0,2.", completes="topic")],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Forget what a group has committed in topics that no member subscribes to."""
    named = named_by(topics)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            committed = await admin.group_offsets(name)
            meant = [
                each
                for topic, numbers in named
                for each in committed
                if each.topic == topic and (not numbers or each.partition in numbers)
            ]
            if not meant:
                raise Failed(f"group {name} has committed nothing there")
            await admin.delete_group_offsets(name, meant)

    run(work, bootstrap)
