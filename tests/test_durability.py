"""What is on the disk when a call returns: the order of writing and syncing, seen from outside where strace is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resultstore import OptionError, Store
from tests import science

pytestmark = pytest.mark.versionless

PROGRAM = """
import os, sys
from resultstore import Store
from tests import science
store = Store(sys.argv[1], durability=sys.argv[2])
f, g = store.cache(science.slow_block), store.cache(science.square)
for call in (lambda: f(1), lambda: f(2), lambda: g(3), *(lambda i=i: g(i) for i in range(10, 60))):
    os.write(1, b"CALL\\n")
    call()
os.write(1, b"CALL\\n")
os._exit(0)
"""


def trace(folder: Path, durability: str, tmp_path: Path) -> list[list[str]]:
    """Return for each call what it synced, renamed and wrote, in order, by kind of file."""
    output = tmp_path / "strace"
    command: list[str | Path] = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename,write,writev,pwrite64", "-o", output, sys.executable, "-c", PROGRAM]  # fmt: skip
    subprocess.run([*command, folder, durability], check=True, stdout=subprocess.DEVNULL, timeout=100)
    calls: list[list[str]] = []
    for line in output.read_text().splitlines():
        found = re.match(r"\d+ +(\w+)\((?:\d+<([^>]*)>|\"([^\"]*)\")", line)
        if found is None or line.endswith("= -1"):
            continue
        verb, path = found[1].removeprefix("p").removesuffix("64").removesuffix("v"), found[2] or found[3]
        if "CALL" in line:
            calls.append([])
        elif calls and path.startswith(str(folder)):
            place = Path(path).relative_to(folder).parts
            what = re.sub(r"-\d+-[0-9a-f]+\.new$", "-new", place[0]) if place else "store"
            step = f"{'sync' if 'sync' in verb else verb} {what if len(place) < 2 else what + '/' * (len(place) - 1)}"
            if not calls[-1] or calls[-1][-1] != step:
                calls[-1].append(step)
    return calls[:-1]


@pytest.fixture
def _strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace, which shows what the system was asked to write, is not installed")
    if subprocess.run(["strace", "-e", "trace=none", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not be used here")


@pytest.mark.usefixtures("_strace")
def test_full_durability_syncs_before_the_row_and_the_row_before_the_return(folder, tmp_path):
    """File, directories and journal are on the disk before the row, the row before the call returns, each time."""
    first, second, small, *burst = trace(folder, "full", tmp_path)
    assert first.index("sync temporary/") < first.index("rename temporary/") < first.index("sync payloads/")
    assert first.index("sync payloads/") < first.index("write index.sqlite-wal")
    assert first.index("sync payloads") < first.index("write index.sqlite-wal")
    assert first.index("sync store") < first.index("write index.sqlite-wal")
    assert first.index("sync journal.jsonl") < first.index("write index.sqlite-wal")
    entered = first[first.index("sync journal.jsonl") :]  # the journal is new, and so is its name
    assert entered.index("sync store") < entered.index("write index.sqlite-wal")
    rows = ["write index.sqlite-wal", "sync index.sqlite-wal"]
    assert [step for step in second if step not in ("sync payloads", "sync store")] == [
        "write temporary/", "sync temporary/", "rename temporary/", "sync payloads/",
        "write journal.jsonl", "sync journal.jsonl", *rows,
    ]  # fmt: skip
    for steps in (small, *burst):
        assert [step for step in steps if "index.sqlite" in step][:2] == rows


@pytest.mark.usefixtures("_strace")
def test_full_durability_of_directories_that_had_to_be_made(folder, tmp_path):
    """All that was made above a store is on the disk before the first row, whichever part of the store made it."""
    output = tmp_path / "strace"
    place = folder / "a" / "b" / "store"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,pwrite64", "-o", output, sys.executable, "-c", PROGRAM]
    subprocess.run([*command, place, "full"], check=True, stdout=subprocess.DEVNULL, timeout=100)
    lines = output.read_text().splitlines()
    first_row = next(i for i, line in enumerate(lines) if f"{place}/index.sqlite-wal>" in line)
    for made in (place, *place.parents[:3]):
        assert any("fsync" in line and f"<{made}>" in line for line in lines[:first_row]), made


@pytest.mark.usefixtures("_strace")
def test_normal_durability_waits_for_no_disk(folder, tmp_path):
    """By default nothing is synced when a result is stored, but when SQLite copies its log back."""
    calls = trace(folder, "normal", tmp_path)
    assert calls[0].count("sync index.sqlite-new") == 1
    assert calls[1] == ["write temporary/", "rename temporary/", "write journal.jsonl", "write index.sqlite-wal"]
    assert {step for steps in calls for step in steps if "sync" in step} <= {
        "sync index.sqlite-new", "sync index.sqlite-wal", "sync index.sqlite", "sync store",
    }  # fmt: skip


def test_full_durability_by_what_the_system_is_asked(folder, monkeypatch):
    """Each large result asks for a file, a directory and a journal to be synced, also where strace is not installed."""
    synced: list[str] = []

    def spy(name: str) -> None:
        real = getattr(os, name)

        def call(fd: int) -> None:
            synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
            real(fd)

        monkeypatch.setattr(os, name, call)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("which file a descriptor is of, is told by /proc")
    spy("fsync")
    spy("fdatasync")
    with Store(folder, durability="full") as store:
        f = store.cache(science.slow_block)
        f(1)
        file, *rest = synced
        assert re.fullmatch(r"\d+-[0-9a-f]{12}", file)
        assert "journal.jsonl" in rest
        assert {"payloads", folder.name, folder.parent.name} <= set(rest)
        assert store.verify() == []
        synced.clear()
        f(2)
        assert [re.sub(r"\d+-[0-9a-f]{12}", "file", name) for name in synced][0] == "file"
        assert synced[-1] == "journal.jsonl"
    synced.clear()
    with Store(folder) as store:
        store.cache(science.slow_block)(3)
    assert synced == []


def test_stores_of_both_kinds_share_a_place(folder):
    """Durability is a wish of each store object, not of the place: both read what the other wrote."""
    with Store(folder, durability="full") as full, Store(folder) as normal:
        assert full != normal
        assert full.cache(science.slow_block)(1)[0] == normal.cache(science.slow_block)(1)[0] == 1
        assert normal.stats().hits == 1
        normal.cache(science.square)(2)
        assert full.cache(science.square).check_call_in_cache(2)
        assert full.verify() == []


@pytest.mark.parametrize("durability", ["", "Full", None, True, ["full"]])
def test_wrong_durability_is_refused(folder, durability):
    """Another word than the two is the caller's mistake."""
    with pytest.raises(OptionError, match="durability"):
        Store(folder, durability=durability)
