"""`odradek broker`: a broker by its configuration, as a service runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from odradek_cli.broker_process import run_broker, say_ready
from odradek_cli.command import Option
from odradek_cli.logs import set_up_logging
from odradek_cli.session import parse_pairs
from odradek_cli.settings import load_or_exit


def broker(
    config: Annotated[Path | None, Option(help="A .toml or .properties file with Kafka's setting names.")] = None,
    setting: Annotated[list[str] | None, Option("--set", help="NAME=VALUE, over the file.")] = None,
    verbose: Annotated[bool, Option("--verbose", "-v", help="Log what is done.")] = False,
    with_parent: Annotated[
        bool, Option("--with-parent", help="Stop when standard input ends: when whoever started it has gone.")
    ] = False,
) -> None:
    """Run a broker until SIGTERM. Settings come from the file, then ODRADEK_* variables, then --set."""
    set_up_logging(verbose=verbose)
    raise SystemExit(
        run_broker(load_or_exit(config, parse_pairs(setting or [], "--set")), say_ready, with_parent=with_parent)
    )
