"""Keys of an identity provider in a file: exchanged while they are in use, or on a file system that hangs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from odradek_broker.server import key_file
from odradek_broker.server.key_file import KeyFile
from tests.security.signed_tokens import jwk_of_ec, jwks


async def test_keys_that_were_exchanged_hold_from_the_next_login_on(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(jwks(jwk_of_ec()))
    keys = KeyFile(str(path))
    (tmp_path / "new").write_text(jwks(jwk_of_ec(kid="another")))
    (tmp_path / "new").rename(path)
    await keys.ready()
    assert keys.get("another") is not None and keys.get("e") is None


async def test_keys_that_cannot_be_read_leave_those_from_before(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(jwks(jwk_of_ec()))
    keys = KeyFile(str(path))
    path.write_text("half of some ke")
    await keys.ready()
    assert keys.get("e") is not None


async def test_a_file_system_that_does_not_answer_keeps_no_login_and_never_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    path.write_text(jwks(jwk_of_ec()))
    keys, answers, asked = KeyFile(str(path)), threading.Event(), set[int]()

    def never_answers(file: KeyFile) -> None:
        asked.add(threading.get_ident())
        answers.wait()

    monkeypatch.setattr(KeyFile, "_stamp", never_answers)
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.001)
    while not asked:
        await keys.ready()
    for _ in range(3):
        await keys.ready()
        assert keys.get("e") is not None
    answers.set()
    assert asked and threading.get_ident() not in asked and len(asked) == 1, "one thread waits, and not one each"
