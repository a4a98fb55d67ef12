"""Mutation testing of the deciding cores: one small change after the other, and whether a test near it goes red.

    make mutants                                     all of them: some thousands, tens of minutes
    python tests/mutants/run.py groups log/x.py ...  those packages, or single modules of them, only
    ... --children 1                                 so many at a time, rather than one a processor
    ... --tests tests/groups/test_x.py ...           these tests only: the quick way while tests are being written
    ... --again FILE                                 only the mutants that a file names, as this program prints them

Prints for each package how many mutants its tests have killed, and every survivor that survivors.txt does not explain.
Exit code 1 where a package is below LEAST, or a survivor is unexplained. judge.py says how the mutants are made and
played, and that those of mere text are left out. It works on a copy of the tree, whose sources it changes. A test that
takes more than LONGEST_S of the processor is not asked: make test asks it, and others are to notice before it.

survivors.txt holds, for each survivor that needs no test: a line of why, beginning with #, and below it one line a
mutant, as this program prints it. A change of the code that brings another mutant brings another line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("survivors.txt")
LEAST = 0.85

CORES = {
    "replication": (["replication"], ["tests/replication"]),
    "controller": (["controller"], ["tests/controller"]),
    "groups": (["groups", "coordination"], ["tests/groups", "tests/coordination"]),
    "log": (
        [
            f"log/{name}.py"
            for name in (
                *("validation", "idempotence", "producer_state", "leader_epochs"),
                *("recovery", "unclean_start", "segment_end", "producer_replay"),
            )
        ],
        [f"tests/log/test_{name}.py" for name in ("validation", "producer_state", "leader_epochs", "recovery", "log")],
    ),
}
"""What is changed, within the broker, and the tests that are to notice."""

LONGEST_S = 0.5

SETTINGS = """
[tool.pytest.ini_options]
trio_mode = true
pythonpath = ["."]
markers = ["java: needs Java", "soak: long"]

[tool.mutmut]
source_paths = ["odradek_broker"]
"""

KILLED, SURVIVED = "killed", "survived"


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("wanted", nargs="*", default=list(CORES))
    options.add_argument("--children", type=int, default=os.cpu_count() or 1)
    options.add_argument("--tests", nargs="*", default=None)
    options.add_argument("--longest", type=float, default=LONGEST_S)
    options.add_argument("--again", type=Path)
    chosen = options.parse_args()
    explained = {
        line for line in EXPLAINED.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")
    }
    is_fine = True
    for wanted in chosen.wanted:
        found = mutants(wanted, chosen.children, chosen.tests, chosen.longest, chosen.again)
        alive = [(verdict, story) for verdict, story in found if verdict != KILLED]
        if not found:
            continue
        share = 1 - len(alive) / len(found)
        unexplained = [(verdict, story) for verdict, story in alive if story not in explained]
        print(
            f"{wanted}: {len(found)} mutants, {share:.1%} killed, {len(alive)} survive, {len(unexplained)} unexplained",
            flush=True,
        )
        for verdict, story in sorted(unexplained, key=lambda each: each[1]):
            print(f"{story}" + ("" if verdict == SURVIVED else f"   ({verdict})"), flush=True)
        is_fine = is_fine and share >= LEAST and not unexplained
    return 0 if is_fine else 1


def mutants(
    wanted: str, children: int, only: list[str] | None, longest_s: float, again: Path | None
) -> list[tuple[str, str]]:
    """What became of each mutant of a package, or of a module, and where and what it is."""
    core, _, module = wanted.partition("/")
    sources, tests = CORES[core]
    if module:
        sources = [wanted]
    ignore = shutil.ignore_patterns("__pycache__")
    with tempfile.TemporaryDirectory(prefix="odradek-mutants-") as directory:
        stage = Path(directory)
        shutil.copytree(ROOT / "broker" / "odradek_broker", stage / "odradek_broker", ignore=ignore)
        shutil.copytree(ROOT / "client" / "odradek", stage / "odradek", ignore=ignore)
        shutil.copytree(ROOT / "referee", stage / "referee", ignore=ignore)
        shutil.copytree(ROOT / "tests", stage / "tests", ignore=ignore)
        (stage / "pyproject.toml").write_text(SETTINGS, "utf-8")
        found = stage / "found.json"
        order = stage / "order.json"
        work = {
            "sources": [
                str(path.relative_to(stage))
                for source in sources
                for path in sorted(_files(stage / "odradek_broker" / source))
            ],
            "tests": only or tests,
            "children": children,
            "longest_s": longest_s,
            "again": again.read_text("utf-8").splitlines() if again else None,
            "found": str(found),
        }
        order.write_text(json.dumps(work), "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(stage)}
        command = [sys.executable, str(stage / "tests/mutants/judge.py"), str(order)]
        done = subprocess.run(command, cwd=stage, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not found.exists():
            raise SystemExit(f"no verdicts: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        lines = found.read_text("utf-8").splitlines()
        return [(verdict, story) for verdict, story in map(json.loads, lines)]


def _files(path: Path) -> Iterator[Path]:
    return path.rglob("*.py") if path.is_dir() else iter([path])


if __name__ == "__main__":
    sys.exit(main())
