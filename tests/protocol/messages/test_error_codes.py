"""The table of error codes: complete, as Kafka has it, and readable."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from tests.protocol.messages.java_program import run_java_program, skip_without_java

pytestmark = pytest.mark.slow


def test_a_code_can_stand_in_a_field_of_a_message() -> None:
    assert int(ErrorCode.NOT_COORDINATOR) == 16
    assert ErrorCode.NOT_COORDINATOR.to_bytes(2, "big") == b"\x00\x10"


def test_a_number_finds_its_code() -> None:
    assert all(ErrorCode.from_code(int(code)) is code for code in ErrorCode)


@pytest.mark.parametrize("number", [-2, max(ErrorCode) + 1, 32767])
def test_a_number_from_the_future_is_an_unknown_server_error(number: int) -> None:
    assert ErrorCode.from_code(number) is ErrorCode.UNKNOWN_SERVER_ERROR


def test_every_sentence_is_a_sentence_of_its_own() -> None:
    sentences = [code.sentence for code in ErrorCode]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence[0].isalpha() and sentence.endswith(".") for sentence in sentences)


def test_success_is_not_worth_a_retry() -> None:
    assert not ErrorCode.NONE.retriable


@pytest.mark.java
def test_numbers_names_and_retriability_are_kafkas() -> None:
    skip_without_java()
    ours = [f"{int(code)} {code.name} {str(code.retriable).lower()}" for code in ErrorCode]
    assert ours == run_java_program("ErrorCodes", [])
