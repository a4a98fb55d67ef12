"""Help texts: of a command, and of a group of them."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Mapping

from odradek_cli.command import Command, Option, Parameter

COLUMN = 30
"""Where explanations begin."""
WIDEST = 100


def help_of_command(command: Command, width: int | None = None) -> str:
    width = width or terminal_width()
    usage = " ".join([command.path, "[OPTIONS]", *map(_in_usage, command.arguments)])
    rows = [(each.metavar, each.spec.help) for each in command.arguments]
    options = [(written(each), explained(each)) for each in command.options]
    options.append(("-h, --help", "Show this and exit."))
    lines = [f"Usage: {usage}", "", *_wrapped(command.help, width)]
    if rows:
        lines += ["", *_two_columns(rows, width)]
    return "\n".join([*lines, "", "Options:", *_two_columns(options, width)]) + "\n"


def help_of_group(path: str, help: str, commands: Mapping[str, str], width: int | None = None) -> str:
    """`commands`: by name, what each does."""
    width = width or terminal_width()
    lines = [f"Usage: {path} COMMAND ...", "", *_wrapped(help, width), "", "Commands:"]
    lines += _two_columns(list(commands.items()), width)
    return "\n".join([*lines, "", f"{path} COMMAND --help says more of one."]) + "\n"


def terminal_width() -> int:
    return max(40, min(WIDEST, shutil.get_terminal_size().columns))


def _in_usage(argument: Parameter) -> str:
    text = argument.metavar + ("..." if argument.is_list else "")
    return text if argument.is_required else f"[{text}]"


def written(option: Parameter) -> str:
    """An option with all its names, and what stands for its value."""
    short = [name for name in option.names if not name.startswith("--")]
    text = ", ".join([*short, *(name for name in option.names if name.startswith("--"))])
    if option.is_switch:
        return text if option.denial is None else f"{text} / {option.denial}"
    return f"{text} {option.metavar}"


def explained(option: Parameter) -> str:
    """What an option is for, and what it is when left out."""
    text = option.spec.help
    if option.is_list:
        text += " Repeatable."
    default = option.default
    spec = option.spec
    has_fallback = isinstance(spec, Option) and spec.fallback is not None
    if default not in (None, "", False, inspect.Parameter.empty) and not option.is_list and not has_fallback:
        text += f" [{default if default is not True else option.names[0]}]"
    return text.strip()


def _wrapped(text: str, width: int) -> list[str]:
    paragraphs = text.split("\n\n")
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += ([""] if lines else []) + textwrap.wrap(" ".join(paragraph.split()), width)
    return lines


def _two_columns(rows: list[tuple[str, str]], width: int) -> list[str]:
    column = min(COLUMN, 4 + max((len(left) for left, _ in rows), default=0))
    lines: list[str] = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, width - column) or [""]
        first = f"  {left}"
        if len(first) + 2 > column:
            lines.append(first)
        else:
            lines.append((first.ljust(column) + wrapped.pop(0)).rstrip())
        lines += [" " * column + line for line in wrapped if line]
    return lines
