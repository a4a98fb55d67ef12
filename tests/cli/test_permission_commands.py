"""odradek acl and odradek quota: what is set is listed, explained, kept to, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from referee import Odradek
from tests.cli.commands import Done, Run, call

ALICE = "User:alice"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a command with a broker that asks for permission, as somebody who has them all."""
    settings = {"authorizer.class.name": STANDARD_AUTHORIZER, "super.users": "User:ANONYMOUS"}
    with Odradek(tmp_path_factory.mktemp("asking") / "data", settings) as broker:

        def run(*words: str, code: int = 0) -> Done:
            done = call(*words, "-b", broker.bootstrap)
            assert done.code == code, done
            return done

        yield run


def rules(done: Done) -> list[tuple[str, ...]]:
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def test_what_is_added_is_listed_and_removed(there: Run) -> None:
    there("acl", "add", "--user", "alice", "--user", "bob", "--operation", "Read", "-o", "Write", "--topic", "added")
    assert rules(there("acl", "list", "--user", "alice")) == [
        ("allow", ALICE, "*", "read", "topic", "literal", "added"),
        ("allow", ALICE, "*", "write", "topic", "literal", "added"),
    ]
    gone = there("acl", "remove", "--topic", "added", "-o", "Write")
    assert len(gone.stdout.splitlines()) == 2
    assert [
        json.loads(line)["user"] for line in there("acl", "list", "--topic", "added", "--json").stdout.splitlines()
    ] == [
        ALICE,
        "User:bob",
    ]
    there("acl", "remove", "--topic", "added")
    assert there("acl", "remove", "--topic", "added", code=1).stderr == "odradek: there is no such ACL\n"


def test_a_list_for_a_topic_has_all_that_speak_of_it(there: Run) -> None:
    there("acl", "add", "--user", "alice", "-o", "Read", "--topic", "list", "--prefix")
    there("acl", "add", "--user", "*", "-o", "Describe", "--topic", "*")
    there("acl", "add", "--user", "bob", "-o", "Read", "--topic", "other")
    found = rules(there("acl", "list", "--topic", "listed"))
    assert [each[-2:] for each in found] == [("literal", "*"), ("prefixed", "list")]
    there("acl", "remove", "--topic", "*")


def explained(there: Run, *words: str) -> list[str]:
    return there("acl", "explain", *words).stdout.splitlines()


def test_an_explanation_names_the_rule_and_what_would_be_needed(there: Run) -> None:
    question = ("--user", "alice", "--operation", "Write", "--topic", "why")
    verdict, because, needed = explained(there, *question)
    assert verdict == "refused: User:alice from 127.0.0.1 to WRITE TOPIC:why"
    assert because == "because no ACL speaks of TOPIC:why, and allow.everyone.if.no.acl.found is false"
    assert needed == "needed: Write or All, as in: odradek acl add --user alice --operation Write --topic why"

    there("acl", "add", "--user", "alice", "-o", "Read", "--topic", "why")
    assert explained(there, *question)[1] == "because the ACLs that speak of TOPIC:why do not allow it"
    assert explained(there, "--user", "alice", "-o", "Describe", "--topic", "why")[0].startswith("allowed")

    there(*["acl", "add", "--user", "alice", "-o", "Write", "--topic", "why"])
    verdict, because = explained(there, *question)
    assert verdict.startswith("allowed")
    assert because == "because of the ACL ALLOW User:alice from * to WRITE on TOPIC:LITERAL:why"

    there(*["acl", "add", "--user", "*", "-o", "All", "--topic", "wh", "--prefix", "--deny"])
    verdict, because, needed = explained(there, *question)
    assert verdict.startswith("refused")
    assert because == "because of the ACL DENY User:* from * to ALL on TOPIC:PREFIXED:wh"
    assert "removed" in needed
    assert explained(there, "--user", "ANONYMOUS", "-o", "Write", "--topic", "why")[1].endswith("among super.users")
    there("acl", "remove", "--user", "*", "--topic", "wh", "--prefix")
    there("acl", "remove", "--topic", "why")


def test_where_nobody_is_asked_that_is_the_explanation(run: Run) -> None:
    verdict, because = explained(run, "--user", "alice", "-o", "Write", "--topic", "why")
    assert verdict.startswith("allowed")
    assert because == "because nobody is asked for permission: authorizer.class.name is not set"


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("acl add --user alice --topic t", "--operation"),
        ("acl add --user alice -o Read", "--topic"),
        ("acl add --user alice -o Fly --topic t", "Fly"),
        ("acl remove", "--user"),
        ("acl explain --user alice -o Read --topic t --group g", "one resource"),
        ("quota set --produce-bytes 1", "--user"),
        ("quota set --user alice", "--produce-bytes"),
        ("quota set --user alice --produce-bytes many", "many"),
    ],
)
def test_wrong_usage_is_one_line(words: str, wrong: str) -> None:
    done = call(*words.split(), "-b", "localhost:1")
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert wrong in done.stderr


def test_a_quota_is_set_listed_and_taken_back(there: Run) -> None:
    there("quota", "set", "--user", "alice", "--client-id", "*", "--produce-bytes", "1000", "--request-percent", "50")
    there("quota", "set", "--ip", "*", "--connections", "10")
    assert rules(there("quota", "list")) == [
        ("client-id *, user alice", "producer_byte_rate", "1000.0"),
        ("client-id *, user alice", "request_percentage", "50.0"),
        ("ip *", "connection_creation_rate", "10.0"),
    ]
    there("quota", "set", "--user", "alice", "--client-id", "*", "--produce-bytes", "none", "--request-percent", "none")
    there("quota", "set", "--ip", "*", "--connections", "none")
    assert there("quota", "list").stdout == ""
    assert "whole number" in there("quota", "set", "--user", "alice", "--produce-bytes", "1.5", code=1).stderr
