"""What goes wrong for one partition in the work that is done for all of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import cast

import pytest

from odradek_broker.log.failures import DamagedLog, LogFailed
from odradek_broker.loop import defects
from odradek_broker.partitions.apart import Apart
from odradek_broker.partitions.partition import Partition

DAMAGE = DamagedLog("00.log", 61, 7, "a batch does not match its checksum")


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


@pytest.fixture(autouse=True)
def survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "are_survived", True)


class Rounds:
    """Three partitions, of which the second always meets something."""

    def __init__(self, raise_it: Callable[[], object]) -> None:
        self.met: list[tuple[str, DamagedLog]] = []
        self.work = Apart("mowing", lambda partition, damage: self.met.append((str(partition), damage)))
        self._partitions = [cast(Partition, Named(name)) for name in ("t-0", "t-1", "t-2")]
        self._raise_it = raise_it

    def round(self) -> list[str]:
        """Those that the work was begun for."""
        begun = []
        for partition in self.work.of(self._partitions):
            with self.work.each(partition):
                begun.append(str(partition))
                if str(partition) == "t-1":
                    self._raise_it()
        return begun


def raising(error: Exception) -> Callable[[], object]:
    def raise_it() -> object:
        raise error

    return raise_it


FROM_DATA = [
    lambda: struct.pack(">q", 2**63),
    lambda: next(iter(())),
    lambda: (-1).to_bytes(8, "big"),
    lambda: b""[0],
    raising(RecursionError()),
    raising(AssertionError()),
]


@pytest.mark.parametrize("raise_it", FROM_DATA)
def test_a_defect_that_data_brings_out_is_said_once_and_stays_with_its_partition(
    raise_it: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    rounds = Rounds(raise_it)
    assert rounds.round() == ["t-0", "t-1", "t-2"]
    assert [rounds.round() for _ in range(3)] == [["t-0", "t-2"]] * 3, "it would only end in the same way"
    (line,) = caplog.messages
    assert "There is no mowing of t-1 until the next start; everything else goes on" in line


def test_damage_is_handed_on_and_met_only_once(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds(raising(DAMAGE))
    assert [rounds.round() for _ in range(2)] == [["t-0", "t-1", "t-2"], ["t-0", "t-2"]]
    assert rounds.met == [("t-1", DAMAGE)] and not caplog.messages, "who is handed it says it"


@pytest.mark.parametrize("error", [OSError("no space left"), LogFailed("a sync has failed")])
def test_what_the_disk_refuses_is_tried_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds(raising(error))
    assert [rounds.round() for _ in range(2)] == [["t-0", "t-1", "t-2"]] * 2
    assert caplog.messages == [f"t-1: mowing failed: {error}"] * 2 and not rounds.met
