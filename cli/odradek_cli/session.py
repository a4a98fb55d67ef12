"""What every command that talks to a broker shares: where it is, and how its work is run."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from odradek_cli.command import Option, UsageError
from odradek_cli.variables import BOOTSTRAP_VARIABLE, PROFILE_VARIABLE

if TYPE_CHECKING:
    from odradek.security import Security

DEFAULT_PORT = 9092
DEFAULT_BOOTSTRAP = f"localhost:{DEFAULT_PORT}"


def default_bootstrap() -> str:
    """Of the profile that is asked for, else of what `odradek up` runs on this machine, else Kafka's own port.

    Of several that run it is the one that has Kafka's own port. Raises UsageError where none has,
    and as the profile does.
    """
    from odradek_cli.profiles import profile_in
    from odradek_cli.running import all_running

    profile = profile_in(os.environ)
    if profile is not None:
        return profile.bootstrap
    running = [each.bootstrap for each in all_running()]
    for bootstrap in running:
        if any(address.endswith(f":{DEFAULT_PORT}") for address in bootstrap.split(",")):
            return bootstrap
    if len(running) > 1:
        raise UsageError(f"several clusters run here: say which with -b ({'; '.join(running)})")
    return running[0] if running else DEFAULT_BOOTSTRAP


def _by_number(bootstrap: str) -> set[str]:
    """The addresses of this machine under one name."""
    return {address.strip().replace("localhost:", "127.0.0.1:") for address in bootstrap.split(",")}


def security_for(bootstrap: str) -> Security:
    """How to speak with these brokers, and as whom: as the profile says that was asked for, else as `odradek up` does
    that runs them. Raises UsageError, Failed.
    """
    from odradek.security import NO_SECURITY
    from odradek_cli.profiles import profile_in, read_profile
    from odradek_cli.running import all_running

    profile = profile_in(os.environ)
    if profile is not None and (profile.bootstrap == bootstrap or PROFILE_VARIABLE in os.environ):
        return profile.security
    asked = _by_number(bootstrap)
    known = next((each.profile for each in all_running() if _by_number(each.bootstrap) & asked), None)
    return NO_SECURITY if known is None else read_profile(Path(known)).security


Bootstrap = Annotated[
    str,
    Option(
        "--bootstrap-server",
        "-b",
        metavar="HOST:PORT",
        env=BOOTSTRAP_VARIABLE,
        fallback=default_bootstrap,
        help=f"A broker, or several by comma; else what `odradek up` runs here, else {DEFAULT_BOOTSTRAP}.",
    ),
]
AsJson = Annotated[bool, Option("--json", help="One JSON object a line.")]


def run(work: Callable[[], Awaitable[None]], bootstrap: str | None = None) -> None:
    """Run a command's work on Trio. With `bootstrap`, raise Failed at once where every address there refuses."""
    import trio

    from odradek_cli.reach import check_reachable

    async def checked() -> None:
        if bootstrap is not None:
            await check_reachable(bootstrap)
        await work()

    trio.run(checked)


def parse_pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary. Raises UsageError."""
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise UsageError(f"{option} {name}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}
