"""What `odradek up` says at a terminal when it is ready: what runs, where its data is, how to come to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from odradek import __version__

if TYPE_CHECKING:
    from odradek_cli.secured import Secured


def greet(
    bootstrap: str, data_dir: str, *, is_temporary: bool, has_nodes: bool = False, secured: Secured | None = None
) -> None:
    """For people only: in a pipe there are the lines that begin with `ready`, and nothing else."""
    if sys.stdout.isatty():
        text = greeting(bootstrap, data_dir, is_temporary=is_temporary, has_nodes=has_nodes, secured=secured)
        print(text, flush=True)


def point_to(secured: Secured | None) -> None:
    """For whoever reads a pipe: how to connect where one has to log in, on standard error, before it is ready."""
    if secured is not None and not sys.stdout.isatty():
        print(f"kcat -F {secured.kcat} -L", file=sys.stderr, flush=True)


def greeting(
    bootstrap: str, data_dir: str, *, is_temporary: bool, has_nodes: bool, secured: Secured | None = None
) -> str:
    fate = "temporary: removed when this ends; --data-dir keeps it" if is_temporary else "stays"
    security, kcat = ("", f"kcat -b {bootstrap} -L")
    if secured is not None:
        security, kcat = (", security=security", f"kcat -F {secured.kcat} -L")
    lines = [
        f"odradek {__version__}; Ctrl-C stops it",
        f"  data     {data_dir} ({fate})",
        f'  Python   async with Producer("{bootstrap}"{security}) as producer: await producer.send("orders", b"1")',
        f"  kcat     {kcat}",
        "  shell    odradek topic list",
    ]
    if secured is not None:
        lines.append(f"  admin    {secured.directory}: client.properties, client.toml; odradek user add NAME")
    if has_nodes:
        lines.append("  nodes    odradek node list; odradek node kill leader-of orders-0")
    return "\n".join(lines)
