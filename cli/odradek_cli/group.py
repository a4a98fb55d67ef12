"""`odradek group`: who consumes, and how far they are."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run

group = Group("group", "Consumer groups.")

COLUMNS = ["group", "topic", "partition", "committed", "end", "lag", "lag_bytes", "lag_seconds", "member", "host"]


@group.command("list")
def list_groups(as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """List groups with their states."""

    async def work() -> None:
        async with Admin(bootstrap) as admin:
            found = await admin.list_groups()
        rows: list[dict[str, Any]] = [
            {"group": each.group_id, "state": each.state, "type": each.group_type}
            for each in sorted(found, key=lambda each: each.group_id)
        ]
        show(["group", "state", "type"], rows, as_json=as_json)

    run(work, bootstrap)


@group.command()
def describe(
    name: Annotated[str, Argument("The group.", completes="group")],
    committed: Annotated[
        bool, Option("--committed", help="Lag of consumers that read only what is committed.")
    ] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show for each partition what the group has committed, its lag, and the member that has it."""

    async def work() -> None:
        async with Admin(bootstrap) as admin:
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
        show(COLUMNS, rows, as_json=as_json)

    run(work, bootstrap)
