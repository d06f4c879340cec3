"""Faults at operations of the system, by the shim: a sample of what scripts/faults tries in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import shim

pytestmark = pytest.mark.versionless

ROOT = Path(__file__).parent.parent
CHEAP = "result,array,several,hits,again,damage,burst,eviction,reduce,clear,forget,verify,shorter"
"""Work that needs neither pandas nor Alembic, which are slow to import."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a process needs that is to run with the shim."""
    reason = shim.why_not()
    if reason:
        pytest.skip(reason)
    return shim.environment(shim.compile_shim(tmp_path_factory.mktemp("shim")))


def run_faults(environment: dict[str, str], *options: str) -> None:
    """Run the suite with these options in a process of its own."""
    command = [sys.executable, "-m", "tests.faults", *options]
    done = subprocess.run(
        command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=170,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_faults_at_operations(environment):
    """Whatever fails, or kills, at an operation: right values, no error, and a store that is whole and goes on."""
    run_faults(environment, "--short", "--work", CHEAP, "--fault", "kill,EN,ED,EI,EM,EA,ER,Ctrl")


def test_a_new_store_under_faults(environment):
    """The same while a store is made."""
    run_faults(environment, "--work", "new store", "--fault", "kill,once,half", "--every", "37")


def test_power_cuts(environment):
    """Whatever of a write a power cut leaves on the disk, nothing wrong is served."""
    run_faults(environment, "--work", "mapped array", "--fault", "power cut", "--every", "11")


def test_power_cuts_of_a_durable_store(environment):
    """What a store with durability="full" had stored when a call returned is there afterwards."""
    run_faults(environment, "--work", "durable", "--fault", "power cut", "--every", "41")
