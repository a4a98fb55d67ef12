"""What every command that talks to a broker shares: where it is, and how its work is run."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from odradek_cli.command import Option, UsageError
from odradek_cli.variables import BOOTSTRAP_VARIABLE

DEFAULT_PORT = 9092
DEFAULT_BOOTSTRAP = f"localhost:{DEFAULT_PORT}"


def default_bootstrap() -> str:
    """Of the profile that is asked for, else of what `odradek up` runs on this machine, else Kafka's own port.

    Of several that run it is the one that has Kafka's own port. Raises UsageError where none has,
    and as the profile does.
    """
    from odradek_cli.profiles import bootstrap_of_profile
    from odradek_cli.running import all_running

    named = bootstrap_of_profile(os.environ)
    if named is not None:
        return named
    running = [each.bootstrap for each in all_running()]
    for bootstrap in running:
        if any(address.endswith(f":{DEFAULT_PORT}") for address in bootstrap.split(",")):
            return bootstrap
    if len(running) > 1:
        raise UsageError(f"several clusters run here: say which with -b ({'; '.join(running)})")
    return running[0] if running else DEFAULT_BOOTSTRAP


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
