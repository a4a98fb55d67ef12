"""Who follows the metadata, however seldom it asks, has the same image as who decides."""

from __future__ import annotations

from random import Random

import pytest

from odradek_broker.controller import tail
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.tail import MetadataTail
from tests.controller.decisions import decisions

EMPTY = MetadataImage(cluster_id="test")


@pytest.mark.parametrize("seed", range(5))
def test_followers_by_tail_and_by_snapshot_have_the_same_image(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_RECORDS", 30)
    random, newest = Random(seed), MetadataTail(0)
    followers, ways = [EMPTY] * 4, {"tail": 0, "snapshot": 0}
    for records, image in decisions(Random(seed), 200, EMPTY):
        newest.add(image.offset + 1 - len(records), [frame(record) for record in records])
        for number in range(len(followers)):
            if random.random() < 0.5**number / 2:
                frames = newest.since(followers[number].offset + 1)
                ways["snapshot" if frames is None else "tail"] += 1
                base = EMPTY if frames is None else followers[number]
                sent = [frame(record) for record in records_of(image)] if frames is None else frames
                followers[number] = replay(base, map(unframe, sent), image.offset)
                assert followers[number] == image
    assert min(ways.values()) > 5, ways


def test_what_was_dropped_and_what_is_yet_to_come_is_not_in_the_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_RECORDS", 3)
    newest = MetadataTail(10)
    newest.add(10, [b"a", b"b"])
    newest.add(12, [b"c", b"d"])
    assert newest.since(10) is None
    assert [newest.since(offset) for offset in (11, 13, 14)] == [[b"b", b"c", b"d"], [b"d"], []]
    assert newest.since(15) is None
