"""`odradek quota`: list, set."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek_cli.command import Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

quota = Group("quota", "How much clients may ask for.")

EVERYBODY = "*"
"""In place of a name: all that have no quota of their own."""

Rate = Annotated[str | None, Option(metavar="NUMBER", help="A second; `none` takes it back.")]


@quota.command("list")
def list_quotas(as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """List quotas, each with whom it holds."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await admin.list_quotas()
        rows: list[dict[str, Any]] = [
            {
                "of": ", ".join(
                    f"{kind} {EVERYBODY if name is None else name}" for kind, name in sorted(each.entity.items())
                ),
                "quota": key,
                "limit": value,
            }
            for each in found
            for key, value in sorted(each.limits.items())
        ]
        show(["of", "quota", "limit"], sorted(rows, key=lambda row: (row["of"], row["quota"])), as_json=as_json)

    run(work, bootstrap)


@quota.command("set")
def set_quota(
    user: Annotated[str | None, Option(help="A user, or * for all others.")] = None,
    client_id: Annotated[str | None, Option(help="A client id, or * for all others.")] = None,
    ip: Annotated[str | None, Option(help="An address, or * for all others.")] = None,
    produce_bytes: Rate = None,
    fetch_bytes: Rate = None,
    request_percent: Annotated[
        str | None, Option(metavar="NUMBER", help="Of a broker's time; `none` takes it back.")
    ] = None,
    mutations: Annotated[
        str | None, Option(metavar="NUMBER", help="Partitions made or deleted a second; `none` takes it back.")
    ] = None,
    connections: Annotated[
        str | None, Option(metavar="NUMBER", help="New ones a second, of an address; `none` takes it back.")
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Set or take back quotas of a user, a client id, both together, or an address."""
    named = {"user": user, "client-id": client_id, "ip": ip}
    entity = {kind: None if name == EVERYBODY else name for kind, name in named.items() if name is not None}
    if not entity:
        raise UsageError("say whose: --user, --client-id, both, or --ip")
    given = {
        "producer_byte_rate": produce_bytes,
        "consumer_byte_rate": fetch_bytes,
        "request_percentage": request_percent,
        "controller_mutation_rate": mutations,
        "connection_creation_rate": connections,
    }
    limits = {key: _limit(text) for key, text in given.items() if text is not None}
    if not limits:
        raise UsageError("say which, as in --produce-bytes 1000000")

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await admin.alter_quota(entity, limits)

    run(work, bootstrap)


def _limit(text: str) -> float | None:
    """None for `none`. Raises UsageError."""
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text} is no number") from None
