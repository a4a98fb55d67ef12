"""The text files are Kafka's, and what is not is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek_broker.log import checkpoints
from odradek_broker.log.failures import CorruptCheckpoint


def test_offset_checkpoints_are_kafkas_but_for_ids_and_a_checksum() -> None:
    """The first column is the id of the topic, as Kafka writes ids, in the place of its name."""
    offsets = {(bytes(range(16)), 1): 17, (bytes(16), 0): 3}
    data = checkpoints.encode_offsets(offsets)
    assert data == b"1\n2\nAAAAAAAAAAAAAAAAAAAAAA 0 3\nAAECAwQFBgcICQoLDA0ODw 1 17\ncrc 795928be\n"
    assert checkpoints.decode_offsets(data) == offsets
    assert checkpoints.decode_offsets(b"0\n1\nAAECAwQFBgcICQoLDA0ODw 1 17\n") == {(bytes(range(16)), 1): 17}
    assert checkpoints.decode_offsets(checkpoints.encode_offsets({})) == {}


@pytest.mark.parametrize("name", ["orders", "a.b-c", "AAECAwQFBgcICQoLDA0ODx", "AAECAwQFBgcICQoLDA0OD", "A" * 23])
def test_an_entry_that_names_a_topic_by_name_says_nothing(name: str) -> None:
    """The last bits of an id are zeros, so not every name of 22 characters is one."""
    data = f"0\n2\n{name} 0 3\nAAECAwQFBgcICQoLDA0ODw 1 17\n".encode()
    assert checkpoints.decode_offsets(data) == {(bytes(range(16)), 1): 17}


def test_epoch_checkpoints_are_kafkas() -> None:
    assert checkpoints.encode_epochs([(0, 0), (4, 17)]) == b"0\n2\n0 0\n4 17\n"
    assert checkpoints.decode_epochs(b"0\n2\n0 0\n4 17\n") == [(0, 0), (4, 17)]


@pytest.mark.parametrize(
    "data", [b"", b"0\n", b"1\n0\n", b"0\n2\na 0 1\n", b"0\n1\na 0 x\n", b"0\n1\na 0\n", b"\xff\xfe", b"x\ny\n"]
)
def test_a_damaged_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoints.decode_offsets(data)
    with pytest.raises(CorruptCheckpoint):
        checkpoints.decode_epochs(data)


def test_no_beginning_of_a_checkpoint_passes_for_the_whole() -> None:
    """A power cut may leave one. `2 4` is not what was written of epoch 2."""
    epochs = checkpoints.encode_epochs([(1, 26), (2, 42)])
    offsets = checkpoints.encode_offsets({(bytes(16), 1): 17, (bytes(range(16)), 0): 30})
    for length in range(len(epochs)):
        with pytest.raises(CorruptCheckpoint):
            checkpoints.decode_epochs(epochs[:length])
    for length in range(len(offsets)):
        with pytest.raises(CorruptCheckpoint):
            checkpoints.decode_offsets(offsets[:length])


def test_no_bit_of_an_offset_checkpoint_turns_over_unnoticed() -> None:
    data = checkpoints.encode_offsets({(bytes(16), 1): 17, (bytes(range(16)), 0): 30})
    for bit in range(8 * len(data)):
        rotten = bytearray(data)
        rotten[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptCheckpoint):
            checkpoints.decode_offsets(bytes(rotten))


@given(st.binary(min_size=16, max_size=16))
def test_a_topic_id_is_read_back_as_it_was_written(topic_id: bytes) -> None:
    assert checkpoints.decode_partition_metadata(checkpoints.encode_partition_metadata(topic_id)) == topic_id


@pytest.mark.parametrize("data", [b"", b"version: 0", b"version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", b"topic_id: AA"])
def test_partition_metadata_without_a_topic_id_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoints.decode_partition_metadata(data)


@pytest.mark.parametrize("noise", [b"\xef" * 30 + b"AAAAAAAAAAAA", b"AAAAAAAAAAA=", b"\x00AAAAAAAAAAAA"])
def test_noise_within_a_topic_id_is_not_passed_over(noise: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoints.decode_partition_metadata(b"version: 0\ntopic_id: AAAAAAAAAA" + noise)


def test_properties_ignore_comments() -> None:
    data = b"#\n#Mon Jan 01\nversion=1\nnode.id = 3\n"
    assert checkpoints.decode_properties(data) == {"version": "1", "node.id": "3"}


def test_a_clean_shutdown_tells_its_broker_epoch() -> None:
    assert checkpoints.decode_clean_shutdown(checkpoints.encode_clean_shutdown(9)) == 9


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"9", b'{"version":0}', b'{"brokerEpoch":"x"}', b'{"brokerEpoch":9', b"\xff"]
)
def test_what_is_no_mark_of_a_clean_shutdown_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        checkpoints.decode_clean_shutdown(data)
