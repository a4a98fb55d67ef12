"""`odradek node`: the processes of a cluster that `odradek up --brokers N` runs."""

from __future__ import annotations

from typing import Annotated

from odradek_cli.command import Argument, Group, Option
from odradek_cli.display import show
from odradek_cli.session import AsJson
from odradek_cli.supervisor import ask

node = Group("node", "Kill, pause, stop and start the nodes of a running cluster.")

Which = Annotated[
    list[str],
    Argument("A broker's number, `controller`, or `leader-of TOPIC-PARTITION`.", metavar="NODE", completes="node"),
]
DataDir = Annotated[str | None, Option(help="Which cluster, where several run.")]
COLUMNS = ("node", "address", "pid", "state")


def _do(action: str, which: list[str] | None, data_dir: str | None, *, as_json: bool = False) -> None:
    nodes = ask(data_dir, action, " ".join(which) if which else None)
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
