"""`odradek replay`: dead letters, or any range of records, through a topic again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from odradek import Admin, Producer, Record, SendAgain, Span, TopicPartition
from odradek import replay as read_again
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.display import Progress, show
from odradek_cli.filters import Filter, header_is, key_is, selected_by, value_has
from odradek_cli.pace import Pace
from odradek_cli.places import named_partitions, offsets_at, parse_partitions
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run, security_for
from odradek_cli.when import Place, parse_place

COLUMNS = ["topic", "partition", "from", "until", "read", "sent"]


def replay(
    source: Annotated[list[str], Argument("TOPIC, or TOPIC:0,2.", completes="topic")],
    to: Annotated[
        str | None, Option(metavar="TOPIC", help="Else dead letters go to the topics that they are from.")
    ] = None,
    start: Annotated[str, Option("--from", metavar="PLACE", help="Offset, time, -2h, or earliest.")] = "earliest",
    until: Annotated[str, Option(metavar="PLACE", help="Offset or time at which to stop.")] = "latest",
    key: Annotated[str | None, Option(help="Only records with this key.")] = None,
    grep: Annotated[
        str | None, Option(metavar="REGEX", help="Only where this regular expression is in value or key.")
    ] = None,
    jq: Annotated[
        list[str] | None,
        Option("--jq", metavar="PROGRAM", help="Only where this jq program is true of a JSON value."),
    ] = None,
    header: Annotated[list[str] | None, Option("--header", "-H", help="Only with this NAME or NAME=VALUE.")] = None,
    committed: Annotated[bool, Option("--committed", help="Nothing of open or aborted transactions.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Send dead letters, or any range of records, through a topic again.

    It ends where the partitions end when it begins. No group's offsets are touched.
    """
    now_ms = time.time_ns() // 1_000_000
    try:
        named = [parse_partitions(each) for each in source]
        first, last = parse_place(start, now_ms), parse_place(until, now_ms)
        filters: list[Filter] = [header_is(text) for text in header or []] + [selected_by(text) for text in jq or []]
        filters += [key_is(key)] if key is not None else []
        filters += [value_has(grep)] if grep is not None else []
    except ValueError as error:
        raise UsageError(str(error)) from None

    security = security_for(bootstrap)

    async def work() -> None:
        async with Admin(bootstrap, security=security) as admin:
            partitions = await named_partitions(admin, named)
            spans = await _spans(admin, partitions, first, last)
        sent = dict.fromkeys(spans, 0)
        async with Producer(bootstrap, security=security) as producer:
            again = SendAgain(producer, to)
            with Pace(Progress()) as pace:

                async def send(record: Record[bytes | None, bytes | None]) -> None:
                    if not all(passes(record) for passes in filters):
                        return
                    if dry_run:
                        again.target(record)
                    else:
                        await again(record)
                    sent[record.topic_partition] += 1
                    pace.add(1, len(record.value or b"") + len(record.key or b""))

                isolation: Any = "read_committed" if committed else "read_uncommitted"
                read = await read_again(bootstrap, spans, send, isolation_level=isolation, security=security)
        rows: list[dict[str, Any]] = [
            {
                "topic": each.topic,
                "partition": each.partition,
                "from": spans[each].begin,
                "until": spans[each].end,
                "read": read[each],
                "sent": sent[each],
            }
            for each in sorted(spans)
        ]
        show(COLUMNS, rows, as_json=as_json)

    run(work, bootstrap)


async def _spans(
    admin: Admin, partitions: Sequence[TopicPartition], first: Place, last: Place
) -> dict[TopicPartition, Span]:
    """Within what the partitions have now."""
    lower, upper = await offsets_at(admin, partitions, first), await offsets_at(admin, partitions, last)
    return {each: Span(lower[each], max(lower[each], upper[each])) for each in partitions}
