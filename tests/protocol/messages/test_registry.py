"""An API key leads to its messages, and only to them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from odradek.protocol.messages.produce import ProduceRequest, ProduceResponse
from odradek.protocol.registry import API_NAMES, OWN_API_NAMES, api_name, request_class, response_class


def test_a_key_finds_request_and_response() -> None:
    assert (request_class(0), response_class(0)) == (ProduceRequest, ProduceResponse)


@pytest.mark.parametrize("api_key", [*API_NAMES, *OWN_API_NAMES])
def test_both_messages_of_an_api_know_their_key_and_the_same_versions(api_key: int) -> None:
    request, response = request_class(api_key), response_class(api_key)
    assert request.API_KEY == response.API_KEY == api_key
    assert (request.VERSIONS, request.FLEXIBLE) == (response.VERSIONS, response.FLEXIBLE)


def test_an_unknown_key_has_no_messages_but_can_be_named() -> None:
    assert api_name(9999) == "API key 9999"
    with pytest.raises(KeyError):
        request_class(9999)


def test_messages_that_nobody_asks_for_are_not_imported() -> None:
    program = (
        "import sys; from odradek.protocol.registry import request_class; request_class(0);"
        "print([name for name in sys.modules if name.startswith('odradek.protocol.messages.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['odradek.protocol.messages.produce']"
