"""`odradek share-group`: groups whose members share records; how far they are, and moving them elsewhere."""

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

share_group = Group("share-group", "Share groups, whose members share records.")

SHARE = "share"
STARTS = ["group", "topic", "partition", "leader_epoch", "start_offset", "lag"]
MEMBERS = ["group", "member", "client", "host", "partitions"]

Name = Annotated[str, Argument("The group.", completes="group")]
Topics = Annotated[
    list[str] | None, Argument("TOPIC, or TOPIC:0,2; else all that the group shares.", completes="topic")
]


@share_group.command("list")
def list_groups(
    state: Annotated[list[str] | None, Option(help="Only groups in this state, such as Empty.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List share groups with their states."""
    states = {word.lower() for word in state or ()}

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = [each for each in await admin.list_groups() if each.group_type.lower() == SHARE]
        rows: list[dict[str, Any]] = [
            {"group": each.group_id, "state": each.state}
            for each in found
            if not states or each.state.lower() in states
        ]
        show(["group", "state"], rows, as_json=as_json)

    run(work, bootstrap)


@share_group.command()
def describe(name: Name, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show for each partition the offset before which all is done with, and the lag."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await admin.describe_share_group(name)
            found = await admin.share_group_offsets(name)
        rows: list[dict[str, Any]] = [
            {
                "group": name,
                "topic": partition.topic,
                "partition": partition.partition,
                "leader_epoch": each.leader_epoch,
                "start_offset": each.start_offset,
                "lag": each.lag,
            }
            for partition, each in sorted(found.items())
        ]
        show(STARTS, rows, as_json=as_json)

    run(work, bootstrap)


@share_group.command()
def members(name: Name, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show who is in the group, from where, and from which partitions each gets records."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            described = await admin.describe_share_group(name)
        rows: list[dict[str, Any]] = [
            {
                "group": name,
                "member": each.member_id,
                "client": each.client_id,
                "host": each.client_host,
                "partitions": [str(partition) for partition in sorted(each.partitions)],
            }
            for each in described.members
        ]
        show(MEMBERS, rows, as_json=as_json)

    run(work, bootstrap)


@share_group.command()
def delete(
    names: Annotated[list[str], Argument("Share groups without members.", completes="group")],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Delete share groups, with how far they are."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            for name in names:
                await admin.describe_share_group(name)  # which says so where it is a group of another kind
                await admin.delete_group(name)

    run(work, bootstrap)


@share_group.command()
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
    """Let a share group without members begin elsewhere, and show how many records lie between.

    Of records that it skips, some may have been dealt with already.
    """
    target = target_of(to_time, to_offset, shift, to_earliest, to_latest)
    named = named_by(topics)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await check_nobody_is_in(admin.describe_share_group, name, may_be_new=bool(named))
            found = await admin.share_group_offsets(name)
            starts = {each: one.start_offset for each, one in found.items() if one.start_offset is not None}
            partitions = await named_partitions(admin, named) if named else sorted(found)
            decided = await moves(admin, partitions, starts, target)
            if not dry_run:
                await admin.alter_share_group_offsets(name, {each.partition: each.after for each in decided})
        show(MOVED, [each.row(name) for each in decided], as_json=as_json)

    run(work, bootstrap)


@share_group.command("delete-offsets")
def delete_offsets(
    name: Name,
    topics: Annotated[list[str], Argument("Topics.", completes="topic")],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Forget how far a share group without members is in whole topics."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await admin.describe_share_group(name)
            shared = {each.topic for each in await admin.share_group_offsets(name)}
            lacking = [topic for topic in topics if topic not in shared]
            if lacking:
                raise Failed(f"share group {name} does not share {lacking[0]}")
            await admin.delete_share_group_offsets(name, topics)

    run(work, bootstrap)
