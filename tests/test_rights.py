"""Rights: what is made is its owner's alone, or for a group, whatever the umask, and whoever of the group makes it."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import pytest

from resultstore import CacheWarning, OptionError, Store, StoreError, _rights
from tests import science

BIG = 20_000
PRIVATE, GROUP = (0o700, 0o600), (0o2770, 0o660)
ANN, BOB, OUTSIDER, TEAM = 64_101, 64_102, 64_103, 64_200
pytestmark = [
    pytest.mark.versionless,
    pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX"),
]
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be several users")


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of all that lies in a folder, and of itself."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}


def check(folder: Path, expected: tuple[int, int]) -> set[str]:
    """Compare all modes with those of directories and files; return what lies there."""
    found = modes(folder)
    for name, mode in found.items():
        assert mode == expected[(folder / name).is_file()], (name, oct(mode))
    return set(found)


def make_everything(folder: Path, **options: object) -> None:
    """Have a store make all that it ever makes, its log and temporary files included."""
    with Store(folder, **options) as store:  # type: ignore[arg-type]
        f = store.cache(science.table)
        f(BIG)
        f(10)
        for path in (folder / "payloads").rglob("*.npy"):
            path.write_bytes(b"damaged")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            f(BIG)
        vault = store._vault
        assert vault is not None
        ticket = vault.blobs.stage([b"bytes"])
        with vault.gate.held(1):
            vault.journal.compact(set())
            names = check(folder, GROUP if options.get("shared") else PRIVATE)
        vault.blobs.discard(ticket)
    wanted = {
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
        "gate",
        "journal.jsonl",
        "quarantine",
        "temporary",
        "payloads",
    }
    assert wanted <= names
    assert len([name for name in names if name.startswith("quarantine/")]) == 1
    assert len([name for name in names if name.startswith("temporary/")]) == 1


@pytest.fixture
def umask():
    """Return a function that sets the umask, which is set back in the end."""
    old = os.umask(0)
    os.umask(old)
    yield os.umask
    os.umask(old)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("shared", [None, "group"])
def test_modes_are_the_same_under_every_umask(folder, umask, mask, shared):
    """Directories are 0700 and files 0600, or 2770 and 0660 for a group; those above it that had to be made, too."""
    umask(mask)
    place = folder / "some" / "where"
    make_everything(place, **({} if shared is None else {"shared": shared, "allow_pickle": False}))
    umask(0o022)
    check(folder, PRIVATE if shared is None else GROUP)


def test_a_directory_that_is_there_is_left_as_it_is(folder):
    """The mode of a directory that somebody made is theirs to choose."""
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    Store(folder).cache(science.table)(BIG)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "payloads").stat().st_mode) == 0o700


def test_a_backup_before_an_upgrade_is_private(folder, umask):
    """The copy of an older index, made before it is upgraded, has the modes of the rest, and follows no link."""
    golden = Path(__file__).parent / "golden" / "schema-1"
    shutil.copytree(golden, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    (folder.parent / "mine").write_text("mine")
    (folder / "index.sqlite-schema-1.backup").symlink_to(folder.parent / "mine")
    umask(0)
    Store(folder).close()
    umask(0o022)
    check(folder, PRIVATE)
    assert (folder.parent / "mine").read_text() == "mine"
    assert (folder / "index.sqlite-schema-1.backup").stat().st_size > 4096


@pytest.mark.parametrize("shared", ["world", True, 0o770, ""])
def test_shared_is_said_in_one_word(folder, shared):
    """What cannot be meant is refused."""
    with pytest.raises(OptionError, match="shared"):
        Store(folder, shared=shared)


def test_a_store_that_was_made_private_is_not_opened_up(folder):
    """With shared="group" an existing store keeps its modes, and that is told."""
    Store(folder).cache(science.table)(BIG)
    gc.collect()
    with (
        pytest.warns(CacheWarning, match="made without shared"),
        Store(folder, shared="group", allow_pickle=False) as store,
    ):
        store.cache(science.table)(BIG + 1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "index.sqlite").stat().st_mode) == 0o600
    _rights._told.clear()


@pytest.fixture(autouse=True)
def _forget():
    science.runs.clear()
    yield
    _rights._told.clear()


def test_a_shared_store_stays_shared(folder):
    """Whoever opens it later without a word goes on making things for the group."""
    Store(folder, shared="group", allow_pickle=False).cache(science.table)(BIG)
    gc.collect()
    _rights._told.clear()
    with pytest.warns(CacheWarning, match="others can write"), Store(folder) as store:
        store.cache(science.table)(BIG + 1)
    check(folder, GROUP)


@pytest.mark.parametrize(
    ("options", "warns"),
    [({}, True), ({"signing_key": "a secret of the tests"}, False), ({"allow_pickle": True}, False)],
)
def test_pickle_in_a_shared_store_is_off_unless_signed(folder, options, warns):
    """Where a group can write, pickles are neither written nor read, unless they are signed or somebody says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Store(folder, shared="group", **options) as store:
            assert len(caught) == warns
            store.cache(complex_result)(1)
            assert store.cache(complex_result).check_call_in_cache(1) is not warns


class Value:
    """Something that only pickle can store."""


def complex_result(x):
    """Return what only pickle can store."""
    return Value()


# -- several users


