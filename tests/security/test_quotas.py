"""Which quota holds for whom, and how long to wait for it."""

from __future__ import annotations

import pytest

from odradek.protocol.headers import encode_response
from odradek.protocol.messages.produce import ProduceResponse
from odradek_broker.security.quotas import (
    PRODUCE,
    Bucket,
    Entity,
    Meter,
    Quotas,
    connection_limit,
    entity,
    held_to,
)

NEAREST_FIRST = [
    (entity("alice", "app"), ("alice", "app")),
    (entity("alice", None), ("alice", "app")),
    (entity("alice"), ("alice", "")),
    (entity(None, "app"), ("alice", "app")),
    (entity(None, None), ("alice", "app")),
    (entity(None), ("alice", "")),
    (entity(client_id="app"), ("", "app")),
    (entity(client_id=None), ("", "app")),
]
"""For alice's client app: entities, and by whom their quota is shared."""


@pytest.mark.parametrize("place", range(len(NEAREST_FIRST)))
def test_the_nearest_quota_holds_and_is_shared_by_whom_it_names(place: int) -> None:
    quotas: Quotas = {each: {PRODUCE: float(at)} for at, (each, _) in enumerate(NEAREST_FIRST) if at >= place}
    found = held_to(quotas, PRODUCE, "alice", "app")
    assert found == (float(place), NEAREST_FIRST[place][1])


def test_a_quota_of_somebody_else_or_of_something_else_does_not_hold() -> None:
    others: list[Entity] = [entity("bob"), entity("bob", None), entity(None, "other"), entity(client_id="other")]
    assert held_to({each: {PRODUCE: 1.0} for each in others}, PRODUCE, "alice", "app") is None
    assert held_to({entity("alice"): {"consumer_byte_rate": 1.0}}, PRODUCE, "alice", "app") is None


def test_an_address_has_its_own_limit_or_that_of_all() -> None:
    quotas: Quotas = {(("ip", "10.0.0.7"),): {"connection_creation_rate": 5.0}}
    assert connection_limit(quotas, "10.0.0.7") == 5
    assert connection_limit(quotas, "10.0.0.8") is None
    assert connection_limit({**quotas, (("ip", None),): {"connection_creation_rate": 1.0}}, "10.0.0.8") == 1


def test_a_first_sample_is_judged_over_the_whole_time() -> None:
    """Kafka: with 11 samples of a second, over ten seconds."""
    meter = Meter(11, 1000)
    meter.record(10_000, 0)
    assert meter.throttle_ms(1000, 0) == 0
    meter.record(500, 0)
    assert meter.throttle_ms(1000, 0) == 500


def test_who_rests_for_as_long_as_it_is_told_is_within_the_quota_again() -> None:
    meter, now_ms = Meter(11, 1000), 0
    for _ in range(100):
        meter.record(3000, now_ms)
        now_ms += 100 + meter.throttle_ms(1000, now_ms)
    assert 100 * 3000 / (now_ms / 1000) <= 1100


def test_what_is_older_than_all_samples_is_forgotten() -> None:
    meter = Meter(3, 1000)
    meter.record(1_000_000, 0)
    assert meter.throttle_ms(1, 2999) > 0
    assert meter.throttle_ms(1, 3000) == 0


def test_changes_are_saved_up_for_the_window_and_no_longer() -> None:
    bucket = Bucket(10_000)
    bucket.take(10, 1.0, 0)
    assert bucket.throttle_ms(1.0, 0) == 0
    bucket.take(5, 1.0, 0)
    assert bucket.throttle_ms(1.0, 0) == 5000
    assert bucket.throttle_ms(1.0, 5000) == 0
    bucket.take(10, 1.0, 1_000_000)
    assert bucket.throttle_ms(1.0, 1_000_000) == 0
    bucket.take(1, 1.0, 1_000_000)
    assert bucket.throttle_ms(1.0, 1_000_000) == 1000


@pytest.mark.parametrize("limit", [1.0, 1e-300])
def test_however_small_a_quota_is_an_answer_can_say_how_long_to_wait(limit: float) -> None:
    meter, bucket = Meter(11, 1000), Bucket(11_000)
    for _ in range(4):
        meter.record(1e6, 0)
    bucket.take(1e7, limit, 0)
    for throttle_ms in (meter.throttle_ms(limit, 0), bucket.throttle_ms(limit, 0)):
        assert throttle_ms > 1_000_000_000
        assert encode_response(ProduceResponse(throttle_time_ms=throttle_ms), 9, 1)
