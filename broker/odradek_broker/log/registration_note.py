"""What a data directory remembers of the broker epochs in which it was used: `broker-registration.properties`.

    broker.epoch       the last epoch that is known to have been the broker's, -1 before there was one
    boot.id            of the machine, as the directory was used in that epoch; empty once a sync has failed in it
    flush.policy       under which: what was acknowledged was on stable storage (sync), or may not have been (interval)
    incarnation.ids    under which a registration has been asked for since then, of which nobody knows what became
    crc                of all lines before it

Nothing is acknowledged in an epoch before it stands here. So where the controller knows the broker by one of these
incarnations, that registration went through, and the directory still is what it was at the end of `broker.epoch`.

A note that is damaged is worth nothing: then it is not known what the directory lacks.
"""

from __future__ import annotations

from msgspec import Struct, structs

from odradek_broker.log import checkpoints
from odradek_broker.log.failures import CorruptCheckpoint

NO_EPOCH = -1
MOST_INCARNATIONS = 64
"""Of a broker that ends again and again before it is let in only the latest are remembered."""


class RegistrationNote(Struct, frozen=True):
    epoch: int = NO_EPOCH
    boot_id: str = ""
    synced: bool = False
    """Whether what was acknowledged in that epoch was on stable storage by then."""
    incarnations: tuple[bytes, ...] = ()
    """16 raw bytes each, the latest last."""

    def intending(self, incarnation_id: bytes) -> RegistrationNote:
        """With one more incarnation that asks to be registered."""
        return structs.replace(self, incarnations=(*self.incarnations, incarnation_id)[-MOST_INCARNATIONS:])


def encode_note(note: RegistrationNote) -> bytes:
    lines = checkpoints.encode_properties(
        {
            "version": "1",
            "broker.epoch": str(note.epoch),
            "boot.id": note.boot_id,
            "flush.policy": "sync" if note.synced else "interval",
            "incarnation.ids": ",".join(each.hex() for each in note.incarnations),
        }
    )
    return checkpoints.with_properties_crc(lines)


def decode_note(data: bytes) -> RegistrationNote:
    """Raises CorruptCheckpoint. A note of version 0 knows neither policy nor incarnations, and has no crc."""
    known = checkpoints.decode_properties(data)
    try:
        if known["version"] == "0" and "crc" not in known:
            return RegistrationNote(int(known["broker.epoch"]), known.get("boot.id", ""))
        checkpoints.check_properties_crc(data)
        incarnations = [bytes.fromhex(each) for each in known["incarnation.ids"].split(",") if each]
        return RegistrationNote(
            int(known["broker.epoch"]), known["boot.id"], known["flush.policy"] == "sync", tuple(incarnations)
        )
    except (KeyError, ValueError) as error:
        raise CorruptCheckpoint(f"not a registration note: {error}") from None
