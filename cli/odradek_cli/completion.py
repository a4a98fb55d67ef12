"""Completion of commands, options, and names of topics, groups, nodes and faults, for bash, zsh and fish.

The shell asks `odradek --complete WORD...`, of which the last is the word that is being written, and gets a candidate a
line. Whatever goes wrong, there are just no candidates.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from odradek_cli.command import Command, Completes, Group, Parameter, command_of

WITHIN_S = 1.0
"""Nobody waits longer for a name."""

BASH = """\
_odradek() {
    local IFS=$'\\n'
    COMPREPLY=($(odradek --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    compopt -o default 2>/dev/null
}
complete -F _odradek odradek
"""
ZSH = """\
#compdef odradek
_odradek() {
    local -a found
    found=("${(@f)$(odradek --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _odradek odradek
"""
FISH = """\
complete -c odradek -a '(odradek --complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
HOMES = {
    "bash": ".local/share/bash-completion/completions/odradek",
    "zsh": ".zfunc/_odradek",
    "fish": ".config/fish/completions/odradek.fish",
}
"""Where each shell looks, below the home directory; zsh where `fpath+=~/.zfunc` is in its .zshrc before compinit."""

Names = Callable[[Completes, Sequence[str]], Iterable[str]]


def install(shell: str, home: Path) -> Path:
    """Write the script where the shell finds it. Raises OSError."""
    path = home / HOMES[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPTS[shell])
    return path


def candidates(words: Sequence[str], tree: Iterable[str], find: Callable[[str], object], names: Names) -> list[str]:
    """What the last of the words may become. `tree` are the commands, `find` gets one, `names` those that exist."""
    *before, begun = words or [""]
    found: Iterable[str] = ()
    if not before:
        found = [*tree, "--help", "--version"]
    else:
        here = find(before[0]) if before[0] in tree else None
        if isinstance(here, Group) and len(before) == 1:
            found = here.functions
        elif isinstance(here, Group) and before[1] in here.functions:
            found = _of_command(command_of("", here.functions[before[1]]), before[2:], begun, names)
        elif callable(here):
            found = _of_command(command_of("", here), before[1:], begun, names)
    return sorted({each for each in found if each.startswith(begun)})


def _of_command(command: Command, before: Sequence[str], begun: str, names: Names) -> Iterator[str]:
    options = {name: each for each in command.options for name in each.names}
    waiting = options.get(before[-1]) if before else None
    if waiting is not None and not waiting.is_switch:
        yield from _of_value(waiting, before, names)
        return
    if begun.startswith("-"):
        yield from options
        yield from (each.denial for each in command.options if each.denial is not None)
        yield "--help"
        return
    place = _words_in_place(before, options)
    arguments = command.arguments
    if place < len(arguments):
        yield from _of_value(arguments[place], before, names)
    elif arguments and arguments[-1].is_list:
        yield from _of_value(arguments[-1], before, names)


def _words_in_place(before: Sequence[str], options: dict[str, Parameter]) -> int:
    """How many of the words are arguments, not options or their values."""
    count, skip = 0, False
    for word in before:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in options and not options[word].is_switch
        else:
            count += 1
    return count


def _of_value(parameter: Parameter, before: Sequence[str], names: Names) -> Iterable[str]:
    if parameter.choices:
        return parameter.choices
    kind = parameter.spec.completes
    return () if kind in (None, "file") else names(kind, before)


def existing_names(kind: Completes, before: Sequence[str]) -> list[str]:
    """The names of that kind that there are, where a broker or the running cluster says so in time."""
    found: list[str] = []
    with suppress(Exception):
        if kind == "fault":
            from odradek.testing.chaos.faults import KINDS

            found = list(KINDS)
        elif kind == "node":
            from odradek_cli.supervisor import ask

            numbers = [row["node"].removeprefix("broker-") for row in ask(None, "list", None)]
            found = ["controller", "leader-of", *numbers]
        else:
            found = _ask_broker(kind, before)
    return found


def _ask_broker(kind: Completes, before: Sequence[str]) -> list[str]:
    import trio

    from odradek import Admin
    from odradek_cli.reach import check_reachable
    from odradek_cli.session import default_bootstrap, security_for
    from odradek_cli.variables import BOOTSTRAP_VARIABLE

    given = [before[i + 1] for i, word in enumerate(before[:-1]) if word in ("-b", "--bootstrap-server")]
    bootstrap = given[-1] if given else os.environ.get(BOOTSTRAP_VARIABLE) or default_bootstrap()

    async def ask() -> list[str]:
        with trio.move_on_after(WITHIN_S):
            await check_reachable(bootstrap)
            async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
                if kind == "topic":
                    return await admin.list_topics()
                if kind == "transaction":
                    return [each.transactional_id for each in await admin.list_transactions()]
                return [each.group_id for each in await admin.list_groups()]
        return []

    return trio.run(ask)
