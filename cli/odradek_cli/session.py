"""What every command that talks to a broker shares: where it is, and which errors are foreseen."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from odradek_cli.command import Option, UsageError

BOOTSTRAP_VARIABLE = "ODRADEK_BOOTSTRAP_SERVER"
PROFILE_VARIABLE = "ODRADEK_PROFILE"
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

FAILED = 1


class Failed(Exception):
    """A command cannot do what it was told to, and this is the line that says why: exit code 1."""


def run(work: Callable[[], Awaitable[None]], bootstrap: str | None = None) -> None:
    """Run a command's work on Trio. With `bootstrap`, raise Failed at once where every address there refuses."""
    import trio

    from odradek_cli.reach import check_reachable

    async def checked() -> None:
        if bootstrap is not None:
            await check_reachable(bootstrap)
        await work()

    trio.run(checked)


def is_foreseen(error: BaseException) -> bool:
    """Whether one line says enough of it."""
    if isinstance(error, Failed | OSError | ValueError):
        return True
    from odradek.errors import OdradekError, ProtocolError

    return isinstance(error, OdradekError | ProtocolError)


def sentence_of(error: BaseException) -> str:
    """What went wrong, for people: of an OSError the file and the reason, without a number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def parse_pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary. Raises UsageError."""
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise UsageError(f"{option} {name}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}
