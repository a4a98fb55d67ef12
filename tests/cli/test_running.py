"""Where a command finds a broker when nobody says where one is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio

from odradek_cli import running
from odradek_cli.command import UsageError
from odradek_cli.failures import Failed
from odradek_cli.reach import check_reachable
from odradek_cli.running import NoCluster, all_running, announced, find_cluster
from odradek_cli.session import DEFAULT_BOOTSTRAP, default_bootstrap


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "registry"
    monkeypatch.setattr(running, "registry", lambda: directory)
    return directory


@contextmanager
def others(registry: Path, *bootstraps: str) -> Iterator[None]:
    """Further clusters, each by an entry of a process that lives."""
    with announced(Path("/data"), bootstraps[0]), ExitStack() as stack:
        for pid, bootstrap in zip((1, 2), bootstraps[1:], strict=False):
            entry = registry / f"{pid}.json"
            entry.write_text(f'{{"data_dir": "/{pid}", "bootstrap": "{bootstrap}"}}')
            stack.callback(entry.unlink)
        yield


def test_the_default_is_all_brokers_of_what_runs_here() -> None:
    assert default_bootstrap() == DEFAULT_BOOTSTRAP
    with announced(Path("/data"), "127.0.0.1:1,127.0.0.1:2"):
        assert default_bootstrap() == "127.0.0.1:1,127.0.0.1:2"
    assert default_bootstrap() == DEFAULT_BOOTSTRAP


def test_of_several_it_is_the_one_with_kafkas_own_port_or_none(registry: Path) -> None:
    with others(registry, "127.0.0.1:1", "127.0.0.1:9091,127.0.0.1:9092"):
        assert default_bootstrap() == "127.0.0.1:9091,127.0.0.1:9092"
    with (
        others(registry, "127.0.0.1:1", "127.0.0.1:2"),
        pytest.raises(UsageError, match=r"-b \(127.0.0.1:2; 127.0.0.1:1"),
    ):
        default_bootstrap()


def test_an_entry_that_is_damaged_or_of_a_process_that_has_gone_counts_for_nothing(registry: Path) -> None:
    registry.mkdir()
    (registry / f"{os.getpid()}.json").write_text("{")
    gone = registry / "4194305.json"  # above any pid of Linux
    gone.write_text('{"data_dir": "/", "bootstrap": "127.0.0.1:1"}')
    assert all_running() == []
    assert not gone.exists()


def test_a_single_broker_is_no_cluster_to_kill_nodes_of() -> None:
    with announced(Path("/data"), "127.0.0.1:1"), pytest.raises(NoCluster):
        find_cluster(None)
    with announced(Path("/data"), "127.0.0.1:1", has_socket=True):
        assert find_cluster(None).bootstrap == "127.0.0.1:1"


async def test_where_everybody_refuses_one_sentence_says_so_at_once() -> None:
    with trio.fail_after(60), pytest.raises(Failed) as failed:
        await check_reachable("127.0.0.1:1,127.0.0.1:2")
    assert str(failed.value).count("Connection refused") == 1
    assert "odradek up" in str(failed.value)


async def test_one_broker_that_listens_is_enough() -> None:
    listener, *_ = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        await check_reachable(f"127.0.0.1:1,127.0.0.1:{port}")


def made_by_another_user(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    us = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: us + 1)


def a_link(directory: Path, _: pytest.MonkeyPatch) -> None:
    elsewhere = directory.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    directory.symlink_to(elsewhere)


def open_to_all(directory: Path, _: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    directory.chmod(0o777)


def a_file(directory: Path, _: pytest.MonkeyPatch) -> None:
    directory.touch()


@pytest.mark.parametrize("make", [made_by_another_user, a_link, open_to_all, a_file])
def test_a_registry_that_is_not_ours_alone_is_neither_believed_nor_written_to(
    registry: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    make(registry, monkeypatch)
    if registry.is_dir():
        (registry / "1.json").write_text('{"data_dir": "/", "bootstrap": "127.0.0.1:1", "socket": "/theirs.sock"}')
    with pytest.raises(Failed, match="is not trusted: remove it, or set XDG_RUNTIME_DIR"):
        find_cluster(None)
    with pytest.raises(PermissionError, match="is not trusted"), announced(Path("/data"), "127.0.0.1:1"):
        pass
    assert not (registry / f"{os.getpid()}.json").exists()


def test_the_registry_is_made_for_this_user_alone_whatever_the_umask(registry: Path) -> None:
    before = os.umask(0)
    try:
        with announced(Path("/data"), "127.0.0.1:1"):
            assert registry.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_the_users_own_runtime_directory_goes_before_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with monkeypatch.context() as context:
        context.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        assert running.registry() == tmp_path / "odradek"
        context.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
        assert running.registry().name == f"odradek-{os.getuid()}"
