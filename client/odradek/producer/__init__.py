"""The producer. Reading order: producer, accumulator, queue, batch, sequences, outcomes, sender."""

from odradek.producer.delivery import Delivered, Delivery
from odradek.producer.producer import Producer, ProducerHealth

__all__ = ["Delivered", "Delivery", "Producer", "ProducerHealth"]
