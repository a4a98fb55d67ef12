"""The simulated disk keeps each promise of the port, and breaks whatever the port does not promise."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random

import pytest
from sim_disk import READS, SYNCS, WRITES, Failure, SimDisk, SimMount

from odradek_broker.ports.disk import AlreadyLocked, Disk, RealDisk

POWER_CUTS = 200
OLD, NEW = b"o" * 10_000, b"n" * 20_000


def after_power_cuts(prepare: Callable[[SimDisk], None], look: Callable[[SimDisk], object]) -> set[object]:
    """What is found, by chance, when power was lost after the same calls."""
    found = set()
    for seed in range(POWER_CUTS):
        disk = SimDisk(Random(seed))
        disk.make_dirs("/d")
        disk.sync_dir("/")
        prepare(disk)
        disk.lose_power()
        found.add(look(disk))
    return found


def names(disk: Disk, path: str = "/d") -> tuple[str, ...]:
    return tuple(sorted(disk.list(path)))


def content(disk: Disk) -> bytes | None:
    return disk.read_file("/d/a") if disk.exists("/d/a") else None


def write(disk: Disk, path: str, data: bytes, *, sync: bool = False) -> None:
    file = disk.open(path, create=True)
    file.append(data)
    if sync:
        file.sync()


# ------------------------------------------------------------------------------------------ as long as there is power


@pytest.fixture(params=["real", "simulated"])
def place(request: pytest.FixtureRequest, tmp_path: object) -> tuple[Disk, str]:
    """A disk, and a directory on it."""
    if request.param == "real":
        return RealDisk(), str(tmp_path)
    disk = SimDisk(Random(1))
    disk.make_dirs("/d")
    return SimMount(disk), "/d"


def test_the_simulated_disk_does_what_the_real_one_does(place: tuple[Disk, str]) -> None:
    disk, at = place
    file = disk.open(f"{at}/a", create=True)
    assert (file.append(b"abc"), file.append(b"de", bytearray(b"fg"), memoryview(b"h"))) == (0, 3)
    assert (file.size, file.read(0, 100), file.read(3, 2), file.read(8, 5)) == (8, b"abcdefgh", b"de", b"")
    file.write_at(1, b"XY")
    file.truncate(4)
    assert (file.append(b"!"), disk.read_file(f"{at}/a"), disk.size(f"{at}/a")) == (4, b"aXYd!", 5)
    disk.replace_file(f"{at}/b", b"1", sync=False)
    disk.replace_file(f"{at}/b", b"2")
    disk.rename(f"{at}/a", f"{at}/b")
    assert names(disk, at) == ("b",) and disk.read_file(f"{at}/b") == b"aXYd!"
    disk.make_dirs(f"{at}/e/f")
    disk.make_dirs(f"{at}/e/f")
    write(disk, f"{at}/e/f/c", b"c")
    disk.rename(f"{at}/e", f"{at}/g")
    assert disk.is_dir(f"{at}/g/f") and not disk.exists(f"{at}/e") and disk.read_file(f"{at}/g/f/c") == b"c"
    disk.remove(f"{at}/b")
    assert file.read(0, 4) == b"aXYd", "what is open stays readable"
    disk.lock(f"{at}/.lock").release()
    disk.sync_file(f"{at}/g/f/c")
    disk.sync_dir(at)
    assert names(disk, at) == (".lock", "g")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda disk, at: disk.open(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.open(f"{at}/no/no", create=True), FileNotFoundError),
        (lambda disk, at: disk.read_file(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.size(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.remove(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.rename(f"{at}/no", f"{at}/a"), FileNotFoundError),
        (lambda disk, at: disk.sync_file(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.sync_dir(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.list(f"{at}/no"), FileNotFoundError),
        (lambda disk, at: disk.replace_file(f"{at}/no/a", b""), FileNotFoundError),
        (lambda disk, at: disk.open(f"{at}/full"), OSError),
        (lambda disk, at: disk.remove(f"{at}/full"), OSError),
        (lambda disk, at: disk.remove_dir(f"{at}/full"), OSError),
        (lambda disk, at: disk.rename(f"{at}/a", f"{at}/full"), OSError),
    ],
)
def test_it_refuses_what_the_real_one_refuses(
    place: tuple[Disk, str], wrong: Callable[[Disk, str], object], error: type[OSError]
) -> None:
    disk, at = place
    disk.make_dirs(f"{at}/full")
    write(disk, f"{at}/full/file", b"x")
    write(disk, f"{at}/a", b"x")
    with pytest.raises(error):
        wrong(disk, at)
    assert disk.read_file(f"{at}/a") == disk.read_file(f"{at}/full/file") == b"x"


def test_names_are_listed_in_no_order() -> None:
    disk = SimDisk(Random(1))
    for name in "abcdef":
        disk.make_dirs(f"/{name}")
    assert len({tuple(disk.list("/")) for _ in range(20)}) > 1


# ----------------------------------------------------------------------------------------------------- names and power


def test_bytes_that_were_synced_are_lost_with_their_name() -> None:
    assert after_power_cuts(lambda disk: write(disk, "/d/a", b"x", sync=True), content) == {None, b"x"}


def test_a_name_is_safe_once_its_directory_is_synced() -> None:
    def prepare(disk: SimDisk) -> None:
        write(disk, "/d/a", b"x", sync=True)
        disk.sync_dir("/d")

    assert after_power_cuts(prepare, content) == {b"x"}


def test_a_directory_that_is_not_safe_takes_all_that_is_in_it() -> None:
    def prepare(disk: SimDisk) -> None:
        disk.make_dirs("/d/e")
        write(disk, "/d/e/a", b"x", sync=True)
        disk.sync_dir("/d/e")

    assert after_power_cuts(prepare, lambda disk: disk.exists("/d/e/a")) == {True, False}


def test_a_removed_name_may_be_back_with_its_content() -> None:
    def prepare(disk: SimDisk) -> None:
        write(disk, "/d/a", b"x", sync=True)
        disk.sync_dir("/d")
        disk.remove("/d/a")

    def prepare_and_sync(disk: SimDisk) -> None:
        prepare(disk)
        disk.sync_dir("/d")

    assert after_power_cuts(prepare, content) == {None, b"x"}
    assert after_power_cuts(prepare_and_sync, content) == {None}


def test_a_rename_has_happened_or_has_not_and_never_by_half() -> None:
    def prepare(disk: SimDisk) -> None:
        for name in "ab":
            write(disk, f"/d/{name}", name.encode(), sync=True)
        disk.sync_dir("/d")
        disk.rename("/d/a", "/d/b")

    def look(disk: SimDisk) -> object:
        return [(name, disk.read_file(f"/d/{name}")) for name in names(disk)].__repr__()

    assert after_power_cuts(prepare, look) == {"[('a', b'a'), ('b', b'b')]", "[('b', b'a')]"}


def test_a_later_change_of_a_name_implies_the_earlier_and_those_of_others_need_not() -> None:
    def prepare(disk: SimDisk) -> None:
        write(disk, "/d/a", b"", sync=True)
        write(disk, "/d/other", b"", sync=True)
        disk.rename("/d/a", "/d/b")
        disk.rename("/d/b", "/d/c")

    found = after_power_cuts(prepare, names)
    assert found == {tuple(sorted((*one, *other))) for one in ((), "a", "b", "c") for other in ((), ("other",))}


def test_a_rename_between_directories_is_safe_when_either_is_synced() -> None:
    for synced in ("/d/e", "/d/f"):

        def prepare(disk: SimDisk, synced: str = synced) -> None:
            disk.make_dirs("/d/e")
            disk.make_dirs("/d/f")
            disk.sync_dir("/d")
            write(disk, "/d/e/a", b"x", sync=True)
            disk.rename("/d/e/a", "/d/f/b")
            disk.sync_dir(synced)

        assert after_power_cuts(prepare, lambda disk: names(disk, "/d/e") + names(disk, "/d/f")) == {("b",)}


def test_a_renamed_directory_brings_what_is_in_it() -> None:
    def prepare(disk: SimDisk) -> None:
        disk.make_dirs("/d/e")
        write(disk, "/d/e/a", b"x", sync=True)
        disk.sync_dir("/d/e")
        disk.sync_dir("/d")
        disk.rename("/d/e", "/d/f")

    found = after_power_cuts(prepare, lambda disk: [names(disk), *(names(disk, f"/d/{n}") for n in names(disk))][1:][0])
    assert found == {("a",)}
    assert after_power_cuts(prepare, names) == {("e",), ("f",)}


def test_replacing_with_sync_is_safe_on_return_and_without_it_old_new_or_torn() -> None:
    def prepare(disk: SimDisk, *, sync: bool) -> None:
        disk.replace_file("/d/a", OLD)
        disk.replace_file("/d/a", NEW, sync=sync)

    assert after_power_cuts(lambda disk: prepare(disk, sync=True), lambda disk: (content(disk), names(disk))) == {
        (NEW, ("a",))
    }
    found = after_power_cuts(lambda disk: prepare(disk, sync=False), content)
    assert found >= {OLD, NEW, b""} and len(found) > 3
    assert ("a", "a.tmp") in after_power_cuts(lambda disk: prepare(disk, sync=False), names)


def test_a_replacement_that_fails_leaves_the_old_content() -> None:
    for call in ("create", "replace_file", "sync_file", "rename"):
        disk = SimDisk(Random(1))
        disk.make_dirs("/d")
        disk.replace_file("/d/a", OLD)
        disk.fail(Failure(errno.EIO, frozenset({call})))
        with pytest.raises(OSError):
            disk.replace_file("/d/a", NEW)
        assert content(disk) == OLD


# ----------------------------------------------------------------------------------------------------- bytes and power


def safe_file(disk: SimDisk, data: bytes) -> None:
    write(disk, "/d/a", data, sync=True)
    disk.sync_dir("/d")


def test_what_was_synced_survives_every_power_cut() -> None:
    def prepare(disk: SimDisk) -> None:
        safe_file(disk, OLD)
        file = disk.open("/d/a")
        file.append(NEW)
        file.sync()
        file.append(b"?" * 500)

    for found in after_power_cuts(prepare, content):
        assert isinstance(found, bytes) and found.startswith(OLD + NEW)


def test_of_what_was_appended_all_nothing_a_beginning_or_pages_in_no_order_survive() -> None:
    def prepare(disk: SimDisk) -> None:
        safe_file(disk, OLD)
        disk.open("/d/a").append(NEW)

    found = [each[len(OLD) :] for each in after_power_cuts(prepare, content) if isinstance(each, bytes)]
    assert NEW in found and b"" in found
    beginnings = [each for each in found if each and each == NEW[: len(each)]]
    assert len(beginnings) > 10
    noisy = [each for each in found if not set(each) <= {0, ord("n")}]
    assert any(each.startswith(b"n" * 1000) for each in noisy)
    holes = [each for each in found if set(each) == {0, ord("n")}]
    assert any(each.rstrip(b"\0").endswith(b"n") and b"\0" in each.rstrip(b"\0") for each in holes)
    for each in holes:
        edge = len(OLD) + each.index(b"\0")
        assert edge % 512 == 0 or edge == len(OLD), "what is lost is lost by whole sectors"


def test_a_truncation_that_was_not_synced_may_be_undone_also_under_new_bytes() -> None:
    def prepare(disk: SimDisk) -> None:
        safe_file(disk, OLD)
        file = disk.open("/d/a")
        file.truncate(1000)
        file.append(b"n" * 3000)

    found = after_power_cuts(prepare, content)
    assert {OLD, OLD[:1000] + b"n" * 3000} <= found
    assert any(isinstance(each, bytes) and len(each) == len(OLD) and b"n" in each for each in found), "both"
    assert OLD[:1000] in found, "cut off, and nothing of the new"


def test_a_truncation_that_was_synced_stays() -> None:
    def prepare(disk: SimDisk) -> None:
        safe_file(disk, OLD)
        file = disk.open("/d/a")
        file.truncate(1000)
        file.sync()

    assert after_power_cuts(prepare, content) == {OLD[:1000]}


def test_bytes_that_were_overwritten_are_old_or_new() -> None:
    def prepare(disk: SimDisk) -> None:
        safe_file(disk, OLD)
        disk.open("/d/a").write_at(100, b"n" * 9000)

    for found in after_power_cuts(prepare, content):
        assert isinstance(found, bytes) and len(found.rstrip(b"\0")) >= len(OLD)
        assert set(found[: len(OLD)]) <= set(b"on"), "no zeros where something was"


def test_the_death_of_a_process_loses_nothing() -> None:
    disk = SimDisk(Random(1))
    disk.make_dirs("/d")
    write(disk, "/d/a", b"x")
    mount, boot = SimMount(disk), disk.boot_id()
    file = mount.open("/d/a")
    disk.die()
    assert (content(disk), disk.boot_id()) == (b"x", boot)
    for call in (lambda: file.append(b"y"), lambda: file.truncate(0), file.sync, lambda: mount.remove("/d/a")):
        with pytest.raises(OSError, match="dead"):
            call()
    disk.lose_power()
    assert disk.boot_id() != boot


def test_a_lock_ends_with_the_process_that_holds_it() -> None:
    disk = SimDisk(Random(1))
    lock = disk.lock("/.lock")
    with pytest.raises(AlreadyLocked):
        disk.lock("/.lock")
    disk.die()
    disk.lock("/.lock")
    lock.release()
    with pytest.raises(AlreadyLocked):
        disk.lock("/.lock")


# ------------------------------------------------------------------------------------------------------ failing calls


def test_pages_are_lost_by_a_sync_that_fails_though_the_next_succeeds() -> None:
    """After the failure they are clean, readable, and not on stable storage: whoever syncs once more is told a lie."""
    found = set()
    for seed in range(20):
        disk = SimDisk(Random(seed))
        disk.make_dirs("/d")
        disk.sync_dir("/")
        safe_file(disk, OLD)
        file = disk.open("/d/a")
        file.append(b"n" * 3000)
        disk.fail(Failure(errno.EIO, frozenset({"sync"}), times=1))
        with pytest.raises(OSError):
            file.sync()
        file.sync()
        assert content(disk) == OLD + b"n" * 3000, "still in the page cache"
        if seed % 2:
            disk.drop_caches()
        else:
            disk.lose_power()
        after = content(disk)
        assert after is not None and after.startswith(OLD) and len(after) == len(OLD) + 3000
        found.add(after)
        file = disk.open("/d/a")
        file.truncate(len(OLD))
        file.append(b"n" * 3000)
        file.sync()
        disk.lose_power()
        assert content(disk) == OLD + b"n" * 3000, "written again, it is there"
    assert len(found) > 3 and OLD + bytes(3000) in found


def test_dropping_the_caches_loses_nothing_that_is_dirty() -> None:
    disk = SimDisk(Random(1))
    disk.make_dirs("/d")
    safe_file(disk, OLD)
    file = disk.open("/d/a")
    file.truncate(5000)
    file.append(NEW)
    disk.drop_caches()
    assert content(disk) == OLD[:5000] + NEW
    file.sync()
    disk.drop_caches()
    assert content(disk) == OLD[:5000] + NEW


CALLS: dict[str, Callable[[SimDisk], object]] = {
    "open": lambda disk: disk.open("/d/a"),
    "create": lambda disk: disk.open("/d/new", create=True),
    "list": lambda disk: disk.list("/d"),
    "read": lambda disk: disk.open("/d/a").read(0, 1),
    "read_file": lambda disk: disk.read_file("/d/a"),
    "append": lambda disk: disk.open("/d/a").append(b"x"),
    "write_at": lambda disk: disk.open("/d/a").write_at(0, b"x"),
    "truncate": lambda disk: disk.open("/d/a").truncate(0),
    "make_dirs": lambda disk: disk.make_dirs("/d/e"),
    "rename": lambda disk: disk.rename("/d/a", "/d/b"),
    "remove": lambda disk: disk.remove("/d/a"),
    "replace_file": lambda disk: disk.replace_file("/d/a", b"x"),
    "sync": lambda disk: disk.open("/d/a").sync(),
    "sync_file": lambda disk: disk.sync_file("/d/a"),
    "sync_dir": lambda disk: disk.sync_dir("/d"),
}


def disk_with_a_file() -> SimDisk:
    disk = SimDisk(Random(1))
    disk.make_dirs("/d")
    safe_file(disk, b"abc")
    return disk


@pytest.mark.parametrize("call", CALLS)
def test_any_call_can_fail_and_then_has_no_effect(call: str) -> None:
    disk = disk_with_a_file()
    failure = disk.fail(Failure(errno.EIO, frozenset({call})))
    with pytest.raises(OSError):
        CALLS[call](disk)
    assert failure.met == 1
    disk.heal()
    assert disk.open("/d/a").read(0, 3) == b"abc" and set(disk.list("/d")) <= {"a", "a.tmp"}
    CALLS[call](disk)


def test_every_kind_of_call_can_be_made_to_fail() -> None:
    assert set(CALLS) == READS | WRITES | SYNCS


def test_failures_are_planned_by_count_place_and_chance() -> None:
    disk = disk_with_a_file()

    def outcomes(failure: Failure) -> str:
        disk.heal()
        disk.fail(failure)
        said = ""
        for _ in range(6):
            try:
                disk.read_file("/d/a")
                said += "."
            except OSError:
                said += "x"
        return said

    assert outcomes(Failure(errno.EIO)) == "xxxxxx"
    assert outcomes(Failure(errno.EIO, WRITES)) == "......"
    assert outcomes(Failure(errno.EIO, after=2)) == "..xxxx"
    assert outcomes(Failure(errno.EIO, after=2, times=3)) == "..xxx."
    assert outcomes(Failure(errno.EIO, under="/e")) == "......"
    assert outcomes(Failure(errno.EIO, under="/d/a", times=1)) == "x....."
    assert set(outcomes(Failure(errno.EIO, chance=0.5))) == {".", "x"}


def test_an_onlooker_meets_no_failure_and_spends_none() -> None:
    disk = disk_with_a_file()
    failure = disk.fail(Failure(errno.EIO, times=1))
    SimDisk.is_spared = True
    try:
        assert disk.read_file("/d/a") == b"abc"
    finally:
        SimDisk.is_spared = False
    assert failure.met == 0
    with pytest.raises(OSError):
        disk.read_file("/d/a")


def test_an_append_that_fails_counts_for_nothing_whatever_it_has_left_behind() -> None:
    left = set()
    for seed in range(20):
        disk = SimDisk(Random(seed))
        file = disk.open("/a", create=True)
        file.append(b"abc")
        disk.fail(Failure(errno.ENOSPC, frozenset({"append"}), times=1))
        with pytest.raises(OSError):
            file.append(b"defgh")
        assert (file.size, file.read(0, 3)) == (3, b"abc")
        left.add(disk.size("/a"))
        assert file.append(b"!") == 3 and disk.read_file("/a") == b"abc!"
    assert len(left) > 2


def test_a_full_disk_takes_nothing_and_gives_all_back() -> None:
    disk = disk_with_a_file()
    disk.is_full = True
    for call in ("create", "append", "make_dirs", "replace_file"):
        with pytest.raises(OSError) as caught:
            CALLS[call](disk)
        assert caught.value.errno == errno.ENOSPC
    assert (disk.free_bytes("/d"), disk.read_file("/d/a")) == (0, b"abc")
    disk.remove("/d/a")


# ------------------------------------------------------------------------------------------------------------ bit rot


def test_rot_turns_over_one_bit_that_was_safe_for_long_and_in_a_file_that_is_meant() -> None:
    now_s, places = [0.0], set()
    for seed in range(100):
        disk = SimDisk(Random(seed), lambda: now_s[0])
        disk.make_dirs("/d")
        disk.sync_dir("/")
        now_s[0] = 1.0
        safe_file(disk, OLD)
        write(disk, "/d/b", OLD, sync=True)
        disk.sync_dir("/d")
        now_s[0] = 5.0
        file = disk.open("/d/a")
        file.append(NEW)
        file.sync()
        write(disk, "/d/unsynced", NEW)
        assert disk.rot(0.5) is None
        found = disk.rot(3.0, lambda path: path != "/d/b")
        assert found is not None and found[0] == "/d/a" and found[1] < len(OLD)
        disk.drop_caches()
        rotten = disk.read_file("/d/a")
        (at,) = [position for position, byte in enumerate(rotten) if byte != (OLD + NEW)[position]]
        assert at == found[1] and (rotten[at] ^ OLD[at]).bit_count() == 1
        disk.lose_power()
        assert disk.read_file("/d/a") == rotten
        now_s[0] = 6.0
        places.add(disk.rot(6.0))
    assert {place[0] for place in places if place} == {"/d/a", "/d/b"}
    assert any(place and place[1] >= len(OLD) for place in places), "what was synced since is old enough now"


def test_rot_may_stay_unseen_until_the_page_is_read_again() -> None:
    seen = set()
    for seed in range(20):
        disk = SimDisk(Random(seed))
        disk.make_dirs("/d")
        safe_file(disk, OLD)
        disk.rot(1.0)
        seen.add(disk.read_file("/d/a") == OLD)
        file = disk.open("/d/a")
        file.append(NEW)
        file.sync()
        disk.drop_caches()
        assert disk.read_file("/d/a") != OLD + NEW, "a sync of other pages does not heal it"
    assert seen == {True, False}


def test_what_is_written_anew_is_young_again() -> None:
    now_s = [0.0]
    disk = SimDisk(Random(1), lambda: now_s[0])
    disk.make_dirs("/d")
    safe_file(disk, OLD)
    now_s[0] = 10.0
    file = disk.open("/d/a")
    file.truncate(100)
    file.append(NEW)
    file.sync()
    for _ in range(50):
        found = disk.rot(5.0)
        assert found is not None and found[1] < 100


def test_a_copy_is_another_disk() -> None:
    disk = disk_with_a_file()
    disk.make_dirs("/other")
    copy = disk.copy("/d")
    copy.open("/d/a").append(b"x")
    assert (content(disk), content(copy), copy.exists("/other")) == (b"abc", b"abcx", False)
