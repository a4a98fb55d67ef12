"""`odradek up`: a broker on this machine, for as long as the command runs."""

from __future__ import annotations

import shutil
import tempfile
from typing import Annotated

import typer

from odradek_cli.broker_process import load_or_exit, parse_settings, run_broker, say_ready
from odradek_cli.logs import set_up_logging

DEV_SETTINGS = {"group.initial.rebalance.delay.ms": "0"}
"""A group of one person's experiments need not wait for more members."""


def up(
    port: Annotated[int, typer.Option(help="The port to listen at; 0 takes a free one.")] = 9092,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    data_dir: Annotated[
        str | None, typer.Option(help="Where the data stays; without it, a temporary directory removed at the end.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A broker setting, as in log.segment.bytes=1048576; repeatable.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    """Start a broker and print `ready HOST:PORT` when clients would succeed."""
    set_up_logging(verbose=verbose)
    directory = data_dir or tempfile.mkdtemp(prefix="odradek-")
    overrides = {**DEV_SETTINGS, "listeners": f"{host}:{port}", "log.dir": directory, **parse_settings(setting or [])}
    try:
        config = load_or_exit(None, overrides)
        code = run_broker(config, say_ready)
    finally:
        if data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
    raise SystemExit(code)
