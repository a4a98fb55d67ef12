"""`odradek token`: create, list, renew, expire."""

from __future__ import annotations

from typing import Annotated, Any

from odradek import Admin
from odradek.admin import DelegationToken
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for
from odradek_cli.when import parse_duration_ms, show_moment

token = Group("token", "Delegation tokens: to act for somebody without their password.")

COLUMNS = ["id", "owner", "requester", "renewers", "expires", "until"]

Id = Annotated[str, Argument("The id of the token.")]


@token.command()
def create(
    owner: Annotated[str | None, Option(help="For whom it is, if that is somebody else.")] = None,
    renewer: Annotated[list[str] | None, Option(help="A user who may renew and end it, too.")] = None,
    lifetime: Annotated[str | None, Option(metavar="TIME", help="As 12h or 3d, if brokers let it live longer.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Have a token made, and print what a client needs to log in by it: by SCRAM, with sasl-tokenauth."""
    max_lifetime_ms = _ms("--lifetime", lifetime)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            made = await admin.create_delegation_token(
                owner=owner, renewers=renewer or (), max_lifetime_ms=max_lifetime_ms
            )
        row = {"id": made.token_id, "password": made.password, "expires": show_moment(made.expires_ms)}
        show(list(row), [row], as_json=as_json)

    run(work, bootstrap)


@token.command("list")
def list_tokens(
    owner: Annotated[list[str] | None, Option(help="Only those that concern this user.")] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List the tokens that you may know of, without their passwords."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await admin.delegation_tokens(owner)
        show(COLUMNS, [_row(each) for each in sorted(found, key=lambda each: each.expires_ms)], as_json=as_json)

    run(work, bootstrap)


@token.command()
def renew(
    token_id: Id,
    period: Annotated[
        str | None, Option("--for", metavar="TIME", help="From now on, as 12h; else as long as brokers let it live.")
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Let a token live longer. It must be yours, or you be among its renewers."""
    period_ms = _ms("--for", period)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await _find(admin, token_id)
            print(show_moment(await admin.renew_delegation_token(found.hmac, period_ms)))

    run(work, bootstrap)


@token.command()
def expire(
    token_id: Id,
    after: Annotated[
        str | None, Option("--after", metavar="TIME", help="Let it live for so long from now on, as 10m.")
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """End a token. Who is logged in by it stays so until it would have expired."""
    period_ms = _ms("--after", after)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            found = await _find(admin, token_id)
            print(show_moment(await admin.expire_delegation_token(found.hmac, period_ms)))

    run(work, bootstrap)


async def _find(admin: Admin, token_id: str) -> DelegationToken:
    """By its id, so that nothing secret stands in a command line. Raises Failed."""
    for each in await admin.delegation_tokens():
        if each.token_id == token_id:
            return each
    raise Failed(f"there is no token {token_id}, or you may not know of it")


def _ms(option: str, text: str | None) -> int | None:
    """Raises UsageError."""
    try:
        return None if text is None else parse_duration_ms(text)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None


def _row(each: DelegationToken) -> dict[str, Any]:
    return {
        "id": each.token_id,
        "owner": each.owner,
        "requester": each.requester,
        "renewers": ",".join(each.renewers),
        "expires": show_moment(each.expires_ms),
        "until": show_moment(each.max_ms),
    }
