"""What is in a bundle, and what is not."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from odradek_cli.debug import without_secrets
from referee import Odradek
from tests.cli.commands import Run


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ssl.keystore.password=hunter2 next=1", "ssl.keystore.password=*** next=1"),
        ('"password": "a b", "x": 1', '"password": ***, "x": 1'),
        ("sasl.jaas.config='org x;' y", "sasl.jaas.config=*** y"),
        ("etcd at http://root:pw@h:2379/x", "etcd at http://***@h:2379/x"),
        ("nothing of that kind", "nothing of that kind"),
    ],
)
def test_secrets_are_crossed_out_of_text(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_a_bundle_has_what_helps_and_no_record(run: Run, broker: Odradek, tmp_path: Path) -> None:
    run("produce", "private", "-K:", stdin="a-private-key:a-private-value\n")
    node = tmp_path / "cluster" / "broker-0"
    node.mkdir(parents=True)
    (node / "server.log").write_text("started with token=abc\n")
    (node / "other").write_text("a-private-value")
    archive = tmp_path / "b.tar.gz"
    run("debug", "bundle", "-o", str(archive), "--data-dir", str(node.parent))
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as opened:
        files = {
            each.name.removeprefix("odradek-debug/"): (file.read() if (file := opened.extractfile(each)) else b"")
            for each in opened
        }
    assert {
        "versions.json",
        "cluster.json",
        "topics.json",
        "groups.json",
        "loops.json",
        "settings/topic-private.json",
    } <= set(files)
    assert files["logs/cluster/broker-0/server.log"] == b"started with token=***\n"
    assert files["missing.txt"] == b""
    assert "private" in json.loads(files["topics.json"])
    assert not any(b"a-private" in content for content in files.values())
    assert "exists" in run("debug", "bundle", "-o", str(archive), "--data-dir", str(node.parent), code=1).stderr
