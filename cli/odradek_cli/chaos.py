"""`odradek chaos`: writers, readers and a nemesis on a cluster of its own, and a verdict."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import trio
from msgspec import Struct

from odradek.first_error import first_error
from odradek.security import NO_SECURITY
from odradek.testing import Cluster, NodeFailed
from odradek.testing.chaos.faults import KINDS
from odradek.testing.chaos.history import Fault, History
from odradek.testing.chaos.run import Plan, Verdict, run
from odradek.testing.cluster import Journal
from odradek_cli.command import Option, UsageError
from odradek_cli.failures import FAILED, Failed
from odradek_cli.session import parse_pairs
from odradek_cli.session import run as run_work
from odradek_cli.when import parse_duration_ms

RATES = {"records": 300.0, "transactions": 10.0}
PROMISES = {
    "records": "nothing acknowledged was lost, doubled or moved",
    "transactions": "every transaction was whole or not at all, and every value was copied once",
}
ACKS: dict[str, Literal["all", 0, 1]] = {"all": "all", "1": 1, "0": 0}


def chaos(
    brokers: Annotated[int, Option(min=1, help="How many brokers.")] = 3,
    time: Annotated[str, Option("--for", help="How long, as in 90s, 10m or 1h.")] = "60s",
    seed: Annotated[int, Option(help="The same seed draws the same faults.")] = 0,
    fault: Annotated[
        list[str] | None, Option(completes="fault", help=f"Draw from these only: {', '.join(KINDS)}.")
    ] = None,
    workload: Annotated[
        Literal["records", "transactions"],
        Option(help="With transactions: transfers between topics, and a copy that commits its offsets with them."),
    ] = "records",
    acks: Annotated[Literal["all", "1", "0"], Option(help="What writers wait for.")] = "all",
    idempotent: Annotated[bool, Option(help="Whether writers are idempotent.")] = True,
    topics: Annotated[int, Option(min=1, help="How many topics.")] = 2,
    partitions: Annotated[int, Option(min=1, help="Of each topic.")] = 3,
    writers: Annotated[int, Option(min=1, help="How many.")] = 2,
    readers: Annotated[int, Option(min=0, help="How many.")] = 1,
    members: Annotated[int, Option(min=0, help="Of a consumer group that reads everything too.")] = 2,
    rate: Annotated[
        float | None, Option(min=1, help="Of each writer a second: 300 records, or 10 transactions.")
    ] = None,
    journal: Annotated[Journal, Option(help="Where the metadata is kept.")] = "file",
    etcd_members: Annotated[int, Option(min=1, max=7, help="With --journal etcd: how many etcds.")] = 3,
    secure: Annotated[
        bool,
        Option("--secure", help="Over TLS, with logins and permissions, while somebody without any tries all doors."),
    ] = False,
    setting: Annotated[list[str] | None, Option("--set", help="A broker setting.")] = None,
    history: Annotated[Path | None, Option(help="Write all that happened there, a JSON object a line.")] = None,
    picture: Annotated[Path | None, Option(help="Draw throughput and faults (PNG; needs matplotlib).")] = None,
) -> None:
    """Kill, pause, wipe and reconfigure brokers under load; exit code 0 if nothing acknowledged was lost or moved.

    Ctrl-C ends the load; what has happened until then is judged all the same.
    """
    _refuse_what_cannot_be(fault or [], history, picture)
    stage = Stage(brokers, parse_pairs(setting or [], "--set"), journal, etcd_members, secure)
    plan = Plan(
        seconds=_seconds(time),
        seed=seed,
        topics=topics,
        partitions=partitions,
        members=members,
        writers=writers,
        readers=readers,
        records_per_s=rate or RATES[workload],
        acks=ACKS[acks],
        idempotent=idempotent and acks == "all",
        faults=fault or [],
        workload=workload,
    )
    logging.getLogger("odradek").setLevel(logging.ERROR)  # that clients have to wait is no news here
    verdicts: list[Verdict] = []
    try:
        run_work(partial(_play, plan, stage, history, picture, verdicts.append))
    except* NodeFailed as failures:
        raise Failed(str(first_error(failures))) from None
    sys.exit(0 if verdicts[0].is_clean else FAILED)


class Stage(Struct, frozen=True):
    """The cluster that it is played on."""

    brokers: int
    settings: dict[str, str]
    journal: Journal
    etcd_members: int
    secure: bool


def _refuse_what_cannot_be(faults: list[str], history: Path | None, picture: Path | None) -> None:
    unknown = [kind for kind in faults if kind not in KINDS]
    if unknown:
        raise UsageError(f"--fault {unknown[0]}: one of {', '.join(KINDS)}")
    for path in (history, picture):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path}: there is no directory {path.parent}")


async def _play(
    plan: Plan, stage: Stage, history: Path | None, picture: Path | None, judged: Callable[[Verdict], None]
) -> None:
    async with _cluster(stage) as cluster:
        load = trio.CancelScope()
        async with trio.open_nursery() as beside:
            beside.start_soon(_cancel_when_interrupted, load)
            verdict, happened = await run(cluster, plan, _tell, load)
            beside.cancel_scope.cancel()
    judged(verdict)
    _show(plan, verdict, happened)
    if history is not None:
        happened.save(history)
    if picture is not None:
        from odradek_cli.chaos_picture import draw

        await trio.to_thread.run_sync(draw, happened, verdict.lasted_s, picture)


@asynccontextmanager
async def _cluster(stage: Stage) -> AsyncIterator[Cluster]:
    with TemporaryDirectory(prefix="odradek-") as directory:
        config, security, etcd_security = None, NO_SECURITY, NO_SECURITY
        if stage.secure:
            from odradek_cli.secured import hosts_for, security_of, security_of_etcd
            from odradek_cli.secured import secure as write_down

            secured = write_down(Path(directory), hosts_for("127.0.0.1"))
            config, security, etcd_security = secured.settings, security_of(secured), security_of_etcd(secured)
        async with Cluster(
            stage.brokers,
            settings=stage.settings,
            journal=stage.journal,
            etcd_members=stage.etcd_members,
            network_faults=True,
            config=config,
            security=security,
            etcd_security=etcd_security,
        ) as cluster:
            yield cluster


async def _cancel_when_interrupted(load: trio.CancelScope) -> None:
    """Once: who presses Ctrl-C again does not want to wait for the verdict."""
    with trio.open_signal_receiver(signal.SIGINT) as interrupts:
        await anext(interrupts)
    load.cancel()


def _seconds(text: str) -> float:
    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise UsageError(f"--for {error}") from None


def _tell(fault: Fault) -> None:
    mark = "healed" if fault.healed else fault.kind
    print(f"{fault.at_s:8.2f} s  {mark:<16} {fault.node}", file=sys.stderr)


def _show(plan: Plan, verdict: Verdict, history: History) -> None:
    kinds: dict[str, int] = {}
    for fault in history.faults:
        if not fault.healed:
            kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    print(f"seed {plan.seed}, {verdict.lasted_s:.0f} s, acks={plan.acks}; faults: {faults}")
    print(_counted(verdict))
    print(
        f"longest time without an acknowledgement in a partition: {verdict.longest_silence_s:.2f} s, "
        f"{verdict.silence_began_s:.2f} s after the start"
    )
    for anomaly in verdict.anomalies:
        print(f"{'BAD  ' if anomaly.bad else 'noted'} {anomaly.name}: {anomaly.count}")
        for example in anomaly.examples:
            print(f"        {example}")
    if not verdict.drained:
        print("BAD   not everything could be read when all was healed")
    print(f"clean: {PROMISES[verdict.what]}" if verdict.is_clean else "not clean")


def _counted(verdict: Verdict) -> str:
    if verdict.what == "transactions":
        return (
            f"{verdict.sent:,} transactions begun, {verdict.acknowledged:,} committed, {verdict.refused:,} aborted, "
            f"{verdict.unknown:,} unknown"
        )
    return (
        f"{verdict.sent:,} sent, {verdict.acknowledged:,} acknowledged, {verdict.refused:,} refused, "
        f"{verdict.unknown:,} unknown"
    )
