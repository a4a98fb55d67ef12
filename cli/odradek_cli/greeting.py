"""What `odradek up` says at a terminal when it is ready: what runs, where its data is, how to come to it."""

from __future__ import annotations

import sys

from odradek import __version__


def greet(bootstrap: str, data_dir: str, *, is_temporary: bool, has_nodes: bool = False) -> None:
    """For people only: in a pipe there are the lines that begin with `ready`, and nothing else."""
    if sys.stdout.isatty():
        print(greeting(bootstrap, data_dir, is_temporary=is_temporary, has_nodes=has_nodes), flush=True)


def greeting(bootstrap: str, data_dir: str, *, is_temporary: bool, has_nodes: bool) -> str:
    fate = "temporary: removed when this ends; --data-dir keeps it" if is_temporary else "stays"
    lines = [
        f"odradek {__version__}; Ctrl-C stops it",
        f"  data     {data_dir} ({fate})",
        f'  Python   async with Producer("{bootstrap}") as producer: await producer.send("orders", b"1")',
        f"  kcat     kcat -b {bootstrap} -L",
        "  shell    odradek topic list",
    ]
    if has_nodes:
        lines.append("  nodes    odradek node list; odradek node kill leader-of orders-0")
    return "\n".join(lines)
