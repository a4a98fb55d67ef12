"""`odradek node`: the processes of a cluster that `odradek up --brokers N` runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from odradek_cli.session import FAILED, AsJson, show
from odradek_cli.supervisor import NoCluster, ask

node = typer.Typer(no_args_is_help=True, help="Kill, pause, stop and start the nodes of a running cluster.")

Which = Annotated[
    list[str],
    typer.Argument(help="A broker's number, `controller`, or `leader-of TOPIC-PARTITION`.", metavar="NODE"),
]
DataDir = Annotated[str | None, typer.Option(help="Which cluster, where several run.")]
COLUMNS = ("node", "address", "pid", "state")


def _do(action: str, which: list[str] | None, data_dir: str | None, *, as_json: bool = False) -> None:
    try:
        nodes = ask(data_dir, action, " ".join(which) if which else None)
    except (NoCluster, OSError) as error:
        print(f"odradek: {error}", file=sys.stderr)
        raise SystemExit(FAILED) from None
    show(COLUMNS, nodes, as_json=as_json)


@node.command("list")
def list_nodes(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show every node: where it listens, its process, and whether it is up, paused or down."""
    _do("list", None, data_dir, as_json=as_json)


@node.command()
def kill(which: Which, data_dir: DataDir = None) -> None:
    """SIGKILL: the process is gone at once."""
    _do("kill", which, data_dir)


@node.command()
def pause(which: Which, data_dir: DataDir = None) -> None:
    """SIGSTOP: the process is there, and does nothing."""
    _do("pause", which, data_dir)


@node.command()
def resume(which: Which, data_dir: DataDir = None) -> None:
    """Let a paused process go on."""
    _do("resume", which, data_dir)


@node.command()
def stop(which: Which, data_dir: DataDir = None) -> None:
    """Stop a node in an orderly way: others take its partitions over first."""
    _do("stop", which, data_dir)


@node.command()
def start(which: Which, data_dir: DataDir = None) -> None:
    """Start a node that is down, and wait until it is ready."""
    _do("start", which, data_dir)
