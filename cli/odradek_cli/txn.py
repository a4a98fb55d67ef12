"""`odradek txn`: transactions, how old they are, what they hold up, and how to end one."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Annotated, Any, Literal

from odradek import Admin, TopicPartition
from odradek.admin import OpenTransaction, TransactionDescription
from odradek.errors import BrokerError
from odradek.protocol.errors import ErrorCode
from odradek_cli.command import Argument, Group, Option, UsageError
from odradek_cli.display import show
from odradek_cli.failures import Failed
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for
from odradek_cli.when import parse_duration_ms

txn = Group("txn", "Transactions.")

State = Literal["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"]
OPEN = ("Ongoing", "PrepareCommit", "PrepareAbort")

LIST = ["id", "state", "producer_id", "coordinator", "age_seconds", "timeout_seconds", "partitions", "blocked"]
DESCRIBE = [
    *("id", "state", "producer_id", "epoch", "age_seconds", "timeout_seconds"),
    *("topic", "partition", "since_offset", "blocked"),
]
HANGING = ["topic", "partition", "producer_id", "epoch", "since_offset", "silent_seconds", "blocked"]

OlderThan = Annotated[str | None, Option(metavar="DURATION", help="Open, or silent, for longer, as in 90s or 15m.")]
Id = Annotated[str, Argument("The transactional id.", completes="transaction")]


@txn.command("list")
def list_transactions(
    state: Annotated[list[State] | None, Option(help="Only in one of these states.")] = None,
    open_only: Annotated[bool, Option("--open", help="Only what is open.")] = False,
    older_than: OlderThan = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """List transactional ids; of open transactions also the age, and how many records readers do not get meanwhile."""
    if open_only and state:
        raise UsageError("--open and --state exclude each other")
    states, least_ms = OPEN if open_only else state or (), _least_ms(older_than)

    async def work() -> None:
        rows: list[dict[str, Any]] = []
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            for listed in await admin.list_transactions(states=states, running_for_ms=least_ms):
                row: dict[str, Any] = dict.fromkeys(LIST)
                row |= {
                    "id": listed.transactional_id,
                    "state": listed.state,
                    "producer_id": listed.producer_id,
                    "coordinator": listed.coordinator,
                }
                described = await _described(admin, listed.transactional_id) if listed.state in OPEN else None
                if described is not None:
                    held = await _held_up(admin, described)
                    row |= _times(described) | {
                        "partitions": len(described.partitions),
                        "blocked": sum(each.blocked for each in held.values()),
                    }
                elif least_ms >= 0:
                    continue  # one that is not open has no age
                rows.append(row)
        show(LIST, rows, as_json=as_json)

    run(work, bootstrap)


@txn.command()
def describe(name: Id, as_json: AsJson = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> None:
    """Show a transaction with its partitions: since which offset each holds readers up, and how many records."""

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            described = await admin.describe_transaction(name)
            held = await _held_up(admin, described)
        whole: dict[str, Any] = dict.fromkeys(DESCRIBE)
        whole |= {
            "id": described.transactional_id,
            "state": described.state,
            "producer_id": described.producer_id,
            "epoch": described.producer_epoch,
        }
        whole |= _times(described)
        rows = [whole | _place(each) | _blocked(held.get(each)) for each in sorted(described.partitions)]
        show(DESCRIBE, rows or [whole], as_json=as_json)

    run(work, bootstrap)


@txn.command()
def abort(
    name: Annotated[str | None, Argument("The transactional id.", metavar="ID", completes="transaction")] = None,
    topic: Annotated[str | None, Option(completes="topic", help="Where one hangs, instead of an id.")] = None,
    partition: Annotated[int | None, Option("--partition", "-p", min=0, help="With --topic.")] = None,
    producer_id: Annotated[int | None, Option(min=0, help="With --topic, where several are open.")] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """End a transaction: by its id, which fences its producer; or where one hangs, past its coordinator.

    What `odradek txn find-hanging` shows is ended with --topic and --partition. What a coordinator will end by itself
    is refused there: else one partition could be aborted, and the others committed.
    """
    if (name is None) == (topic is None) or (topic is None) != (partition is None):
        raise UsageError("name an ID, or --topic and --partition")

    async def work() -> None:
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            if name is not None:
                await admin.fence_producer(name)
                return
            place = TopicPartition(topic or "", partition or 0)
            await admin.abort_hanging_transaction(_the_only(await admin.open_transactions([place]), place, producer_id))

    run(work, bootstrap)


@txn.command("find-hanging")
def find_hanging(
    topic: Annotated[list[str] | None, Option(completes="topic", help="Only there.")] = None,
    older_than: OlderThan = "15m",
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Find transactions that are open in a partition, and that no coordinator knows to belong there."""
    least_ms = _least_ms(older_than)

    async def work() -> None:
        now_ms = _now_ms()
        async with Admin(bootstrap, security=security_for(bootstrap)) as admin:
            names = topic or await admin.list_topics(internal=True)
            described = await admin.describe_topics(*names) if names else {}
            places = [TopicPartition(name, each.index) for name, one in described.items() for each in one.partitions]
            found = await admin.find_hanging_transactions(places, now_ms=now_ms, older_than_ms=least_ms)
        rows = [
            {
                "producer_id": each.producer.producer_id,
                "epoch": each.producer.producer_epoch,
                "silent_seconds": _seconds(now_ms - each.producer.last_timestamp_ms),
            }
            | _place(each.partition)
            | _blocked(each)
            for each in found
        ]
        show(HANGING, rows, as_json=as_json)

    run(work, bootstrap)


async def _described(admin: Admin, transactional_id: str) -> TransactionDescription | None:
    """None where it is over meanwhile."""
    try:
        described = await admin.describe_transaction(transactional_id)
    except BrokerError as error:
        if error.code is not ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
            raise
        return None
    return described if described.state in OPEN else None


async def _held_up(admin: Admin, described: TransactionDescription) -> dict[TopicPartition, OpenTransaction]:
    if not described.partitions:
        return {}
    found = await admin.open_transactions(described.partitions)
    return {each.partition: each for each in found if each.producer.producer_id == described.producer_id}


def _the_only(found: Collection[OpenTransaction], place: TopicPartition, producer_id: int | None) -> OpenTransaction:
    meant = [each for each in found if producer_id in (None, each.producer.producer_id)]
    if not meant:
        raise Failed(f"no such transaction is open in {place}")
    if len(meant) > 1:
        ids = ", ".join(str(each.producer.producer_id) for each in meant)
        raise Failed(f"several transactions are open in {place}: name one by --producer-id {ids}")
    return meant[0]


def _times(described: TransactionDescription) -> dict[str, Any]:
    age_ms = None if described.start_ms is None else _now_ms() - described.start_ms
    return {
        "age_seconds": None if age_ms is None else _seconds(age_ms),
        "timeout_seconds": _seconds(described.timeout_ms),
    }


def _place(partition: TopicPartition) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.partition}


def _blocked(held: OpenTransaction | None) -> dict[str, Any]:
    if held is None:
        return {}
    return {"since_offset": held.producer.transaction_start, "blocked": held.blocked}


def _least_ms(older_than: str | None) -> int:
    if older_than is None:
        return -1
    try:
        return parse_duration_ms(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {error}") from None


def _seconds(ms: int) -> float:
    return max(ms, 0) / 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