def as_user(uid: int, groups: list[int], do, *args) -> str:
    """Run something in a forked child that is another user; return what that returns as text."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        text = "?"
        try:
            os.close(read)
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            text = str(do(*args))
        except BaseException:
            text = traceback.format_exc()
        finally:
            os.write(write, text.encode()[-8000:])
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


@pytest.fixture
def common():
    """Return a directory of a team, as an administrator makes it, and let it go in the end."""
    path = Path(tempfile.mkdtemp(prefix="resultstore-", dir="/tmp"))
    os.chown(path, 0, TEAM)
    path.chmod(0o2775)
    make_everything(path / "warm")  # what a child imports later, it could perhaps not read
    shutil.rmtree(path / "warm")
    yield path
    shutil.rmtree(path)


def call(place, ns, **options):
    """Call a function with a store; return which calls hit, and what was warned of."""
    science.runs.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Store(place, **options) as store:
            f = store.cache(science.table)
            hits = [n for n in ns if f.check_call_in_cache(n)]
            for n in ns:
                assert len(f(n)) == n
            stored = [n for n in ns if f.check_call_in_cache(n)]
            problems = store.verify()
    return hits, stored, problems, sorted({str(w.message).partition(" ")[0] for w in caught})


@as_root
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_two_users_of_a_group_share_a_store(common, umask, mask):
    """A second user of the group hits, stores, evicts and mends, and so does the first one afterwards."""
    umask(mask)
    place = common / "results"
    first, second = [BIG, 10], [BIG, 10, BIG + 1, 11]
    given = {"shared": "group", "allow_pickle": False}
    assert as_user(ANN, [TEAM], lambda: call(place, first, **given)) == str(([], first, [], []))
    assert as_user(BOB, [TEAM], lambda: call(place, second, allow_pickle=False)) == str((first, second, [], []))
    assert as_user(ANN, [TEAM], lambda: call(place, second, **given)) == str((second, second, [], []))
    check(place, GROUP)
    assert {path.lstat().st_gid for path in [place, *place.rglob("*")]} == {TEAM}
    assert {path.lstat().st_uid for path in place.rglob("*.npy")} == {ANN, BOB}

    def evict():
        with Store(place, allow_pickle=False) as store:
            return store.reduce_size(items_limit=0), store.verify(fix=True)

    assert as_user(BOB, [TEAM], evict) == str((4, []))
    assert as_user(ANN, [TEAM], lambda: call(place, first, **given)) == str(([], first, [], []))
    check(place, GROUP)


@as_root
def test_who_is_not_of_the_group_computes(common):
    """Others neither read nor write what a group shares; their functions work."""
    place = common / "results"
    as_user(ANN, [TEAM], lambda: call(place, [BIG], shared="group", allow_pickle=False))

    def outside():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            store = Store(place, allow_pickle=False)
            f = store.cache(science.table)
            return len(f(BIG)), len(science.runs)

    science.runs.clear()
    assert as_user(OUTSIDER, [], outside) == str((BIG, 1))


def let_read(place):
    """Do what the page on sharing says: chmod -R a+rX."""
    for path in [place, *place.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


@as_root
@pytest.mark.parametrize("is_open", [False, True])
def test_who_may_only_read_hits_and_is_told_so_in_one_way(common, is_open):
    """A reader hits and asks, also beside a writer; what it computes is not stored, and verbs that write say why."""
    place = common / "results"
    common.chmod(0o755)

    def read():
        science.runs.clear()
        told = set()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            store = Store(place, allow_pickle=False)
            f = store.cache(science.table)
            values = [len(f(n)) for n in (BIG, 10, 11)]
        assert values == [BIG, 10, 11]
        assert len(science.runs) == 1
        assert len(store.find(f)) == 2
        assert store.verify() == []
        [warning] = caught
        assert f"could not be stored in {place}: " in str(warning.message)
        for verb in (
            store.clear,
            store.repair,
            lambda: store.verify(fix=True),
            lambda: store.reduce_size(items_limit=0),
        ):
            try:
                verb()
            except StoreError as error:
                told.add(str(error).partition(" (")[0])
        assert told == {f"the store {place} is read-only for you, and this writes to it"}
        return "read"

    store = Store(place)
    f = store.cache(science.table)
    assert len(f(BIG)) + len(f(10)) == BIG + 10
    assert len(store.find(f)) == 2
    let_read(place)
    if not is_open:
        store.close()
    assert as_user(BOB, [], read) == "read"
    store.close()


@as_root
def test_a_directory_of_another_user_is_one_that_others_can_write_to(common):
    """In a directory that belongs to somebody else, pickle is off by default, whatever its mode is."""
    place = common / "results"
    place.mkdir(mode=0o700)
    os.chown(place, ANN, ANN)
    with pytest.warns(CacheWarning, match=f"its owner, the user {ANN}, can write"):
        Store(place).close()
    os.chown(place, 0, 0)
    Store(place).close()


@as_root
def test_a_directory_that_somebody_else_makes_first_is_theirs(common):
    """Whose the directory is, is judged when it is there: also one that another user makes after the store was opened."""
    place = common / "results"
    store = Store(place)
    place.mkdir(mode=0o700)
    os.chown(place, ANN, ANN)
    with pytest.warns(CacheWarning, match=r"its owner|needs pickle") as caught:
        store.cache(complex_result)(1)
    assert len(caught) == 2
    store.close()


@as_root
@pytest.mark.parametrize("mask", [0o777, 0o400])
def test_a_umask_that_takes_ones_own_rights_away(common, umask, mask):
    """Under a umask that would lock a user out of what they make, a store works all the same."""
    umask(mask)
    common.chmod(0o777)
    assert as_user(ANN, [], lambda: call(common / "a" / "b", [BIG, 10])) == str(([], [BIG, 10], [], []))
    umask(0o022)
    check(common / "a", PRIVATE)
