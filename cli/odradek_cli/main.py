"""The `odradek` command. Only the module of the command that was named is imported, so that each starts fast."""

from __future__ import annotations

import importlib
import sys

import typer

COMMANDS = ("up", "broker", "node", "topic", "produce", "tail", "group", "log", "metadata", "bench", "chaos")
"""Each is a module of this package with a function or a typer.Typer of the same name."""


def main() -> None:
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    make_app([named] if named in COMMANDS else list(COMMANDS))()


def make_app(names: list[str]) -> typer.Typer:
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="A broker that Kafka's clients take for Kafka, and tools for it.",
    )
    app.callback()(_nothing)
    for name in names:
        command = getattr(importlib.import_module(f"odradek_cli.{name}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _nothing() -> None:
    """A Typer of one command would leave out the command's name."""
