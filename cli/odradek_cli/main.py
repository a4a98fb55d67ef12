"""The `odradek` command. Only the module of the command that was named is imported, so that each starts fast."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from odradek_cli.command import Command, Group, UsageError, command_of
from odradek_cli.help_text import help_of_command, help_of_group
from odradek_cli.parsing import HELP, HelpWanted, arguments_of, guess
from odradek_cli.variables import PROFILE_VARIABLE

PROGRAM = "odradek"
SUMMARY = "A broker that Kafka's clients take for Kafka, and tools for it."
COMMANDS = {
    "up": "Start brokers on this machine, for as long as the command runs.",
    "broker": "Run a broker as a service does.",
    "node": "Kill, pause, stop and start the nodes of a running cluster.",
    "cluster": "The cluster as a whole.",
    "topic": "Topics and their configuration.",
    "produce": "Lines of standard input, or of files, become records.",
    "tail": "Show records and follow what comes.",
    "group": "Consumer groups.",
    "share-group": "Share groups, whose members share records.",
    "user": "Who can log in.",
    "token": "Delegation tokens: to act for somebody without their password.",
    "cert": "Certificates: when they end, and new ones.",
    "replay": "Send dead letters, or any range of records, through a topic again.",
    "acl": "Who may do what.",
    "quota": "How much clients may ask for.",
    "txn": "Transactions: what they hold up, and how to end one.",
    "log": "Segment files.",
    "metadata": "The cluster's metadata.",
    "debug": "For whoever is to help.",
    "bench": "How fast a broker takes and gives records.",
    "chaos": "Kill brokers under load, and see whether anything is lost.",
}
"""Each is a module of this package with a function or a Group of the same name, and what it is for."""
ALIASES = {"consume": "tail"}
COMPLETION = ("--complete", "--show-completion", "--install-completion")
OBJECTS_OF_IMPORTS = 50_000
"""New objects between two looks for garbage while a command is imported; with the usual 700 they take 6 % of it."""
OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main() -> None:
    """Run what the command line says, and exit. What goes wrong is one line on standard error."""
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except BaseException as error:
        code = _exit_code(error)
    sys.exit(code)


def _run(words: Sequence[str]) -> int:
    if not words or words[0] in HELP:
        print(help_of_group(PROGRAM, SUMMARY, COMMANDS), end="")
        return OK if words else WRONG_USAGE
    name, rest = words[0], words[1:]
    if name == "--version":
        from odradek import __version__

        print(f"{PROGRAM} {__version__}")
        return OK
    if name == "--profile" or name.startswith("--profile="):
        _, equals, value = name.partition("=")
        if not (equals or rest):
            raise UsageError(f"{PROGRAM}: --profile NAME is followed by a command")
        os.environ[PROFILE_VARIABLE] = value if equals else rest[0]
        return _run(rest if equals else rest[1:])
    if name in COMPLETION:
        return _complete(name, rest)
    name = ALIASES.get(name, name)
    if name not in COMMANDS:
        raise UsageError(f"{PROGRAM}: there is no {_what(name)}{guess(name, COMMANDS)}; see {PROGRAM} --help")
    found = find(name)
    if isinstance(found, Group):
        return _run_one_of(found, rest)
    return _carry_out(command_of(f"{PROGRAM} {name}", found), rest)


def _complete(what: str, words: Sequence[str]) -> int:
    from odradek_cli import completion

    if what == "--complete":
        found = completion.candidates(words, [*COMMANDS, *ALIASES], _find_or_alias, completion.existing_names)
        print("\n".join(found))
        return OK
    shell = words[0] if words else os.path.basename(os.environ.get("SHELL", ""))
    if shell not in completion.SCRIPTS or len(words) > 1:
        raise UsageError(f"{PROGRAM} {what} SHELL: one of {', '.join(completion.SCRIPTS)}")
    if what == "--show-completion":
        print(completion.SCRIPTS[shell], end="")
    else:
        print(f"wrote {completion.install(shell, Path.home())}; it holds in shells that are started from now on")
    return OK


def _find_or_alias(name: str) -> Group | Callable[..., None]:
    return find(ALIASES.get(name, name))


def find(name: str) -> Group | Callable[..., None]:
    """What is behind one of COMMANDS."""
    module, usual = name.replace("-", "_"), gc.get_threshold()
    gc.set_threshold(OBJECTS_OF_IMPORTS)
    try:
        found: Group | Callable[..., None] = getattr(importlib.import_module(f"odradek_cli.{module}"), module)
    finally:
        gc.set_threshold(*usual)
    return found


def _run_one_of(group: Group, words: Sequence[str]) -> int:
    path = f"{PROGRAM} {group.name}"
    if not words or words[0] in HELP:
        commands = {name: summary_of(command_of(path, each)) for name, each in group.functions.items()}
        print(help_of_group(path, group.help, commands), end="")
        return OK if words else WRONG_USAGE
    name = words[0]
    if name not in group.functions:
        raise UsageError(f"{path}: there is no {_what(name)}{guess(name, group.functions)}; see {path} --help")
    return _carry_out(command_of(f"{path} {name}", group.functions[name]), words[1:])


def summary_of(command: Command) -> str:
    return command.help.partition("\n")[0]


def _what(word: str) -> str:
    return f"option {word}" if word.startswith("-") else f"command {word}"


def _carry_out(command: Command, words: Sequence[str]) -> int:
    try:
        command.function(**arguments_of(command, words))
    except HelpWanted:
        print(help_of_command(command), end="")
    except UsageError as error:
        raise UsageError(f"{command.path}: {error}; see {command.path} --help") from None
    return OK


def _exit_code(error: BaseException) -> int:
    from odradek.first_error import first_error
    from odradek_cli.failures import is_foreseen, sentence_of

    error = first_error(error)
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the interpreter's last flush is quiet
        return OK
    if isinstance(error, UsageError):
        print(_one_line(str(error)), file=sys.stderr)
        return WRONG_USAGE
    if is_foreseen(error):
        print(_one_line(f"{PROGRAM}: {sentence_of(error)}"), file=sys.stderr)
        return FAILED
    raise error


def _one_line(text: str) -> str:
    from odradek_cli.display import escaped

    return escaped("; ".join(line.strip() for line in text.splitlines() if line.strip()))
