"""Where SQLite can keep no write-ahead log: which places those are, and that all works with its rollback journal.

``RESULTSTORE_JOURNAL=rollback pytest`` runs any other test on such stores.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from resultstore import CacheWarning, Store, _place
from resultstore._index import making
from tests import science
from tests.test_budget import disk_usage
from tests.test_machine import StoreMachine
from tests.test_processes import start_worker

pytestmark = pytest.mark.versionless


@pytest.fixture
def _rollback(monkeypatch):
    monkeypatch.setenv("RESULTSTORE_JOURNAL", "rollback")


def journal_of(folder: Path) -> str:
    """Return which journal an index has, by its file."""
    return {1: "rollback", 2: "log"}[(folder / "index.sqlite").read_bytes()[18]]


MOUNTS = r"""22 1 0:21 / /proc rw - proc proc rw
30 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
31 30 0:40 / /home rw - nfs4 server:/home rw
32 31 0:41 / /home/me/scratch rw - xfs /dev/vdb rw
33 30 0:42 / /mnt/with\040blank rw - cifs //server/share rw
34 30 0:43 / /mnt/s3 rw - fuse.rclone bucket rw
35 30 0:44 / /mnt/bound rw - fuse.bindfs /home rw
36 30 0:45 / /mnt/over rw - ext4 /dev/vdc rw
37 36 0:46 / /mnt/over rw - 9p host rw
38 30 0:47 / /mnt/plain rw - fuse something rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home", "nfs4"),
        ("/home/me", "nfs4"),
        ("/home/me/scratch/results", None),
        ("/homely/results", None),
        ("/mnt/with blank/results", "cifs"),
        ("/mnt/s3/a/b", "fuse.rclone"),
        ("/mnt/bound", None),
        ("/mnt/over/results", "9p"),
        ("/mnt/plain", "fuse"),
        ("/", None),
    ],
)
def test_network_file_systems_are_known(tmp_path, monkeypatch, place, kind):
    """The file system that lies on top at a place decides; local ones, and unknown ones, are trusted."""
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(_place, "_MOUNTS", str(tmp_path / "mounts"))
    monkeypatch.setattr(_place, "_types", {})
    monkeypatch.setattr(os.path, "realpath", lambda _: place)
    assert _place.network_file_system(str(tmp_path)) == kind


def test_where_nothing_is_known_of_mounts_the_place_is_trusted(tmp_path, monkeypatch):
    """Without a list of what is mounted, SQLite's own answer decides."""
    monkeypatch.setattr(_place, "_MOUNTS", str(tmp_path / "none"))
    monkeypatch.setattr(_place, "_types", {})
    assert _place.network_file_system(str(tmp_path)) is None
    assert _place.network_file_system(str(tmp_path / "nowhere")) is None


def test_an_index_on_a_network_file_system_is_told_of_once(folder, monkeypatch):
    """Whoever makes an index there is told which journal it has, and why; results are stored, later openers hear nothing."""
    monkeypatch.setattr(_place, "_types", {os.stat(folder.parent).st_dev: "nfs4"})
    store = Store(folder)
    f = store.cache(science.slow_block)
    with pytest.warns(CacheWarning, match=r"rollback journal .* other machines may use as well \(nfs4\)") as caught:
        assert (f(1) == 1).all()
    assert len(caught) == 1
    assert f.check_call_in_cache(1)
    assert journal_of(folder) == "rollback"
    f(2)
    with Store(folder) as again:
        assert (again.cache(science.slow_block)(1) == 1).all()
        again.cache(science.slow_block)(3)
        assert again.verify() == []
    store.close()
    assert not list(folder.glob("index.sqlite-*"))


def test_the_log_can_be_asked_for(folder, monkeypatch):
    """RESULTSTORE_JOURNAL=wal keeps the log where the file system is only believed to be one of several machines."""
    monkeypatch.setattr(_place, "_types", {os.stat(folder.parent).st_dev: "nfs4"})
    monkeypatch.setenv("RESULTSTORE_JOURNAL", "wal")
    with Store(folder) as store:
        store.cache(science.square)(2)
    assert journal_of(folder) == "log"


def test_an_index_with_a_log_gives_it_up(folder, monkeypatch):
    """A store that was copied to such a place, log and all, gets a rollback journal, and loses nothing."""
    with Store(folder.with_name("local")) as local:
        f = local.cache(science.square)
        for i in range(5):
            f(i)
        shutil.copytree(local.location, folder)  # as after a crash: rows lie in the log  # type: ignore[arg-type]
    assert journal_of(folder) == "log"
    monkeypatch.setenv("RESULTSTORE_JOURNAL", "rollback")
    with Store(folder) as store:
        assert journal_of(folder) == "rollback"
        g = store.cache(science.square)
        assert all(g.check_call_in_cache(i) for i in range(5))
        g(7)
        assert store.verify() == []
    monkeypatch.delenv("RESULTSTORE_JOURNAL")
    with Store(folder) as store:
        assert store.cache(science.square).check_call_in_cache(7)
    assert journal_of(folder) == "rollback"


