"""What a data directory remembers of the broker epochs in which it was used, and what it therefore claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek_broker.log.directory import CLEAN_SHUTDOWN, REGISTRATION, LogDirectory
from odradek_broker.log.failures import CorruptCheckpoint
from odradek_broker.log.registration_note import MOST_INCARNATIONS, RegistrationNote, decode_note, encode_note
from odradek_broker.ports.disk import RealDisk

FIRST, SECOND = bytes(range(16)), bytes(range(16, 32))


class Machine(RealDisk):
    """It can be started again: what nobody has synced may be gone then."""

    boots = 1

    def boot_id(self) -> str:
        return str(self.boots)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def use(path: Path, machine: Machine) -> LogDirectory:
    """As the next process finds the directory."""
    directory = LogDirectory.open(str(path), machine, cluster_id="c", node_id=1, new_directory_id=bytes(16))
    directory.release()
    return directory


def test_a_note_is_read_as_it_was_written() -> None:
    for note in (RegistrationNote(), RegistrationNote(7, "b-o-o-t", True, (FIRST, SECOND))):
        assert decode_note(encode_note(note)) == note


def test_a_note_is_worth_nothing_with_any_bit_of_it_flipped() -> None:
    data = encode_note(RegistrationNote(7, "boot", True, (FIRST,)))
    for position in range(8 * data.index(b"\ncrc")):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptCheckpoint):
            decode_note(bytes(flipped))


def test_a_note_of_an_earlier_version_is_not_taken_for_one_about_syncs() -> None:
    assert decode_note(b"version=0\nbroker.epoch=7\nboot.id=b\n") == RegistrationNote(7, "b", False, ())


def test_what_was_synced_is_complete_whatever_the_machine_went_through(tmp_path: Path, machine: Machine) -> None:
    use(tmp_path, machine).remember_epoch(7, synced=True)
    machine.boots = 2
    assert use(tmp_path, machine).complete_since() == 7


def test_what_was_not_synced_is_complete_until_the_machine_is_started_again(tmp_path: Path, machine: Machine) -> None:
    """It is the policy in that epoch that counts. That of the broker which asks now says nothing about it."""
    use(tmp_path, machine).remember_epoch(7, synced=False)
    assert use(tmp_path, machine).complete_since() == 7
    machine.boots = 2
    assert use(tmp_path, machine).complete_since() == -1


def test_after_a_failed_sync_what_was_left_to_the_caches_is_not_complete_in_the_same_boot_either(
    tmp_path: Path, machine: Machine
) -> None:
    directory = use(tmp_path, machine)
    directory.remember_epoch(7, synced=False)
    directory.doubt_caches()
    use(tmp_path, machine).intend_to_register(FIRST)
    directory = use(tmp_path, machine)
    assert directory.complete_since() == -1
    directory.remember_epoch(9, synced=False)
    assert use(tmp_path, machine).complete_since() == 9, "by then all that was left has been synced"


def test_that_a_registration_is_intended_makes_nothing_complete(tmp_path: Path, machine: Machine) -> None:
    use(tmp_path, machine).remember_epoch(7, synced=False)
    machine.boots = 2
    use(tmp_path, machine).intend_to_register(FIRST)
    directory = use(tmp_path, machine)
    assert directory.complete_since() == -1
    assert directory.registration.incarnations == (FIRST,)


def test_every_incarnation_is_remembered_until_an_epoch_is(tmp_path: Path, machine: Machine) -> None:
    use(tmp_path, machine).remember_epoch(7, synced=True)
    use(tmp_path, machine).intend_to_register(FIRST)
    use(tmp_path, machine).intend_to_register(SECOND)
    directory = use(tmp_path, machine)
    assert (directory.registration.incarnations, directory.complete_since()) == ((FIRST, SECOND), 7)
    directory.remember_epoch(9, synced=True)
    directory = use(tmp_path, machine)
    assert (directory.registration.incarnations, directory.complete_since()) == ((), 9)


def test_of_a_broker_that_is_never_let_in_not_all_incarnations_are_kept(tmp_path: Path, machine: Machine) -> None:
    directory = use(tmp_path, machine)
    for number in range(MOST_INCARNATIONS + 2):
        directory.intend_to_register(bytes([number]) * 16)
    assert use(tmp_path, machine).registration.incarnations[0] == bytes([2]) * 16


def test_what_was_closed_cleanly_stays_complete_when_the_next_start_gets_no_further_than_its_intention(
    tmp_path: Path, machine: Machine
) -> None:
    directory = use(tmp_path, machine)
    directory.remember_epoch(7, synced=False)
    directory.mark_clean(7)
    machine.boots = 2
    use(tmp_path, machine).intend_to_register(FIRST)
    machine.boots = 3
    assert use(tmp_path, machine).complete_since() == 7


def test_a_directory_that_kafka_has_left_cleanly_says_so_in_kafkas_file_alone(tmp_path: Path, machine: Machine) -> None:
    use(tmp_path, machine).mark_clean(5)
    directory = use(tmp_path, machine)
    assert directory.complete_since() == 5
    directory.intend_to_register(FIRST)
    assert use(tmp_path, machine).complete_since() == 5


def test_a_damaged_note_is_named_and_believed_in_nothing(tmp_path: Path, machine: Machine) -> None:
    use(tmp_path, machine).remember_epoch(7, synced=True)
    (tmp_path / REGISTRATION).write_bytes(b"rubbish")
    directory = use(tmp_path, machine)
    assert (directory.damaged, directory.complete_since()) == ([REGISTRATION], -1)
    directory.intend_to_register(FIRST)
    assert use(tmp_path, machine).damaged == [], "it is written anew"


def test_a_damaged_mark_of_a_clean_stop_is_named_and_taken_away(tmp_path: Path, machine: Machine) -> None:
    directory = use(tmp_path, machine)
    directory.remember_epoch(7, synced=False)
    directory.mark_clean(7)
    (tmp_path / CLEAN_SHUTDOWN).write_bytes(b"")
    machine.boots = 2
    directory = use(tmp_path, machine)
    assert (directory.clean, directory.damaged, directory.complete_since()) == (False, [CLEAN_SHUTDOWN], -1)
    assert use(tmp_path, machine).damaged == []
