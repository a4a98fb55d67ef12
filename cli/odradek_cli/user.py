"""`odradek user`: add, list, remove those who log in."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from odradek import Admin
from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for

user = Group("user", "Who can log in, by SCRAM.")

PASSWORD_BYTES = 18

Name = Annotated[str, Argument("The user.")]


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
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Add a user, or give one another password. One that is made is printed, this once."""
    password = secrets.token_urlsafe(PASSWORD_BYTES) if password_file is None else _first_line(password_file)

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
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
def remove(name: Name, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Let a user log in no more. Who is logged in stays so until the connection ends."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            await admin.remove_user(name)

    run(work, bootstrap)


def _first_line(path: Path) -> str:
    text = sys.stdin.readline() if str(path) == "-" else path.read_text()
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise Failed("the password is empty")
    return password
