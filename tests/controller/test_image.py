"""What is asked of an image."""

from __future__ import annotations

from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage, ResourceType
from tests.controller.images import cluster, creatable, with_topics

PLAIN, TLS = Endpoint("PLAIN", "h", 1), Endpoint("TLS", "k", 2)


def test_a_broker_is_reached_by_the_listener_that_is_asked_for_or_else_by_its_first() -> None:
    broker = BrokerImage(broker_id=1, epoch=0, endpoints=(PLAIN, TLS))
    assert [broker.endpoint(name) for name in ("PLAIN", "TLS", "OTHER")] == [PLAIN, TLS, None]
    assert [broker.address(name) for name in ("PLAIN", "TLS", "OTHER")] == [("h", 1), ("k", 2), ("h", 1)]
    assert BrokerImage(broker_id=1, epoch=0).address("PLAIN") is None


def test_topics_are_found_by_name_and_by_id() -> None:
    image = with_topics(cluster(None), creatable("t", 2, 1, retention_ms="5"), creatable("u"))
    topic = image.topics["t"]
    assert image.topic_by_id(topic.topic_id) is topic and image.topic_by_id(b"?" * 16) is None
    assert image.partition("t", 1) is topic.partitions[1]
    assert image.partition("t", 2) is image.partition("nope", 0) is None
    assert image.topic_config("t") == image.config(ResourceType.TOPIC, "t") == {"retention.ms": "5"}
    assert image.topic_config("u") == image.config(ResourceType.BROKER, "t") == {}
    assert MetadataImage().config(ResourceType.TOPIC, "t") == {}
