"""The `odradek` command. Only the module of the command that was named is imported, so that each starts fast."""

from __future__ import annotations

import importlib
import sys

import typer

COMMANDS = {"up": "odradek_cli.up", "broker": "odradek_cli.broker"}


def main() -> None:
    app = typer.Typer(no_args_is_help=True, add_completion=True, help="A Kafka-compatible broker, and tools for it.")
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    for name in [named] if named in COMMANDS else list(COMMANDS):
        app.command(name)(getattr(importlib.import_module(COMMANDS[name]), name))
    if named in COMMANDS:
        app.callback()(lambda: None)
    app()
