"""How sensitive the simulation is: bugs planted one by one in a copy of the sources, and how soon random runs see each.

    python tests/simulation/planted_bugs.py [--seeds N] [--seconds S] [--jobs N] [NAME...]

First a control: the same seeds without a bug, all of which have to be clean, for otherwise nothing is proved. Then a
line for each bug: which oracle saw it (an invariant by its name, the checker's verdict, or an assertion of the broker's
own), in which seed, after how long. Exit code 1 if the control is not clean, or any bug is missed. The bugs: bugs.py.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
BROKER = "broker/odradek_broker"
SEEDS, SECONDS, LIMIT_S = 600, 5.0, 600
STORY_CHARACTERS = 140

_seed_line = re.compile(r"seed (\d+): (.*)", re.DOTALL)
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
    given = parser.parse_args()
    unknown = set(given.names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"there is no bug {sorted(unknown)[0]!r}")
    bugs = [bug for bug in BUGS if not given.names or bug.name in given.names]
    began, last_seed, missed = time.monotonic(), 0, []
    for bug in bugs:
        bug_began = time.monotonic()
        sight = run(bug, given.seeds, given.seconds, given.jobs)
        took_s = time.monotonic() - bug_began
        if sight is None:
            missed.append(bug)
            print(f"MISSED {took_s:6.1f} s  {bug.name}", flush=True)
            continue
        last_seed = max(last_seed, sight.seed)
        story = sight.story[:STORY_CHARACTERS]
        print(f"caught {took_s:6.1f} s  seed {sight.seed:<4} {sight.oracle:<14} {bug.name}: {story}", flush=True)
    print(f"{len(bugs) - len(missed)} of {len(bugs)} planted bugs are caught; {time.monotonic() - began:.0f} s")
    control = run(None, last_seed + 1, given.seconds, given.jobs)
    print(
        f"control: seeds 0 to {last_seed} without a bug are {'clean' if control is None else f'NOT clean: {control}'}"
    )
    return 1 if missed or control is not None else 0


def run(bug: Bug | None, seeds: int, seconds: float, jobs: int) -> Sight | None:
    """What the first seeds see of it; None where they see nothing."""
    with tempfile.TemporaryDirectory(prefix="odradek-bug-") as directory:
        copy = Path(directory)
        for part in ("broker", "client", "tests/simulation"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        if bug is not None:
            plant(bug, copy / BROKER)
        environment = {**os.environ, "PYTHONPATH": f"{copy / 'client'}:{copy / 'broker'}"}
        command = [sys.executable, "tests/simulation/seeds.py", "0", str(seeds), str(seconds), "--jobs", str(jobs)]
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode == 0:
        return None
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    match = _seed_line.fullmatch(said)
    if match is None:
        return Sight(0, "the program", said)
    story = match[2]
    oracle = _oracle.match(story)
    return Sight(int(match[1]), (oracle[1] or oracle[2]) if oracle else "the verdict", story)


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
