"""The producer. Reading order: producer, base, accumulator, queue, batch, sequences, outcomes, sender."""

from odradek.producer.base import ProducerHealth
from odradek.producer.delivery import Delivered, Delivery
from odradek.producer.producer import Producer

__all__ = ["Delivered", "Delivery", "Producer", "ProducerHealth"]
