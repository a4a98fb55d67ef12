"""`odradek tail`: what may be said of the records to show."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from odradek.admin import OpenTransaction
from odradek_cli import rendering
from odradek_cli.command import Argument, Option, UsageError
from odradek_cli.filters import Filter, header_is, key_is, selected_by, value_has
from odradek_cli.rendering import Render
from odradek_cli.session import DEFAULT_BOOTSTRAP, AsJson, Bootstrap, run
from odradek_cli.tailing import Wish, show_records
from odradek_cli.when import BEGINNING, END, parse_place

REGISTRY_VARIABLE = "ODRADEK_SCHEMA_REGISTRY"


def tail(
    topics: Annotated[
        list[str] | None, Argument("One topic or more; with --group, else all that it reads.", completes="topic")
    ] = None,
    start: Annotated[
        str | None,
        Option("--from", metavar="PLACE", help="Offset, time (2026-01-31T12:00), -10m, earliest or latest."),
    ] = None,
    group: Annotated[
        str | None, Option(metavar="GROUP", help="What this group would read next.", completes="group")
    ] = None,
    until: Annotated[str | None, Option(metavar="PLACE", help="Offset or time at which to stop.")] = None,
    last: Annotated[int | None, Option("--last", "-n", min=1, help="The newest so many records.")] = None,
    follow: Annotated[bool | None, Option(help="Go on as records come [unless --last, --until or --group].")] = None,
    key: Annotated[str | None, Option(help="Only records with this key.")] = None,
    grep: Annotated[
        str | None, Option(metavar="REGEX", help="Only where this regular expression is in value or key.")
    ] = None,
    jq: Annotated[
        list[str] | None,
        Option("--jq", metavar="PROGRAM", help="Only where this jq program is true of a JSON value."),
    ] = None,
    header: Annotated[list[str] | None, Option("--header", "-H", help="Only with this NAME or NAME=VALUE.")] = None,
    isolation: Annotated[
        Literal["committed", "uncommitted"], Option(help="Whether open and aborted transactions are left out.")
    ] = "uncommitted",
    show_control: Annotated[
        bool, Option("--show-control", help="Ends of transactions too, and those that are open when all is read.")
    ] = False,
    as_json: AsJson = False,
    raw: Annotated[bool, Option("--raw", help="Only the value, as it is, and a line's end.")] = False,
    format: Annotated[
        str | None,
        Option("--format", "-f", help="As kcat: %k key, %s or %v value, %t topic, %p partition, %o offset, %T time."),
    ] = None,
    base64: Annotated[bool, Option("--base64", help="Keys, values and values of headers in base64.")] = False,
    registry: Annotated[
        str | None,
        Option(metavar="URL", env=REGISTRY_VARIABLE, help="Show as JSON what was written with this schema registry."),
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Show records and follow what comes, several topics merged by time."""
    _refuse_contradictions(topics, group, start, last, format)
    if show_control and (raw or format is not None or base64):
        raise UsageError("--show-control is for columns and --json")
    now_ms = time.time_ns() // 1_000_000
    try:
        wish = Wish(
            topics=tuple(topics or ()),
            group=group,
            start=parse_place(start, now_ms) if start is not None else BEGINNING if until is not None else END,
            until=None if until is None else parse_place(until, now_ms),
            last=last,
            follow=follow if follow is not None else last is None and until is None and group is None,
            only_committed=isolation == "committed",
            filters=_filters(header or [], jq or [], key, grep),
            render=_render(as_json, raw, format, base64, several_topics=len(topics or ()) != 1),
            show_open=_show_open(as_json) if show_control else None,
            registry=registry,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    run(partial(show_records, wish, bootstrap), bootstrap)


def _refuse_contradictions(
    topics: list[str] | None, group: str | None, start: str | None, last: int | None, format: str | None
) -> None:
    if group is not None and (start is not None or last is not None):
        raise UsageError("--group says where to begin: it excludes --from and --last")
    if not topics and group is None:
        is_meant = format is not None and "%" not in format
        raise UsageError("-f is --format; without it records are followed anyway" if is_meant else "TOPICS is missing")


def _filters(headers: list[str], programs: list[str], key: str | None, grep: str | None) -> tuple[Filter, ...]:
    """All have to hold. Raises ValueError."""
    filters = [header_is(text) for text in headers] + [selected_by(text) for text in programs]
    filters += [key_is(key)] if key is not None else []
    return (*filters, value_has(grep)) if grep is not None else tuple(filters)


def _show_open(as_json: bool) -> Callable[[OpenTransaction], bytes]:
    return rendering.open_as_json if as_json else rendering.open_in_columns


def _render(as_json: bool, raw: bool, format: str | None, base64: bool, *, several_topics: bool) -> Render:
    """Raises ValueError, UsageError."""
    if as_json + raw + (format is not None) > 1:
        raise UsageError("--json, --raw and --format exclude each other")
    if as_json and base64:
        raise UsageError("--json is lossless without --base64")
    if as_json:
        return rendering.line_by_line(rendering.as_json)
    render = _plain(raw, format, several_topics)
    return rendering.with_base64(render) if base64 else render


def _plain(raw: bool, format: str | None, several_topics: bool) -> Render:
    if raw:
        return rendering.as_values
    if format is not None:
        return rendering.by_format(format)
    if sys.stdout.isatty():
        return rendering.line_by_line(rendering.in_colours(several_topics=several_topics))
    return rendering.line_by_line(rendering.in_columns(several_topics=several_topics))
