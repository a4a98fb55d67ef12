"""Whatever a message can hold comes back from the wire, in every version of every message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odradek.protocol.codec import decode, encode
from tests.protocol.messages.message_samples import all_messages, all_versions, label, messages, plain, samples

every_version = pytest.mark.parametrize(("message", "version"), all_versions(), ids=label)


@every_version
def test_samples_come_back_from_the_wire(message: type[Any], version: int) -> None:
    for sample in samples(message, version):
        assert plain(decode(message, encode(sample, version), version)) == plain(sample)


@pytest.mark.parametrize("message", all_messages(), ids=label)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_any_value_comes_back_from_the_wire(message: type[Any], data: st.DataObject) -> None:
    for version in message.VERSIONS:
        value = data.draw(messages(message, version))
        assert plain(decode(message, encode(value, version), version)) == plain(value)
