"""`odradek up`: a broker, or a whole cluster, on this machine, for as long as the command runs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import trio
import typer

from odradek_cli.broker_process import load_or_exit, parse_settings, run_broker, say_ready
from odradek_cli.logs import set_up_logging
from odradek_cli.session import usage_error

if TYPE_CHECKING:
    from odradek.testing import Cluster

DEV_SETTINGS = {"group.initial.rebalance.delay.ms": "100"}
"""Long enough for the members of one program to find each other, and no three seconds for nobody."""


def up(
    brokers: Annotated[
        int, typer.Option(min=1, help="How many; more than one are processes of their own, with a controller.")
    ] = 1,
    port: Annotated[
        int, typer.Option(help="The port to listen at, of the first broker if there are several; 0 takes free ones.")
    ] = 9092,
    controllers: Annotated[
        int | None, typer.Option(min=1, help="With --journal etcd: how many of the brokers may decide (3).")
    ] = None,
    journal: Annotated[
        str, typer.Option(help="Where the metadata is kept: file, by one controller; etcd, by several.")
    ] = "file",
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    data_dir: Annotated[
        str | None, typer.Option(help="Where the data stays; without it, a temporary directory removed at the end.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A broker setting, as in log.segment.bytes=1048576; repeatable.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    """Start brokers and print `ready HOST:PORT` for each when clients would succeed."""
    set_up_logging(verbose=verbose)
    if journal not in ("file", "etcd"):
        raise usage_error(f"--journal {journal}: file or etcd")
    if brokers > 1 or journal == "etcd":
        from odradek.testing import Cluster

        settings = parse_settings(setting or [])
        raise SystemExit(
            _run_cluster(
                lambda: Cluster(
                    brokers,
                    data_dir=data_dir,
                    port=port,
                    host=host,
                    settings=settings,
                    journal="etcd" if journal == "etcd" else "file",
                    controllers=controllers,
                )
            )
        )
    directory = data_dir or tempfile.mkdtemp(prefix="odradek-")
    overrides = {**DEV_SETTINGS, "listeners": f"{host}:{port}", "log.dir": directory, **parse_settings(setting or [])}
    try:
        config = load_or_exit(None, overrides)
        code = run_broker(config, say_ready)
    finally:
        if data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
    raise SystemExit(code)


def _run_cluster(make: Callable[[], Cluster]) -> int:
    from odradek.testing import NodeFailed
    from odradek_cli.supervisor import supervise

    exit_code = 0
    try:
        trio.run(supervise, make())
    except* (NodeFailed, OSError, ValueError) as errors:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"odradek: {error}", file=sys.stderr)
        exit_code = 1
    return exit_code
