"""Manual pages out of what the help texts are made of: python -m odradek_cli.man_page DIRECTORY writes them all.

One page for `odradek`, and one for each of its commands, in which a group's commands are sections.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from odradek_cli.command import Command, Group, Parameter, command_of
from odradek_cli.help_text import explained, written
from odradek_cli.main import COMMANDS, PROGRAM, SUMMARY, find

SECTION = 1
_AT_FRONT = ("'", ".")
"""A line that begins so would be taken for a request."""


def pages() -> Iterator[tuple[str, str]]:
    """Names of files, and their text."""
    yield f"{PROGRAM}.{SECTION}", _page_of_program()
    for name, summary in COMMANDS.items():
        yield f"{PROGRAM}-{name}.{SECTION}", _page_of_command(name, summary)


def _page_of_program() -> str:
    parts = [_heading(PROGRAM, SUMMARY), ".SH SYNOPSIS", f".B {PROGRAM}", ".I COMMAND", "[\\fIOPTIONS\\fR]"]
    parts.append(".SH COMMANDS")
    for name, summary in COMMANDS.items():
        parts += [".TP", f".BR {PROGRAM}-{_text(name)} ({SECTION})", _text(summary)]
    parts += [
        ".SH OPTIONS",
        *_entry("--profile NAME", "Settings of that name out of the configuration file; a command follows."),
        *_entry("--install-completion SHELL", "Complete words in bash, zsh or fish from the next shell on."),
        *_entry("--show-completion SHELL", "Print what would be installed."),
        *_entry("--version", "Print the version."),
        ".SH EXIT STATUS",
        *_entry("0", "Done."),
        *_entry("1", "It could not be done; one line says why."),
        *_entry("2", "What was typed is no use of the command."),
        *_entry("130", "Interrupted."),
    ]
    return "\n".join(parts) + "\n"


def _page_of_command(name: str, summary: str) -> str:
    path, found = f"{PROGRAM} {name}", find(name)
    parts = [_heading(f"{PROGRAM}-{name}", summary)]
    if isinstance(found, Group):
        commands = [command_of(f"{path} {each}", function) for each, function in found.functions.items()]
        parts += [".SH SYNOPSIS", f".B {path}", ".I COMMAND", ".SH DESCRIPTION", _text(found.help), ".SH COMMANDS"]
        for command in commands:
            parts += [f".SS {_text(command.path)}", *_synopsis(command), ".PP", *_description(command)]
            parts += _entries(command)
    else:
        command = command_of(path, found)
        parts += [".SH SYNOPSIS", *_synopsis(command), ".SH DESCRIPTION", *_description(command)]
        parts += [".SH OPTIONS", *_entries(command)]
    parts += [".SH SEE ALSO", f".BR {PROGRAM} ({SECTION})"]
    return "\n".join(parts) + "\n"


def _heading(name: str, summary: str) -> str:
    return f'.TH {name.upper()} {SECTION} "" "{PROGRAM}"\n.SH NAME\n{_text(name)} \\- {_text(summary)}'


def _synopsis(command: Command) -> list[str]:
    words = [f"\\fI{_text(_in_place(each))}\\fR" for each in command.arguments]
    return [f".B {_text(command.path)}", " ".join(["[\\fIOPTIONS\\fR]", *words])]


def _in_place(argument: Parameter) -> str:
    text = argument.metavar + ("..." if argument.is_list else "")
    return text if argument.is_required else f"[{text}]"


def _description(command: Command) -> list[str]:
    paragraphs = [_text(" ".join(each.split())) for each in command.help.split("\n\n")]
    return [line for each in paragraphs for line in (".PP", each)][1:]


def _entries(command: Command) -> Iterable[str]:
    for argument in command.arguments:
        yield from _entry(argument.metavar, argument.spec.help)
    for option in command.options:
        yield from _entry(written(option), explained(option))
    yield from _entry("-h, --help", "Show the help text and exit.")


def _entry(name: str, explanation: str) -> list[str]:
    return [".TP", f".B {_text(name)}", _text(explanation)]


def _text(plain: str) -> str:
    """As it is shown: nothing in it is a request, an escape or a hyphen that may break."""
    escaped = plain.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith(_AT_FRONT) else escaped


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob(f"*.{SECTION}"):
        old.unlink()
    for name, text in pages():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
