"""What every command that talks to a broker shares: where it is, how an error ends, how a table is printed."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import trio
import typer
from rich.console import Console
from rich.table import Table

from odradek import OdradekError

Bootstrap = Annotated[
    str,
    typer.Option(
        "--bootstrap-server",
        "-b",
        envvar="ODRADEK_BOOTSTRAP_SERVER",
        help="HOST:PORT of a broker, or several by comma.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

DEFAULT_BOOTSTRAP = "localhost:9092"
FAILED, WRONG_USAGE = 1, 2


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a command's work; what goes wrong is one line and exit code 1, Ctrl-C is 130."""
    try:
        trio.run(work)
    except BaseException as error:
        raise SystemExit(_exit_code(error)) from None


def _exit_code(error: BaseException) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - so that the interpreter's last flush is quiet
        return 0
    if isinstance(error, OdradekError | OSError | ValueError):
        print(f"odradek: {error}", file=sys.stderr)
        return FAILED
    from odradek.testing import NodeFailed  # seldom, and it takes a while

    if isinstance(error, NodeFailed):
        print(f"odradek: {error}", file=sys.stderr)
        return FAILED
    raise error


def usage_error(message: str) -> typer.BadParameter:
    return typer.BadParameter(message)


def parse_pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise usage_error(f"{option} {name}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def show(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A table on a terminal, tab-separated lines in a pipe, JSON lines when asked for."""
    if as_json:
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(_text(row[column]) for column in columns))
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
