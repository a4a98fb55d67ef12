"""`odradek user`: add, list, remove those who log in."""

from __future__ import annotations

import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from odradek import Admin, BrokerError
from odradek.admin import ResourceType
from odradek_broker.security.authorizer import parse_super_users
from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

user = Group("user", "Who can log in, by SCRAM.")

PASSWORD_BYTES = 18

Name = Annotated[str, Argument("The user.")]
SuperUser = Annotated[
    bool,
    Option(
        "--super-user",
        help="Also a super user that there is: brokers may log in as one, by a password in their settings.",
    ),
]


@user.command()
def add(
    name: Name,
    password_file: Annotated[
        Path | None, Option(help="A file whose first line is the password, - for standard input; else one is made.")
    ] = None,
    mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] | None,
        Option(help="The password for this one only; else for all by which the user logs in, or for SCRAM-SHA-512."),
    ] = None,
    super_user: SuperUser = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Add a user, or give one another password. One that is made is printed, this once."""
    password = secrets.token_urlsafe(PASSWORD_BYTES) if password_file is None else _first_line(password_file)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await _spare_super_user(admin, name, meant=super_user)
            await admin.set_password(name, password, mechanism)

    run(work, bootstrap)
    if password_file is None:
        print(password)


@user.command("list")
def list_users(as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """List users with the mechanisms by which they log in."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            users = await admin.users()
        rows: list[dict[str, Any]] = [
            {"user": name, "mechanism": each.mechanism, "iterations": each.iterations}
            for name, credentials in sorted(users.items())
            for each in credentials
        ]
        show(["user", "mechanism", "iterations"], rows, as_json=as_json)

    run(work, bootstrap)


@user.command()
def remove(name: Name, super_user: SuperUser = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Let a user log in no more. Who is logged in stays so until the connection ends."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await _spare_super_user(admin, name, meant=super_user)
            await admin.remove_user(name)

    run(work, bootstrap)


async def _spare_super_user(admin: Admin, name: str, *, meant: bool) -> None:
    """Raises Failed: brokers whose own password is another one than their settings say reach each other no more.

    Who may not read the settings of brokers is not kept from it: they do not say as whom brokers log in.
    """
    if meant or name not in await admin.users():
        return
    broker = (await admin.describe_cluster()).brokers[0].node_id
    with suppress(BrokerError):
        found = await admin.describe_configs(str(broker), ResourceType.BROKER, keys={"super.users"})
        if f"User:{name}" in parse_super_users(found["super.users"].value or ""):
            raise Failed(
                f"{name} is a super user: brokers may log in as {name}, by a password in their settings, which would "
                "have to change as well. --super-user says that this is meant"
            )


def _first_line(path: Path) -> str:
    text = sys.stdin.readline() if str(path) == "-" else path.read_text()
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise Failed("the password is empty")
    return password
