"""`odradek metadata restore` with real processes: a journal is damaged, refused, made anew; nothing is set aside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from odradek import Admin, Consumer, Producer
from odradek.testing import Cluster, NodeFailed

pytestmark = pytest.mark.slow


async def restore(data_dir: Path, *sources: str, yes: bool = False, code: int = 0) -> list[str]:
    """The lines that it prints; with exit code 1 those of standard error."""
    options = [option for source in sources for option in ("--from", source)] + ["--yes"] * yes
    command = [sys.executable, "-m", "odradek_cli", "metadata", "restore", "--data-dir", str(data_dir), *options]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    return (done.stderr if code else done.stdout).decode().splitlines()


def files(directory: Path, pattern: str) -> list[Path]:
    return list(directory.glob(pattern))


async def written(bootstrap: str, *values: str) -> None:
    async with Producer(bootstrap) as producer:
        for value in values:
            await (await producer.send("t", value.encode()))


async def read(bootstrap: str, count: int) -> list[str]:
    async with Consumer(bootstrap, start="earliest") as consumer:
        consumer.subscribe("t")
        found: list[str] = []
        while len(found) < count:
            found += [(record.value or b"").decode() for record in await consumer.poll(timeout_s=1)]
        return found


async def test_a_damaged_journal_is_refused_and_made_anew_out_of_what_brokers_know(tmp_path: Path) -> None:
    async with Cluster(brokers=3, data_dir=tmp_path) as cluster:
        controller = cluster.controller
        assert controller is not None
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("t", 3, replication_factor=3)
            await admin.create_topic("u", 1, replication_factor=3)
        await written(cluster.bootstrap, "1", "2", "3")
        assert await restore(tmp_path / "controller", cluster.bootstrap, yes=True, code=1) == [
            f"odradek: {tmp_path / 'controller'} is in use: stop the controller first"
        ]
        controller.kill()
        (segment,) = files(tmp_path, "controller/__cluster_metadata-0/*.log")
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        with pytest.raises(NodeFailed, match=r"odradek metadata restore --data-dir .*controller --from HOST:PORT"):
            await controller.start()
        cluster.brokers[2].kill()

        said = await restore(tmp_path / "controller", *(broker.address for broker in cluster.brokers))
        assert sorted(line.split(" at ")[0] for line in said[:2]) == ["node 0", "node 1"]
        assert "3 brokers, 2 topics, out of node" in said[2]
        assert said[3].startswith("nothing was changed")
        assert segment.read_bytes() == content
        *_, done = await restore(tmp_path / "controller", cluster.bootstrap, yes=True)
        assert done.startswith(f"wrote {segment.parent}") and "-damaged" in done

        await controller.start()
        await cluster.brokers[2].start()
        await cluster.wait_in_sync("t")
        await written(cluster.bootstrap, "4")
        assert sorted(await read(cluster.bootstrap, 4)) == ["1", "2", "3", "4"]
        assert files(tmp_path, "*/*stray*") == []
        assert len(files(tmp_path, "controller/*-damaged/*.log")) == 1


async def test_a_controllers_directory_that_is_gone_is_made_anew_though_the_controller_was_started_without_it(
    tmp_path: Path,
) -> None:
    async with Cluster(brokers=2, data_dir=tmp_path) as cluster:
        controller, directory = cluster.controller, tmp_path / "controller"
        assert controller is not None
        async with Admin(cluster.bootstrap) as admin:
            await admin.create_topic("t", 3, replication_factor=2)
        await written(cluster.bootstrap, "1", "2")
        lives = [broker.pid for broker in cluster.brokers]
        controller.kill()
        directory.rename(tmp_path / "gone")
        directory.mkdir()
        await controller.start()
        logs = [tmp_path / f"broker-{number}" / "server.log" for number in range(2)]
        with trio.fail_after(20):
            while not all("odradek metadata restore" in log.read_text() for log in logs):  # noqa: ASYNC110
                await trio.sleep(0.05)
        controller.kill()
        (refusal,) = (await restore(directory, cluster.bootstrap, yes=True, code=1))[-1:]
        assert "different clusters" in refusal and "move its data directory away first" in refusal
        directory.rename(tmp_path / "begun-by-mistake")
        *_, done = await restore(directory, cluster.bootstrap, yes=True)
        assert done.startswith("wrote ")
        await controller.start()
        await cluster.wait_in_sync("t")
        await written(cluster.bootstrap, "3")
        assert sorted(await read(cluster.bootstrap, 3)) == ["1", "2", "3"]
        assert [broker.pid for broker in cluster.brokers] == lives
        assert files(tmp_path, "*/*stray*") == []


async def test_what_nobody_can_answer_for_is_not_restored(tmp_path: Path) -> None:
    assert await restore(tmp_path / "nowhere", "127.0.0.1:1", code=1) == [
        "odradek: cannot connect to 127.0.0.1:1: Connection refused",
        "odradek: nobody that was asked knows anything of the metadata",
    ]
    assert not (tmp_path / "nowhere").exists()
