"""Each documented command at a terminal of 80 columns, at one of 200, and in a pipe.

A new one is tried because the documents have it; what it needs has to be in `there`, or the test says what is missing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_cli.display import cells_of
from referee import Odradek
from tests.cli.commands import Done, call, call_at_terminal
from tests.cli.test_documented_commands import documented
from tests.cli.test_wrong_usage import LEAVES

ELSEWHERE = {
    "--profile": "test_profiles has some",
    "bench": "it takes long; test_commands runs a short one",
    "broker": "it serves until it is stopped, at addresses of other machines",
    "cert": "test_secure_cluster has certificates for it",
    "chaos": "it takes as long as it says; tests/chaos runs it",
    "metadata restore": "test_metadata_restore has a controller for it",
    "node": "test_cluster_commands has a cluster for it",
    "up": "test_start_up and test_secure_cluster run it",
}
"""What needs, or is, something else than a broker that can be asked, and where that is."""

REFUSED = {
    "metadata dump": "no cluster runs here",
    "metadata dump --etcd http://127.0.0.1:2379 --prefix odradek": "etcd",
    "metadata dump --etcd https://etcd-0:2379 --config server.properties": "etcd",
    "txn abort transfers-1": "TRANSACTIONAL_ID_NOT_FOUND",
    "txn abort --topic orders -p 0": "no such transaction is open",
    "txn describe transfers-1": "TRANSACTIONAL_ID_NOT_FOUND",
}
"""What there is not here, and a piece of the one line that says so. Exit code 1."""

SENTENCES = ("acl explain", "debug bundle", "log dump --records", "metadata dump", "tail")
"""What shows no table: a line of theirs is as long as what it says, and the terminal breaks it."""

INPUT = "k1:1\nk2:2\n"
JSON_INPUT = '{"key": "k1", "value": 1}\n'
COLUMNS = (80, 200)

TOPICS = ("orders", "orders-eu", "orders.again", "orders.dead", "payments", "images")
ENDED = ("delete", "delete-offsets", "remove")
"""Commands after which what they ended has to be made again."""
_colour = re.compile("\x1b\\[[0-9;]*m")
_numbers = count()


def of_one_broker() -> list[str]:
    """Documented command lines, without the program's name."""
    lines = [line.removeprefix("odradek ") for line in documented()]
    return [line for line in lines if not any((line + " ").startswith(f"{each} ") for each in ELSEWHERE)]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odradek]:
    """A broker, and beside its data a directory, the current one, with what the documented commands name."""
    directory = tmp_path_factory.mktemp("asked")
    settings = {"authorizer.class.name": STANDARD_AUTHORIZER, "super.users": "User:ANONYMOUS"}
    with Odradek(directory / "data", settings) as broker, pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setenv("ODRADEK_BOOTSTRAP_SERVER", broker.bootstrap)
        patch.setenv("XDG_RUNTIME_DIR", str(directory))  # no cluster is announced there
        Path("one.png").write_bytes(b"\x89PNG")
        Path("server.properties").touch()
        for topic in TOPICS:
            done("topic", "create", topic, "-p", "4")
        done("produce", "orders", "-K:", stdin=INPUT)
        make_what_can_be_ended()
        yield broker


def make_what_can_be_ended() -> None:
    """Groups, users and rules of which the documents speak."""
    done("group", "reset", "billing", "orders", "--to-latest")
    done("share-group", "reset", "workers", "orders", "--to-earliest")
    done("user", "add", "alice", stdin="wonderland\n")
    done("acl", "add", "--user", "alice", "--operation", "Read", "--topic", "orders-", "--prefix")


def done(*words: str, stdin: str = "") -> Done:
    made = call(*words, stdin=stdin)
    assert made.code == 0, made
    return made


def words_of(line: str) -> list[str]:
    """The words that a shell makes of it, and what ends it where it would go on for ever."""
    words = [name for word in shlex.split(line) for name in (["one.png"] if word == "*.png" else [word])]
    if words[:2] == ["topic", "create"] and "--if-not-exists" not in words:
        words[2] = f"{words[2]}-{next(_numbers)}"  # there is one of that name
    return [*words, "--no-follow"] if words[0] == "tail" else words


@pytest.fixture(params=of_one_broker())
def line(request: pytest.FixtureRequest, asked: Odradek) -> Iterator[str]:
    yield request.param
    words = words_of(request.param)
    if words[1] in ENDED:
        make_what_can_be_ended()
    for archive in Path().glob("odradek-debug-*"):
        archive.unlink()  # it is called by the second
    if words[:2] == ["quota", "set"]:  # or the next commands would wait for their turn
        done(*words[:4], *(each for limit in words[4::2] for each in (limit, "none")))


@pytest.mark.parametrize("columns", COLUMNS)
def test_a_command_shows_nothing_wider_than_the_terminal(line: str, columns: int) -> None:
    code, shown = call_at_terminal(*words_of(line), columns=columns, stdin=input_for(line))
    refusal = REFUSED.get(line)
    assert code == (0 if refusal is None else 1), shown
    assert "Traceback" not in shown
    if refusal is None and not line.startswith(SENTENCES):
        assert [each for each in _colour.sub("", shown).splitlines() if cells_of(each) > columns] == []


def test_a_command_in_a_pipe_colours_nothing_and_says_in_one_line_what_it_refuses(line: str) -> None:
    made = call(*words_of(line), stdin=input_for(line))
    refusal = REFUSED.get(line)
    if refusal is None:
        assert made.code == 0, made
    else:
        assert (made.code, made.stdout, made.stderr.count("\n")) == (1, "", 1), made
        assert made.stderr.startswith("odradek: ")
        assert refusal in made.stderr
    assert "\x1b" not in made.stdout + made.stderr


def input_for(line: str) -> str:
    return JSON_INPUT if "--json" in line else INPUT


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("leaf", LEAVES)
def test_help_fits_the_terminal(leaf: str, columns: int) -> None:
    code, shown = call_at_terminal(*leaf.split(), "--help", columns=columns)
    assert code == 0
    assert [each for each in shown.splitlines() if len(each) > columns] == []
