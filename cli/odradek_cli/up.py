"""`odradek up`: a broker, or a whole cluster, on this machine, for as long as the command runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import trio

from odradek.first_error import first_error
from odradek.network import MAX_PORT, Address
from odradek_broker.config import settings_in
from odradek_cli.command import Option, UsageError
from odradek_cli.failures import sentence_of
from odradek_cli.greeting import greet, point_to
from odradek_cli.logs import set_up_logging
from odradek_cli.running import announced
from odradek_cli.session import parse_pairs
from odradek_cli.settings import load_or_exit

if TYPE_CHECKING:
    from odradek.testing import Cluster
    from odradek_broker.config import BrokerConfig
    from odradek_cli.secured import Secured

DEV_SETTINGS = {"group.initial.rebalance.delay.ms": "20"}
"""Long enough for the members of one program to find each other, and no three seconds for nobody."""


def dev_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of DEV_SETTINGS of which the environment says nothing."""
    said = settings_in(environment)
    return {key: value for key, value in DEV_SETTINGS.items() if key not in said}


def up(
    brokers: Annotated[
        int, Option(min=1, help="How many; more than one are processes of their own, with a controller.")
    ] = 1,
    port: Annotated[
        int,
        Option(
            min=0,
            max=MAX_PORT,
            help="The port to listen at, of the first broker if there are several; 0 takes free ones.",
        ),
    ] = 9092,
    controllers: Annotated[
        int | None, Option(min=1, help="With --journal etcd: how many of the brokers may decide (3).")
    ] = None,
    journal: Annotated[
        Literal["file", "etcd"], Option(help="Where the metadata is kept: file, by one controller; etcd, by several.")
    ] = "file",
    host: Annotated[str, Option(help="The address to listen at.")] = "127.0.0.1",
    data_dir: Annotated[
        str | None, Option(help="Where the data stays; without it, a temporary directory removed at the end.")
    ] = None,
    setting: Annotated[
        list[str] | None, Option("--set", help="A broker setting, as in log.segment.bytes=1048576.")
    ] = None,
    secure: Annotated[
        bool, Option("--secure", help="Over TLS, with logins and permissions; what is needed for that is made.")
    ] = False,
    verbose: Annotated[bool, Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    """Start brokers and print `ready HOST:PORT` for each when clients would succeed."""
    set_up_logging(verbose=verbose)
    settings = parse_pairs(setting or [], "--set")
    quorum = Quorum(journal, controllers)
    if port + brokers - 1 > MAX_PORT:
        raise UsageError(f"--port {port}: with {brokers} brokers the last port would be {port + brokers - 1}")
    if data_dir is None and secure:  # else whoever keeps the data makes a temporary directory
        directory = tempfile.mkdtemp(prefix="odradek-")
        try:
            raise SystemExit(_up_secured(brokers, port, host, directory, settings, quorum, is_temporary=True))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    if secure:
        raise SystemExit(_up_secured(brokers, port, host, data_dir or "", settings, quorum, is_temporary=False))
    if data_dir is not None and os.path.exists(os.path.join(data_dir, "security", "brokers.properties")):
        raise UsageError(f"{data_dir} has a secured cluster, which nobody would guard without --secure")
    if brokers > 1 or journal == "etcd":
        from odradek.testing import Cluster

        load_or_exit(None, settings)  # its mistakes are better said once, here, than by each node
        settings = {**settings_in(os.environ), **settings}
        raise SystemExit(
            _run_cluster(
                lambda: Cluster(
                    brokers,
                    data_dir=data_dir,
                    port=port,
                    host=host,
                    settings=settings,
                    journal=journal,
                    controllers=controllers,
                )
            )
        )
    directory = data_dir or tempfile.mkdtemp(prefix="odradek-")
    overrides = {**dev_settings(os.environ), "listeners": f"{host}:{port}", "log.dir": directory, **settings}
    try:
        code = _run_one(load_or_exit(None, overrides), directory, is_temporary=data_dir is None)
    finally:
        if data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
    raise SystemExit(code)


class Quorum(NamedTuple):
    """Who decides."""

    journal: Literal["file", "etcd"]
    controllers: int | None


def _up_secured(
    brokers: int,
    port: int,
    host: str,
    directory: str,
    settings: dict[str, str],
    quorum: Quorum,
    *,
    is_temporary: bool,
) -> int:
    """All of it below one directory."""
    from odradek_cli.secured import hosts_for, secure

    secured = secure(Path(directory), hosts_for(host))
    if brokers == 1 and quorum.journal == "file":
        overrides = {
            **dev_settings(os.environ),
            "listeners": f"SASL_SSL://{host}:{port}",
            "log.dir": directory,
            **settings,
        }
        config = load_or_exit(secured.settings, overrides)
        return _run_one(config, directory, is_temporary=is_temporary, secured=secured)
    load_or_exit(secured.settings, {"listeners": f"SASL_SSL://{host}:{port}", **settings})

    def make() -> Cluster:
        all_settings = {**settings_in(os.environ), **settings}
        return _secured_cluster(secured, all_settings, quorum, brokers=brokers, port=port, host=host)

    return _run_cluster(make, secured)


def _secured_cluster(
    secured: Secured, settings: dict[str, str], quorum: Quorum, *, brokers: int, port: int, host: str
) -> Cluster:
    from odradek.testing import Cluster
    from odradek_cli.secured import security_of, security_of_etcd, tell_clients

    cluster = Cluster(
        brokers,
        data_dir=secured.directory.parent,
        port=port,
        host=host,
        settings=settings,
        config=secured.settings,
        security=security_of(secured),
        etcd_security=security_of_etcd(secured),
        **quorum._asdict(),
    )
    tell_clients(secured, cluster.bootstrap)
    return cluster


def _run_one(config: BrokerConfig, directory: str, *, is_temporary: bool, secured: Secured | None = None) -> int:
    """A broker in this process; its exit code."""
    from odradek_cli.broker_process import run_broker, say_ready

    with ExitStack() as announcement:

        def on_ready(addresses: list[Address]) -> None:
            where = ",".join(f"{host}:{port}" for host, port in addresses)
            profile = None
            if secured is not None:
                from odradek_cli.secured import tell_clients

                tell_clients(secured, where)
                profile = str(secured.profile)
            announcement.enter_context(announced(Path(directory), where, profile=profile))
            point_to(secured)
            say_ready(addresses)
            greet(where, directory, is_temporary=is_temporary, secured=secured)

        return run_broker(config, on_ready)


def _run_cluster(make: Callable[[], Cluster], secured: Secured | None = None) -> int:
    from odradek.testing import NodeFailed
    from odradek_cli.supervisor import supervise

    exit_code = 0
    try:
        trio.run(supervise, make(), secured)
    except* (NodeFailed, OSError, ValueError) as errors:
        print(f"odradek: {sentence_of(first_error(errors))}", file=sys.stderr)
        exit_code = 1
    return exit_code
