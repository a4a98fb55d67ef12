"""Of each partition one copy at most may be damaged, and each machine has its share."""

from __future__ import annotations

from random import Random

from fault_atlas import FaultAtlas
from sim_disk import SimDisk

MACHINES = ["a", "b", "c"]


def test_of_each_partition_one_machine_may_damage_its_copy() -> None:
    atlas = FaultAtlas(Random(1), MACHINES)
    shares = dict.fromkeys(MACHINES, 0)
    for index in range(100):
        files = [f"/data/t-{index}/{name}" for name in ("00000000000000000000.log", "leader-epoch-checkpoint")]
        fragile = [machine for machine in MACHINES if any(map(atlas.of(machine), files))]
        assert len(fragile) == 1 and all(map(atlas.of(fragile[0]), files))
        shares[fragile[0]] += 1
    assert min(shares.values()) > 10


def test_what_is_no_partitions_is_left_alone() -> None:
    atlas = FaultAtlas(Random(1), ["a"])
    for path in ("/data/meta.properties", "/data/recovery-point-offset-checkpoint", "/data/.lock"):
        assert not atlas.of("a")(path)


def test_disks_that_rot_by_an_atlas_spare_a_copy_of_everything() -> None:
    disks = {machine: SimDisk(Random(number)) for number, machine in enumerate(MACHINES)}
    for disk in disks.values():
        for index in range(5):
            disk.make_dirs(f"/data/t-{index}")
            disk.replace_file(f"/data/t-{index}/00000000000000000000.log", bytes(1000))
    atlas = FaultAtlas(Random(1), MACHINES)
    for _ in range(100):
        for machine, disk in disks.items():
            disk.rot(1.0, atlas.of(machine))
    for disk in disks.values():
        disk.drop_caches()
    damaged = {
        (machine, index)
        for machine, disk in disks.items()
        for index in range(5)
        if disk.read_file(f"/data/t-{index}/00000000000000000000.log") != bytes(1000)
    }
    assert sorted(index for _, index in damaged) == [0, 1, 2, 3, 4]
