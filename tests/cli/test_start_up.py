"""What is imported for nothing costs every start: so it is counted in modules, not in milliseconds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

from odradek_cli.up import DEV_SETTINGS, dev_settings

OF_BATCHES_ONLY = ("cramjam", "zstandard")
OF_SECURITY_ONLY = ("cryptography",)
OF_NOBODY = ("email", "http", "argparse", "importlib.metadata", "difflib")
HEAVY = ("trio", "odradek.cluster.cluster", "odradek_broker.node.node", "odradek.testing.cluster", "asyncio", "ssl")


def imported_by(statement: str, heavy: Iterable[str] = HEAVY) -> set[str]:
    """The heavy ones among the modules that are there after a statement."""
    program = f"import sys\n{statement}\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split()) & set(heavy)


@pytest.mark.parametrize(
    "statement",
    [
        "import odradek",
        "import odradek.testing",
        "sys.argv = ['odradek', '--help']; from odradek_cli.main import _run; _run(['--help'])",
        "from odradek_cli.main import _run; _run(['--version'])",
    ],
)
def test_what_does_nothing_yet_imports_nothing_heavy(statement: str) -> None:
    assert imported_by(statement) == set()


def test_the_pytest_plugin_imports_nothing_heavy_of_its_own() -> None:
    beside_pytest = imported_by("import pytest")
    assert imported_by("import pytest, odradek.testing.plugin") == beside_pytest


def test_a_plain_broker_loads_nothing_that_only_others_need() -> None:
    everything = "import odradek_cli.broker; from odradek_broker.apis import load_apis; load_apis()"
    assert imported_by(everything, (*OF_BATCHES_ONLY, *OF_SECURITY_ONLY, *OF_NOBODY)) == set()


def test_who_watches_over_brokers_loads_none_and_no_client() -> None:
    watching = "import odradek_cli.up, odradek_cli.supervisor; from odradek.testing import Cluster"
    assert imported_by(watching, ("odradek_broker.node.node", "odradek.admin", *OF_NOBODY)) == set()


def test_tables_for_long_records_are_made_when_the_first_one_comes() -> None:
    program = (
        "from odradek.protocol.records import builder\n"
        "made = builder.BatchBuilder()\n"
        "made.append(None, bytes(100), (), 1)\n"
        "before = len(builder._LENGTHS)\n"
        "made.append(None, bytes(5000), (), 1)\n"
        "print(before, len(builder._LENGTHS), made.size_bytes == len(made.build()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["512", "8192", "True"]


def test_what_the_environment_says_of_a_setting_holds_for_a_broker_that_is_tried_out() -> None:
    assert dev_settings({"ODRADEK_GROUP_INITIAL_REBALANCE_DELAY_MS": "0"}) == {}
    assert dev_settings({"ODRADEK_LOG_SEGMENT_BYTES": "14"}) == DEV_SETTINGS
