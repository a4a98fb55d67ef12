"""How sensitive the simulation is: bugs planted one by one in a copy of the sources, and how soon random runs see each.

    python tests/simulation/planted_bugs.py [--seeds N] [--seconds S] [--jobs N] [--limit S] [NAME...]

Where a bug can only show in some worlds, the seeds are those of such worlds, from the first on; where it takes its
time, they last longer. A few are not for whole worlds to see, but for a walk of their own, or for a test. A line for
each bug: which oracle saw it (an invariant by its name, the checker's verdict, an assertion of the broker's own, or a
test), in which seed, and how many seconds of processor time that took. Then a control: the same seeds and tests without
a bug, all of which have to be clean, for otherwise nothing is proved. Exit code 1 if the control is not clean, or any
bug is missed. The bugs: bugs.py.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
BROKER = "broker/odradek_broker"
PARTS = ("broker", "client", "cli", "referee", "tests")
SEEDS, SECONDS, LIMIT_S = 600, 5.0, 600.0
STORY_CHARACTERS = 140

_seed_line = re.compile(r"seed (\d+): (.*)", re.DOTALL)
_red_test = re.compile(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?$", re.MULTILINE)
_oracle = re.compile(r"(S\d+|[a-z][a-z -]*): |(\w+Error) at ")


@dataclass(frozen=True)
class Sight:
    """How a bug was seen."""

    seed: int
    oracle: str
    story: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for one bug")
    given = parser.parse_args()
    unknown = set(given.names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"there is no bug {sorted(unknown)[0]!r}")
    bugs = [bug for bug in BUGS if not given.names or bug.name in given.names]
    began, missed, seen = time.monotonic(), [], list[tuple[Bug, Sight]]()
    for bug in bugs:
        before_s = _processor_s()
        sight = run(bug, bug, given.seeds, given.seconds, given.jobs, given.limit)
        took_s = _processor_s() - before_s
        if sight is None:
            missed.append(bug)
            print(f"MISSED {took_s:6.1f} s  {bug.name}", flush=True)
            continue
        seen.append((bug, sight))
        story = sight.story[:STORY_CHARACTERS]
        print(f"caught {took_s:6.1f} s  seed {sight.seed:<4} {sight.oracle:<14} {bug.name}: {story}", flush=True)
    print(f"{len(seen)} of {len(bugs)} planted bugs are caught; {time.monotonic() - began:.0f} s")
    return 1 if missed or not _is_control_clean(seen, given.seeds, given.seconds, given.jobs) else 0


def _is_control_clean(seen: list[tuple[Bug, Sight]], seeds: int, seconds: float, jobs: int) -> bool:
    """Of each sort of runs, those up to the last seed in which a bug was seen."""
    last_of: dict[tuple[tuple[str, ...], float | None, tuple[str, ...]], tuple[Bug, Sight]] = {}
    for bug, sight in seen:
        sort = bug.needs, bug.lasts_s, bug.seen_by
        if sort not in last_of or last_of[sort][1].seed < sight.seed:
            last_of[sort] = bug, sight
    is_clean = True
    for (needs, _, seen_by), (bug, last) in last_of.items():
        found = run(None, bug, seeds, seconds, jobs, None, up_to=last.seed)
        what = " ".join(seen_by) or f"seeds 0 to {last.seed} of {', '.join(needs) or 'all worlds'}"
        print(f"control: {what} without a bug are {'clean' if found is None else f'NOT clean: {found}'}", flush=True)
        is_clean = is_clean and found is None
    return is_clean


def _processor_s() -> float:
    """Of all processes that have come to their ends."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(
    bug: Bug | None,
    like: Bug,
    seeds: int,
    seconds: float,
    jobs: int,
    limit_s: float | None,
    *,
    up_to: int | None = None,
) -> Sight | None:
    """What the first seeds see of it, in such worlds as that `like` it; None where that is nothing, or too late."""
    with tempfile.TemporaryDirectory(prefix="odradek-bug-") as directory:
        copy = Path(directory)
        for part in PARTS if like.seen_by else ("broker", "client", "tests/simulation"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if bug is not None:
            plant(bug, copy / BROKER)
        environment = {**os.environ, "PYTHONPATH": f"{copy / 'client'}:{copy / 'broker'}"}
        command = [sys.executable, *(like.seen_by or _worlds(like, seeds, seconds, jobs, up_to))]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=copy, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        ) as running:
            try:
                out, err = running.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)  # its workers too
                return None
    if running.returncode == 0:
        return None
    said = (out.strip() or err.strip()).splitlines()[-1]
    match = _seed_line.fullmatch(said)
    if red := _red_test.search(out):
        return Sight(0, red[1], red[2] or "")
    if match is None:
        return Sight(0, "the program", said)
    story = match[2]
    oracle = _oracle.match(story)
    return Sight(int(match[1]), (oracle[1] or oracle[2]) if oracle else "the verdict", story)


def _worlds(like: Bug, seeds: int, seconds: float, jobs: int, up_to: int | None) -> list[str]:
    command = ["tests/simulation/seeds.py", "0", str(seeds), str(like.lasts_s or seconds), "--jobs", str(jobs)]
    command += ["--worlds", ",".join(like.needs)] if like.needs else []
    return command + ([] if up_to is None else ["--up-to", str(up_to)])


def plant(bug: Bug, broker: Path) -> None:
    """Raises AssertionError where the sources have changed, SyntaxError for what could not be run at all."""
    for edit in bug.edits:
        file = broker / edit.file
        source = file.read_text()
        assert edit.before in source, f"{bug.name}: {edit.file} has changed"
        planted = source.replace(edit.before, edit.after)
        compile(planted, edit.file, "exec")  # what cannot be run is not caught by the simulation
        file.write_text(planted)


if __name__ == "__main__":
    sys.exit(main())
