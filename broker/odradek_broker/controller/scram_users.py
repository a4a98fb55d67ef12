"""Users that log in by SCRAM: who there is, and with which password, of which only keys are kept (KIP-554).

With the first user goes a secret, of which brokers make salts for users that there are not: were it another one on each
broker, or after each start, whoever compares salts would know who there is. It stands in the place of a user without a
name, whom there cannot be: Kafka's tools read the journal as before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from odradek.protocol.messages.metadata_records import RemoveUserScramCredentialRecord, UserScramCredentialRecord
from odradek.protocol.sasl.scram import LEAST_ITERATIONS, NUMBERS, ScramKeys, salted_password, scram_keys
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.placement import Randomness
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig

MOST_ITERATIONS = 16_384
"""As with Kafka."""

LONGEST_NAME = 4096
LONGEST_SALT = 1024
SALT_BYTES = 24
NOBODY = ""
SECRET_BYTES = 32

MAX_CREDENTIALS = 100_000
MAX_TOTAL_LENGTH = 64 * 1024 * 1024
"""Of all names and salts together: every broker has them in its memory, and in each snapshot."""

_NUMBER_OF_NOBODY = min(NUMBERS)

Change: TypeAlias = ScramCredentialDeletion | ScramCredentialUpsertion


def alter_scram_users(
    image: MetadataImage, request: AlterUserScramCredentialsRequest, random: Randomness
) -> ControllerResult[AlterUserScramCredentialsResponse]:
    """Each user for itself: one that is refused is left as it was, in all that was asked of it."""
    changes: list[Change] = [*request.deletions, *request.upsertions]
    times = Counter((change.name, change.mechanism) for change in changes)
    results: dict[str, AlterUserScramCredentialsResult] = {}
    records: dict[str, list[Struct]] = {}
    for change in changes:
        name = change.name
        results.setdefault(name, AlterUserScramCredentialsResult(name, error_message=None))
        try:
            if times[(name, change.mechanism)] > 1:
                raise ApiError(ErrorCode.DUPLICATE_RESOURCE, "a credential is named twice in one request")
            records.setdefault(name, []).append(_record(image, change))
        except ApiError as refusal:
            results[name] = AlterUserScramCredentialsResult(name, refusal.error_code, refusal.message)
    _refuse_for_room(image, records, results)
    done = [record for name, made in records.items() if not results[name].error_code for record in made]
    if done:
        done += salts_of_nobody(image, random)
    return ControllerResult(done, AlterUserScramCredentialsResponse(results=list(results.values())))


def first_users(config: BrokerConfig, random: Randomness) -> list[Struct]:
    """The records of those that a new cluster begins with."""
    numbers = {mechanism: number for number, mechanism in NUMBERS.items()}
    records: list[Struct] = []
    named = config.bootstrap_scram_users
    for user in () if named is None else named.users:
        salt = random.randbytes(SALT_BYTES)
        salted = salted_password(user.mechanism, user.password, salt, user.iterations)
        keys = scram_keys(user.mechanism, salted, salt, user.iterations)
        records.append(scram_record(user.name, numbers[user.mechanism], keys))
    return [*records, nobody_record(random.randbytes(SECRET_BYTES))] if records else []


def salts_of_nobody(image: MetadataImage, random: Randomness) -> list[Struct]:
    """The record of that secret, where there is none yet."""
    return [] if image.salts_of_nobody else [nobody_record(random.randbytes(SECRET_BYTES))]


def nobody_record(secret: bytes) -> UserScramCredentialRecord:
    return scram_record(NOBODY, _NUMBER_OF_NOBODY, ScramKeys(secret, b"", b"", LEAST_ITERATIONS))


def scram_record(user: str, mechanism: int, keys: ScramKeys) -> UserScramCredentialRecord:
    return UserScramCredentialRecord(
        name=user,
        mechanism=mechanism,
        salt=keys.salt,
        stored_key=keys.stored_key,
        server_key=keys.server_key,
        iterations=keys.iterations,
    )


def _refuse_for_room(
    image: MetadataImage, records: dict[str, list[Struct]], results: dict[str, AlterUserScramCredentialsResult]
) -> None:
    """One credential more than there is room for, and none is made in the same request."""
    made = [each for all_of in records.values() for each in all_of if isinstance(each, UserScramCredentialRecord)]
    new = [each for each in made if (each.mechanism, each.name) not in image.scram]
    if not new:
        return
    length = sum(len(name) + len(keys.salt) for (_, name), keys in image.scram.items())
    length += sum(len(each.name) + len(each.salt) for each in new)
    if len(image.scram) + len(new) > MAX_CREDENTIALS or length > MAX_TOTAL_LENGTH:
        why = f"there would be more than {MAX_CREDENTIALS} credentials, or {MAX_TOTAL_LENGTH} bytes of names and salts"
        for name in {each.name for each in new}:
            results[name] = AlterUserScramCredentialsResult(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, why)


def _record(image: MetadataImage, change: Change) -> Struct:
    """Raises ApiError."""
    if not 0 < len(change.name) <= LONGEST_NAME:
        why = "Username must not be empty" if not change.name else "the name of the user is too long"
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, why)
    if change.mechanism not in NUMBERS:
        raise ApiError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    if isinstance(change, ScramCredentialDeletion):
        if (change.mechanism, change.name) not in image.scram:
            why = "Attempt to delete a user credential that does not exist"
            raise ApiError(ErrorCode.RESOURCE_NOT_FOUND, why)
        return RemoveUserScramCredentialRecord(name=change.name, mechanism=change.mechanism)
    if not LEAST_ITERATIONS <= change.iterations <= MOST_ITERATIONS:
        why = "Too few iterations" if change.iterations < LEAST_ITERATIONS else "Too many iterations"
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, why)
    if not change.salt or not change.salted_password:
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "salt and password must not be empty")
    if len(change.salt) > LONGEST_SALT:
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "the salt is too long")
    keys = scram_keys(NUMBERS[change.mechanism], bytes(change.salted_password), bytes(change.salt), change.iterations)
    return scram_record(change.name, change.mechanism, keys)
