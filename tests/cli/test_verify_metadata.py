"""`odradek log verify` on a directory with the metadata's log."""

from __future__ import annotations

from pathlib import Path

from odradek_broker.log.checkpoints import encode_seen_metadata
from odradek_broker.log.directory import SEEN_METADATA
from odradek_cli.verify import verify_path
from tests.server.served_broker import serving


async def test_a_log_of_the_metadata_that_ends_before_what_its_node_has_acted_upon_is_a_finding(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await (await served.connect()).make_topic("t")
        offset = served.broker.image.offset
        await served.stop()
    assert not _faults(tmp_path)
    (tmp_path / SEEN_METADATA).write_bytes(encode_seen_metadata(offset + 100, 1))
    assert any("__cluster_metadata-0" in fault for fault in _faults(tmp_path))


def _faults(path: Path) -> list[str]:
    return [fault for checked in verify_path(path) for fault in checked.faults]
