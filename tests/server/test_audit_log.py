"""What was asked and decided is in a file, which does not grow without bound."""

from __future__ import annotations

import json
from pathlib import Path

from served_broker import produce, serving

from odradek.protocol.acl import Operation, ResourceType
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.node.audit_log import FILE
from odradek_broker.security.authorizer import Decision, Reason


def files_in(directory: Path) -> list[Path]:
    return list(directory.rglob(f"{FILE}*"))


async def test_a_refusal_is_in_the_file_when_the_broker_has_stopped(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        peer = await served.connect()
        for _ in range(3):
            await peer.produce(produce(b"x"))
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text("utf-8").splitlines()]
    assert sum(line["times"] for line in lines) == 3
    assert {line["rule"] for line in lines} == {"no ACL speaks of it"}
    assert {(line["principal"], line["request"], line["operation"], line["resource"]) for line in lines} == {
        ("User:ANONYMOUS", "Produce", "WRITE", "TOPIC:t")
    }


async def test_without_an_authorizer_or_without_room_there_is_no_file(tmp_path: Path) -> None:
    async with serving(tmp_path / "open") as served:
        assert served.broker.audit_log is None
    settings = {"authorizer_class_name": STANDARD_AUTHORIZER, "audit_log_max_bytes": "0"}
    async with serving(tmp_path / "silent", **settings) as served:
        assert await (await served.connect()).is_answered()
    assert not files_in(tmp_path)


async def test_the_files_stay_within_their_bound(tmp_path: Path) -> None:
    most = 64 * 1024
    settings = {"authorizer_class_name": STANDARD_AUTHORIZER, "audit_log_max_bytes": str(most)}
    async with serving(tmp_path, **settings) as served:
        log = served.broker.audit_log
        assert log is not None
        for number in range(2000):
            decision = Decision(False, Reason.NOT_AMONG_ITS_ACLS)
            log.note("User:a", "::1", "Fetch", Operation.READ, ResourceType.TOPIC, f"t{number}", decision)
        log.close()
    sizes = [file.stat().st_size for file in files_in(tmp_path)]
    assert len(sizes) == 2
    assert most / 4 < sum(sizes) <= most
    newest = (tmp_path / FILE).read_text("utf-8").splitlines()[-1]
    assert json.loads(newest)["resource"] == "TOPIC:t1999"


async def test_of_long_names_no_more_is_kept_than_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        log = served.broker.audit_log
        assert log is not None
        decision = Decision(False, Reason.NOT_AMONG_ITS_ACLS)
        log.note("User:a", "::1", "Fetch", Operation.READ, ResourceType.TOPIC, 30_000 * "t", decision)
        (kept,) = log._audit._kept
        assert len(kept.resource) < 1_000
