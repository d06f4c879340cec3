"""Real limits of real systems: disks that are full, handles that are used up, places that nobody may write to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.versionless
ROOT = Path(__file__).parent.parent
HEAD = """
import errno, os, resource, sys, warnings
from resultstore import CacheWarning, Store, StoreError
from tests import science
warnings.simplefilter("always")
told = []
warnings.showwarning = lambda message, category, *rest: told.append((category, str(message)))
def once(kind=CacheWarning):
    assert all(category is CacheWarning for category, _ in told), told
    assert len(set(told)) == len(told) <= 4, told
def right(f, i, nbytes=100_000):
    before = len(runs)
    value = f(i, nbytes)
    assert value.shape == (nbytes // 8,) and (value == i).all()
    return len(runs) == before
runs = []
def block(i, nbytes=100_000):
    runs.append(i)
    return science.slow_block(i, nbytes)
"""


def run(place: Path, code: str, *wrapper: str) -> None:
    """Run code in a process of its own, with `place` as the store's place."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", f"{HEAD}\nplace = {str(place)!r}\n{code}"], check=False, cwd=ROOT,
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def mounts(*options: str) -> list[str]:
    """Return what a command must be run with to mount file systems of its own, or skip the test."""
    for wrapper in (["unshare", "-m"], ["unshare", "-Urm"]):
        if shutil.which("unshare") is None:
            break
        tried = subprocess.run([*wrapper, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True)
        if tried.returncode == 0:
            return wrapper
    pytest.skip("nothing can be mounted here, neither as root nor in a namespace of one's own")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return where a test's store lies, on the disk that the test makes."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk" / "results"


def on_a_disk(place: Path, size: str) -> list[str]:
    """Return the wrapper of a command that gives it a small disk above the store's place."""
    script = f'mount -t tmpfs -o size={size} none "{place.parent}" && exec "$@"'
    return [*mounts(), "sh", "-c", script, "sh"]


def test_a_full_disk(place):
    """Hits hit, misses compute, one warning; clear and eviction work; all is well when there is room again."""
    code = """
with Store(place) as store:
    f = store.cache(block)
    for i in range(20):
        right(f, i)
    with open(os.path.join(os.path.dirname(place), "filler"), "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    assert right(f, 1) and right(f, 2)
    for i in range(100, 106):
        assert not right(f, i)
    once()
    assert any("No space left" in text or "full" in text for _, text in told), told
    assert all("Make room on its disk" in text for _, text in told), told
    assert not f.check_call_in_cache(100)
    assert store.reduce_size(items_limit=10) > 0
    assert right(f, 19)
    assert store.clear() > 0
    assert not right(f, 1)
    os.unlink(os.path.join(os.path.dirname(place), "filler"))
    for i in range(5):
        right(f, i)
        assert right(f, i)
    assert store.verify() == [], store.verify()
with Store(place) as store:
    assert right(store.cache(block), 3)
"""
    run(place, code, *on_a_disk(place, "8m"))


@pytest.mark.parametrize("verb", ["clear()", "reduce_size(items_limit=3)", "reduce_size(bytes_limit=310_000)"])
def test_a_disk_that_was_full_before(place, verb):
    """Who opens a store on a disk without a free block can clear it and evict from it; what is to stay hits."""
    code = f"""
import multiprocessing
def fill():
    with Store(place) as store:
        f = store.cache(block)
        for i in range(20):
            right(f, i)
process = multiprocessing.get_context("fork").Process(target=fill)
process.start()
process.join()
with open(os.path.join(os.path.dirname(place), "filler"), "wb", buffering=0) as filler:
    size = 65536
    while size:
        try:
            filler.write(bytes(size))
        except OSError:
            size //= 2
with Store(place) as store:
    f = store.cache(block)
    gone = store.{verb}
    assert gone == 20 - store.stats().calls, gone
    assert gone in (17, 20), gone
    if gone == 17:
        assert right(f, 17) and right(f, 19)
    assert not right(f, 1)
    assert right(f, 1)
    assert store.verify() == [], store.verify()
"""
    run(place, code, *on_a_disk(place, "8m"))


def test_a_disk_too_full_for_an_index(place):
    """Where not even an index has room, functions compute, and nothing is left that is half."""
    code = """
with open(os.path.join(os.path.dirname(place), "filler"), "wb", buffering=0) as filler:
    filler.write(bytes(900_000))
store = Store(place)
f = store.cache(block)
for i in range(3):
    assert not right(f, 1)
once()
assert not os.path.exists(os.path.join(place, "index.sqlite"))
assert not [name for name in os.listdir(place) if ".new" in name], os.listdir(place)
assert not os.path.exists(os.path.join(place, "temporary")) or not os.listdir(os.path.join(place, "temporary"))
os.unlink(os.path.join(os.path.dirname(place), "filler"))
right(f, 1, 8000)
assert right(f, 1, 8000)
store.close()
"""
    run(place, code, *on_a_disk(place, "1m"))


@pytest.mark.parametrize("nbytes", [50_000, 150_000])
def test_a_limit_on_the_size_of_files(place, nbytes):
    """What is larger than a process may write is not stored; the rest is, and the process lives."""
    code = f"""
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python itself does
with Store(place) as store:
    assert not right(store.cache(block), 1)
resource.setrlimit(resource.RLIMIT_FSIZE, ({nbytes}, resource.RLIM_INFINITY))
with Store(place) as store:
    f = store.cache(block)
    assert right(f, 1)
    for i in range(2, 12):
        assert not right(f, i, 20_000 * i)
    once()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with Store(place) as store:
    f = store.cache(block)
    assert right(f, 1)
    right(f, 11, 220_000)
    assert right(f, 11, 220_000)
    assert store.verify() == [], store.verify()
"""
    run(place, code)


@pytest.mark.parametrize("free", range(12) if os.environ.get("RESULTSTORE_TEST_FULL") else (0, 1, 3, 6))
def test_no_file_handles(place, free):
    """With few handles left, or none, functions return their values, told what to do; with handles, all is stored."""
    code = f"""
with Store(place) as store:
    assert not right(store.cache(block), 1)
used = max(map(int, os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(40)]
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1 + {free}, hard))
store = Store(place)
f = store.cache(block)
for i in range(1, 5):
    right(f, i)
    right(f, i)
once()
assert {free} or told
assert all("ulimit -n" in text for _, text in told), told
for fd in held:
    os.close(fd)
for i in range(1, 5):
    right(f, i)
    assert right(f, i), told
store.close()
assert Store(place).verify() == []
"""
    run(place, code)


def as_nobody(path: Path) -> list[str]:
    """Return the wrapper of a command that may not write everywhere."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere, and there is no setpriv to be somebody else")
    for above in (path, *path.parents):
        if above != Path("/") and not above.stat().st_mode & 1:
            above.chmod(above.stat().st_mode | 0o755)
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*wrapper, sys.executable, "-c", ""], check=False, capture_output=True).returncode != 0:
        pytest.skip("somebody else may not run this Python")
    return wrapper


@pytest.mark.parametrize("what", ["directory", "index", "all"])
def test_no_right_to_write(place, what):
    """Hits hit and misses compute where the directory, the index or everything may not be written to."""
    run(place, "with Store(place) as store:\n    right(store.cache(block), 1)")
    wrapper = as_nobody(place.parent)
    for path in [place, *place.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        is_meant = what == "all" or (path.is_dir() if what == "directory" else path.name.startswith("index"))
        path.chmod((0o500 if path.is_dir() else 0o400) if is_meant else (0o700 if path.is_dir() else 0o600))
    code = """
store = Store(place)
f = store.cache(block)
assert right(f, 1) and right(f, 1), told
for i in (2, 2, 3):
    right(f, i)
once()
store.close()
"""
    remedy = "\nassert all('Let this user read and write' in text for _, text in told) and told, told"
    try:
        run(place, code + remedy, *wrapper)
        for path in [place, *place.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
        run(place, code + "\nassert right(Store(place).cache(block), 2)", *wrapper)
    finally:
        for path in [place, *place.rglob("*")]:
            path.chmod(0o700)


def test_a_read_only_file_system(place):
    """On a medium that nobody can write to, hits hit and misses compute."""
    run(place, "with Store(place) as store:\n    right(store.cache(block), 1)")
    script = f'mount --bind "{place}" "{place}" && mount -o remount,ro,bind "{place}" && exec "$@"'
    code = """
store = Store(place)
f = store.cache(block)
assert right(f, 1) and right(f, 1), told
assert not right(f, 2) and not right(f, 2)
once()
try:
    store.clear()
except StoreError:
    pass
assert right(f, 1)
assert store.verify() == []
store.close()
"""
    run(place, code, *mounts(), "sh", "-c", script, "sh")


def test_a_lack_of_handles_says_nothing_of_a_payload(place):
    """verify(fix=True) drops no result because this process could not open its file, and says that it could not look."""
    code = """
store = Store(place)
f = store.cache(block)
for i in range(3):
    right(f, i)
f.check_call_in_cache(1), store.verify()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for free in (0, 1, 2):
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + free, hard))
    try:
        assert store.verify(fix=True) == []
    except StoreError:
        pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
for i in range(3):
    assert right(f, i)
assert store.verify() == []
"""
    run(place, code)
