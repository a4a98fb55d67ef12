"""Wrong usages: each is one line on standard error that names the command, no traceback, and exit code 2."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import pytest

from odradek_cli.command import Group
from odradek_cli.main import COMMANDS, find
from tests.cli.commands import call

NOBODY = "127.0.0.1:1"
"""Where every connection is refused."""

LEAVES = [
    f"{name} {each}" if each else name
    for name in COMMANDS
    for found in (find(name),)
    for each in (found.functions if isinstance(found, Group) else [""])
]
TALKING = [
    "topic create t",
    "topic list",
    "topic describe t",
    "topic alter t -p 2",
    "topic delete t",
    "topic sizes",
    "topic trim t --before 1",
    "cluster info",
    "group list",
    "group describe g",
    "produce t",
    "tail t",
    "bench",
]

WRONG = [
    *(f"{leaf} --no-such-option" for leaf in LEAVES),
    *(f"{leaf} -Q" for leaf in LEAVES),
    *(f"{leaf} --help=yes" for leaf in LEAVES),
    *(f"{command} -b" for command in TALKING),
    *(
        f"{command} surplus words"
        for command in ("topic list", "group list", "group describe g", "bench", "chaos", "up")
    ),
    *(
        f"{command} --json=1"
        for command in ("topic list", "group list", "group describe g", "tail t", "bench", "node list")
    ),
    *(f"{group} no-such-command" for group in ("topic", "group", "node", "log", "metadata")),
    *(f"{group} --no-such-option" for group in ("topic", "group", "node", "log", "metadata")),
    "no-such-command",
    "tpoic list",
    "''",
    "--no-such-option",
    "-x",
    "--version=1",
    "Topic list",
    "topic create",
    "topic create t -p",
    "topic create t -p many",
    "topic create t -p 1.5",
    "topic create t -p ''",
    "topic create t -p -2",
    "topic create t -p 99999999999999999999",
    "topic create t -r none",
    "topic create t -r 99999",
    "topic create t -c",
    "topic create t -c retention.ms",
    "topic create t -c =1",
    "topic create t u",
    "topic describe",
    "topic describe t u",
    "topic alter",
    "topic alter t",
    "topic alter t -p x",
    "topic alter t -c =",
    "topic alter t -c retention.ms",
    "topic delete",
    "topic trim",
    "topic trim t",
    "topic trim t --before soon",
    "topic trim t --before 1 -p x",
    "group describe",
    "group describe g h",
    "produce",
    "produce t --whole-files",
    "produce t -p x",
    "produce t -p -1",
    "produce t -z brotli",
    "produce t --acks 2",
    "produce t --acks ''",
    "produce t -H",
    "produce t -H novalue",
    "produce t -H =v",
    "produce t --partition=",
    "tail",
    "tail -f t",
    "tail t --from soon",
    "tail t --from ''",
    "tail t --from 10m",
    "tail t --from -10",
    "tail t --from 2026-13-01",
    "tail t --from -99999999999999w",
    "tail t --until later",
    "tail t -n",
    "tail t -n 0",
    "tail t -n -5",
    "tail t -n five",
    "tail t --grep '('",
    "tail t --grep '*'",
    "tail t --jq ''",
    "tail t --jq '.a ='",
    "tail t --jq '.a | nonsense'",
    "tail t --jq '.['",
    "node kill",
    "node pause",
    "node resume",
    "node stop",
    "node start",
    "node list 0",
    "log dump",
    "log verify",
    "log dump /nowhere/at/all",
    "log verify /nowhere/at/all",
    "log strays -d /nowhere/at/all",
    "log strays surplus",
    "metadata dump a b",
    "metadata restore",
    "metadata restore --data-dir",
    "metadata restore --data-dir d --from host:port",
    "metadata restore --data-dir d --from :1",
    "metadata restore --data-dir d --from h:70000",
    "bench -n 0",
    "bench -n x",
    "bench --size 0",
    "bench -p 0",
    "chaos --for ever",
    "chaos --for 10",
    "chaos --for ''",
    "chaos --for -5s",
    "chaos --seed x",
    "chaos --fault none",
    "chaos --acks 2",
    "chaos --brokers 0",
    "chaos --topics 0",
    "chaos --rate 0",
    "chaos --rate nan",
    "chaos --journal paper",
    "chaos --etcd-members 8",
    "chaos --set x",
    "chaos --history /nowhere/h.jsonl",
    "chaos --picture /nowhere/p.png",
    "up --port 65536",
    "up --port -1",
    "up --port x",
    "up --port 65535 --brokers 2",
    "up --brokers 0",
    "up --brokers many",
    "up --journal paper",
    "up --controllers 0",
    "up --set novalue",
    "up --set =value",
    "up --set no.such.setting=1",
    "up --set log.segment.bytes=many",
    "broker --set novalue",
    "broker --set no.such.setting=1",
    "broker --set listeners=localhost:70000",
    "broker --set listeners=nonsense",
    "broker extra",
    "broker --config /nowhere/at/all.toml",
]

FAILING = [
    *(f"{command} -b {NOBODY}" for command in TALKING),
    *(f"{command} -b {NOBODY},{NOBODY}" for command in TALKING),
    "topic list -b localhost:0",
    "topic list -b localhost:65536",
    "topic list -b localhost:99999999",
    "topic list -b localhost:port",
    "topic list -b :9092",
    "topic list -b ''",
    "topic list -b ,",
    "topic list -b localhost:1:1",
    "topic list -b no-such-host.invalid:1",
    "produce t /nowhere/at/all",
    "produce t --whole-files /nowhere/at/all",
    "log dump /etc/passwd",
    "log dump -r /etc/passwd",
    "log dump /etc/hostname",
    "metadata dump /nowhere/at/all",
    "metadata dump /etc/passwd",
    "metadata dump .",
    "metadata dump . --etcd http://127.0.0.1:1",
    "metadata dump --etcd http://127.0.0.1:1",
    "metadata dump --etcd nonsense",
    "node list --data-dir /nowhere",
    "node kill 0 --data-dir /nowhere",
    "up --port 65535 --host no-such-host.invalid --set allow.unsecured.listeners=true",
]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing is, and nothing is announced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str) -> None:
    code, out, err = call(*shlex.split(words))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("odradek"), err


@pytest.mark.parametrize("words", FAILING)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(words: str) -> None:
    code, out, err = call(*shlex.split(words))
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert err.startswith("odradek: "), err
    assert not err.startswith("odradek: [Errno"), err
