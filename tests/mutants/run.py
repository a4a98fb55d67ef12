"""Mutation testing of the deciding cores: one small change after the other, and whether a test near it goes red.

    make mutants                                 all of them, some minutes
    python tests/mutants/run.py replication ...  those only

Prints for each package how many mutants its tests have killed, and every survivor that survivors.txt does not explain.
Exit code 1 where a package is below LEAST, or a survivor is unexplained. mutmut expects sources beside the tests, so
all of it is copied to a directory of its own first.

survivors.txt holds, for each survivor that needs no test: a line of why, beginning with #, and below it one line a
mutant, as this program prints it. A change of the code that brings another mutant brings another line.
"""

from __future__ import annotations

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
    "groups": (["groups"], ["tests/groups"]),
    "log": (
        [f"log/{name}.py" for name in ("validation", "idempotence", "producer_state", "leader_epochs", "recovery")],
        ["tests/log"],
    ),
}
"""What is changed, within the broker, and the tests that are to notice."""

SETTINGS = """
[tool.pytest.ini_options]
trio_mode = true
pythonpath = ["."]
markers = ["java: needs Java", "soak: long"]

[tool.mutmut]
source_paths = {sources}
also_copy = ["odradek", "odradek_broker", "tests", "referee"]
pytest_add_cli_args = ["-m", "not java and not soak"]
pytest_add_cli_args_test_selection = {tests}
"""

KILLED, SURVIVED, UNTESTED, SUSPICIOUS = "killed", "survived", "no test calls it", "not run"
VERDICTS = {0: SURVIVED, 1: KILLED, 3: KILLED, 5: UNTESTED, 33: UNTESTED, 24: KILLED, 36: KILLED, 255: KILLED}
"""By the exit code that mutmut notes; a mutant that never ends, or ends the process, is noticed."""


def main() -> int:
    wanted = sys.argv[1:] or list(CORES)
    explained = {
        line for line in EXPLAINED.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")
    }
    is_fine = True
    for core in wanted:
        counts: dict[str, int] = {}
        lines = []
        with tempfile.TemporaryDirectory(prefix="odradek-mutants-") as directory:
            stage = Path(directory)
            for verdict, story in mutants(stage, core):
                counts[verdict] = counts.get(verdict, 0) + 1
                if verdict != KILLED:
                    lines.append((verdict, story))
        total = sum(counts.values())
        share = counts.get(KILLED, 0) / total
        unexplained = [(verdict, story) for verdict, story in lines if story not in explained]
        print(
            f"{core}: {total} mutants, {share:.1%} killed, {len(lines)} survive, {len(unexplained)} unexplained",
            flush=True,
        )
        for verdict, story in sorted(unexplained, key=lambda each: each[1]):
            print(f"{story}" + ("" if verdict == SURVIVED else f"   ({verdict})"))
        is_fine = is_fine and share >= LEAST and not unexplained
    return 0 if is_fine else 1


def mutants(stage: Path, core: str) -> Iterator[tuple[str, str]]:
    """What became of each mutant, and where and what it is."""
    sources, tests = CORES[core]
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "broker" / "odradek_broker", stage / "odradek_broker", ignore=ignore)
    shutil.copytree(ROOT / "client" / "odradek", stage / "odradek", ignore=ignore)
    shutil.copytree(ROOT / "referee", stage / "referee", ignore=ignore)
    shutil.copytree(ROOT / "tests", stage / "tests", ignore=ignore)
    paths = [f"odradek_broker/{source}" for source in sources]
    (stage / "pyproject.toml").write_text(SETTINGS.format(sources=json.dumps(paths), tests=json.dumps(tests)))
    environment = {**os.environ, "PYTHONPATH": str(stage)}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count())]
    done = subprocess.run(command, cwd=stage, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mutmut failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    found = sorted((stage / "mutants").rglob("*.meta"))
    codes = {name: code for meta in found for name, code in json.loads(meta.read_text())["exit_code_by_key"].items()}
    alive = [name for name, code in codes.items() if VERDICTS.get(code, SUSPICIOUS) != KILLED]
    stories = dict(zip(alive, _stories(stage, alive), strict=True))
    for name, code in codes.items():
        yield VERDICTS.get(code, SUSPICIOUS), stories.get(name, "")


def _stories(stage: Path, names: list[str]) -> list[str]:
    """`module.function: - before + after` of each mutant."""
    program = (
        "import json, sys\n"
        "from mutmut.mutation.diff_apply import get_diff_for_mutant\n"
        "print(json.dumps([get_diff_for_mutant(name) for name in json.load(sys.stdin)]))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=stage, input=json.dumps(names), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    diffs: list[str] = json.loads(done.stdout.splitlines()[-1])
    return [f"{_function(name)}: {_change(diff)}" for name, diff in zip(names, diffs, strict=True)]


def _function(name: str) -> str:
    """odradek_broker.a.xǁClassǁmethod__mutmut_3 is a.Class.method."""
    module, _, mangled = name.rpartition("__mutmut_")[0].removeprefix("odradek_broker.").rpartition(".")
    function = mangled.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")
    return f"{module}.{function}"


def _change(diff: str) -> str:
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    return " ".join(f"{line[0]} {line[1:].strip()}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
