"""The commands at a terminal."""

from __future__ import annotations

import json

import pytest
import trio

from odradek.admin import Admin
from odradek.protocol.topic_partition import TopicPartition
from referee import Odradek
from tests.cli.commands import AtTerminal, Run

CONTROL = "\x1b[2J\x07\u202e"


@pytest.mark.parametrize("columns", [80, 200])
def test_markup_in_a_groups_name_is_shown_as_it_is(broker: Odradek, run: Run, columns: int) -> None:
    run("produce", "read", stdin="1\n")

    async def commit() -> None:
        async with Admin(broker.bootstrap) as admin:
            await admin.alter_group_offsets("team[/a]", {TopicPartition("read", 0): 1})

    trio.run(commit)
    with AtTerminal("group", "list", "-b", broker.bootstrap, columns=columns) as terminal:
        code, shown = terminal.end()
    assert code == 0
    assert "team[/a]" in shown


@pytest.mark.parametrize("columns", [80, 200])
def test_a_record_cannot_command_the_terminal(broker: Odradek, run: Run, columns: int) -> None:
    topic = f"controls-{columns}"
    line = json.dumps({"key": CONTROL, "value": CONTROL, "headers": {CONTROL: CONTROL}})
    run("produce", topic, "--json", stdin=line + "\n")
    with AtTerminal("tail", topic, "-n1", "-b", broker.bootstrap, columns=columns) as terminal:
        code, shown = terminal.end()
    assert code == 0
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert shown.count("\\x1b[2J\\x07\\u202e") == 4


@pytest.mark.slow
def test_a_line_of_a_pipe_has_its_columns_whatever_is_in_the_record(run: Run) -> None:
    run("produce", "columns", "--json", stdin=json.dumps({"key": "a\tb", "value": "c\nd\te"}) + "\n")
    lines = run("tail", "columns", "-n1").stdout.splitlines()
    assert [line.split("\t")[3:] for line in lines] == [["a\\tb", "c\\nd\\te"]]


def test_ctrl_c_ends_a_produce_that_waits_for_the_next_line_and_what_was_typed_is_there(
    broker: Odradek, run: Run
) -> None:
    run("topic", "create", "typed")
    with AtTerminal("produce", "typed", "-b", broker.bootstrap) as terminal:
        terminal.type("one\ntwo\nthree")
        terminal.read_until("three")  # the echo
        while len(run("tail", "typed", "-n5", "--raw").stdout.splitlines()) < 2:
            pass
        terminal.type("\x03")
        code, shown = terminal.end()
    assert code == 130
    assert "Traceback" not in shown
    assert run("tail", "typed", "-n5", "--raw").stdout == "one\ntwo\n"


def test_ctrl_c_ends_a_tail_that_follows(broker: Odradek, run: Run) -> None:
    run("produce", "followed", stdin="one\n")
    with AtTerminal("tail", "followed", "--from", "earliest", "-b", broker.bootstrap) as terminal:
        terminal.read_until("one")
        terminal.type("\x03")
        code, shown = terminal.end()
    assert code == 130
    assert "Traceback" not in shown


def test_help_at_a_terminal_has_all_its_words() -> None:
    with AtTerminal("tail", "--help") as terminal:
        code, shown = terminal.end()
    assert code == 0
    assert "[unless --last, --until or --group]" in " ".join(shown.split())