def test_a_log_that_cannot_be_given_up_is_not_written_to(folder, monkeypatch):
    """Where another program keeps the log open, functions are computed and nothing is written, told once, until it is closed."""
    monkeypatch.setattr(making, "_UNLOG_WAIT_S", 0.05)
    with Store(folder) as store:
        store.cache(science.square)(2)
    other = sqlite3.connect(folder / "index.sqlite")
    other.execute("SELECT count(*) FROM call").fetchone()
    monkeypatch.setenv("RESULTSTORE_JOURNAL", "rollback")
    with pytest.warns(CacheWarning, match=r"could not be brought to this version \(.*has .* open") as caught:
        store = Store(folder)
        f = store.cache(science.square)
        assert (f(2), f(3), f(4)) == (4, 9, 16)
    assert len(caught) == 1
    assert not f.check_call_in_cache(3)
    other.close()
    store._vault._writing._settle_from = 0.0  # type: ignore[union-attr]
    f(5)
    assert f.check_call_in_cache(5)
    assert journal_of(folder) == "rollback"
    store.close()


def test_where_sqlite_refuses_the_log(folder, monkeypatch):
    """Where SQLite answers that it can keep no log, the index is made without one, told once, and all works."""
    real = sqlite3.connect

    def connect(target, **options):  # SQLite's own way of locking where nothing else works, which knows no log
        target = os.fspath(target)
        uri = target if target.startswith("file:") else f"file:{urllib.parse.quote(target)}"
        return real(f"{uri}{'&' if '?' in uri else '?'}vfs=unix-dotfile", **{**options, "uri": True})

    monkeypatch.setattr(sqlite3, "connect", connect)
    with Store(folder, size_limit="2 MB") as store:
        f = store.cache(science.slow_block)
        with pytest.warns(CacheWarning, match="SQLite can keep no write-ahead log there") as caught:
            for i in range(40):
                assert (f(i) == i).all()
                assert (f(i) == i).all()
        assert len(caught) == 1
        assert store.stats().hits == 40
        assert store.verify() == []
    assert journal_of(folder) == "rollback"


@pytest.mark.usefixtures("_rollback")
def test_all_that_users_do_with_a_rollback_journal():
    """A store with a rollback journal does what a dict does, through a sequence of what users do."""
    machine = StoreMachine()
    machine.begin()
    for step in range(3):
        for x in range(4):
            machine.call_plain(x, step % 2, x)
            machine.call_array(x, "CF"[step % 2])
            machine.records_are_the_calls()
        machine.forget(step)
        [machine.close, machine.open_again, lambda: machine.clear_function("plain")][step]()
        machine.records_are_the_calls()
    machine.teardown()


@pytest.mark.usefixtures("_rollback")
def test_everything_at_once_with_a_rollback_journal(folder):
    """Processes that do everything at once on one store meet no error and no wrong value, under its limit."""
    workers = [start_worker(folder, seed, limit="1.5 MB", steps=40) for seed in range(3)]
    most = 0
    while any(worker.poll() is None for worker in workers):
        most = max(most, disk_usage(folder))
    assert [worker.communicate()[1].decode()[-800:] for worker in workers] == [""] * 3
    assert most <= 1_500_000 + 3 * 60_000
    assert journal_of(folder) == "rollback"
    with Store(folder) as store:
        assert store.verify() == []


KILLED = """
import os, signal, sqlite3, sys
index = sqlite3.connect(sys.argv[1], isolation_level=None)
index.execute("PRAGMA cache_size = 1")
index.execute("BEGIN IMMEDIATE")
index.execute("UPDATE call SET kind = 'none', integer = NULL, checksum = zeroblob(16), note = hex(randomblob(3000))")
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("_rollback")
def test_a_writer_killed_in_the_middle_is_undone_by_the_next_reader(folder):
    """What a killed writer had half written into the file is undone before anything is read: it is never served."""
    with Store(folder) as store:
        f = store.cache(science.square)
        for i in range(200):
            f(i)
    open_before = Store(folder)
    g = open_before.cache(science.square)
    assert g(0) == 0
    before = (folder / "index.sqlite").read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, folder / "index.sqlite"], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "index.sqlite-journal").stat().st_size
    assert (folder / "index.sqlite").read_bytes() != before
    science.runs.clear()
    assert [g(i) for i in range(200)] == [i * i for i in range(200)]
    assert science.runs == []
    assert not (folder / "index.sqlite-journal").exists()
    assert (folder / "index.sqlite").read_bytes()[100:] == before[100:]
    assert open_before.verify() == []
    open_before.close()


@pytest.mark.usefixtures("_rollback")
def test_a_reader_of_another_program_delays_a_writer_and_no_more(folder, monkeypatch):
    """A reader that does not end keeps results from being stored, told once; hits hit, and later all works."""
    monkeypatch.setattr("resultstore._index.connect._BUSY_S", 0.05)
    with Store(folder) as store:
        f = store.cache(science.square)
        f(1)
        with contextlib.closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM call").fetchone()
            with pytest.warns(CacheWarning, match="locked") as caught:
                assert [f(i) for i in range(1, 5)] == [1, 4, 9, 16]
            assert len(caught) == 1
            other.execute("ROLLBACK")
        assert f(4) == 16
        assert f.check_call_in_cache(4)
        assert store.verify() == []
