"""The store's directory: how it is made, and where it lies."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable

from resultstore._rights import make_file, make_folder, rights_of
from resultstore._syncing import sync_folder

_NETWORK = frozenset(
    "9p acfs afs beegfs ceph cifs coda davfs fhgfs gfs gfs2 glusterfs gpfs lustre mmfs ncp ncpfs nfs nfs4 ocfs2 "
    "orangefs panfs prl_fs pvfs2 quobyte smb2 smb3 smbfs vboxsf virtiofs vmhgfs wekafs".split()
)
_LOCAL_FUSE = frozenset(
    "fuse.bindfs fuse.encfs fuse.exfat fuse.fuse-overlayfs fuse.gocryptfs fuse.mergerfs fuse.ntfs fuse.ntfs-3g "
    "fuse.zfs".split()
)
_MOUNTS = "/proc/self/mountinfo"  # only Linux has it
_UNFINISHED = re.compile(r"(index\.sqlite-[0-9]+|journal\.jsonl)-[0-9a-f]{8}\.new(-wal|-shm|-journal)?")
_types: dict[int, str] = {}
"""The file systems that were looked at, by device."""


def make_place(place: str) -> None:
    """Make the directory at the first write; an existing one is only added to."""
    if os.path.isdir(place):
        return
    rights = rights_of(place)
    above = os.path.dirname(place)
    missing = []
    while not os.path.isdir(above) and above != os.path.dirname(above):  # Windows has drives that are not there
        missing.append(above)
        above = os.path.dirname(above)
    for folder in reversed(missing):
        make_folder(folder, rights)
    if make_folder(place, rights):
        # Marks for backup programs and git; never put into a directory that was somebody's before.
        _write_mark(place, "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by resultstore\n")
        _write_mark(place, ".gitignore", "# made by resultstore\n*\n")


def sync_place(place: str) -> None:
    """Return when a directory is on the disk, whoever has made it, with those above it that may be as new."""
    sync_folder(place)
    above = os.path.dirname(place)
    sync_folder(above)
    device = os.stat(above).st_dev
    with contextlib.suppress(OSError):  # what nobody may read, nobody has just made for this store
        while above != os.path.dirname(above):
            above = os.path.dirname(above)
            if os.stat(above).st_dev != device:
                break
            sync_folder(above)


def sweep_unfinished(place: str, older_than_s: float) -> None:
    """Remove what a killed process was making of index and journal; the write gate is held, so nobody makes one now."""
    now = time.time()
    with os.scandir(place) as entries:
        unfinished = [entry for entry in entries if _UNFINISHED.fullmatch(entry.name)]
    for entry in unfinished:
        with contextlib.suppress(OSError):
            if abs(now - entry.stat(follow_symlinks=False).st_mtime) >= older_than_s:
                os.unlink(entry.path)


def network_file_system(folder: str) -> str | None:
    """Return the type of the file system of a directory, if other machines may use it as well.

    None for local ones, and where that cannot be told. What is mounted by FUSE counts as remote, but for some.
    """
    try:
        device = os.stat(folder).st_dev
    except OSError:
        return None
    kind = _types.get(device)
    if kind is None:
        kind = _types[device] = _file_system(os.path.realpath(folder))
    is_remote = kind in _NETWORK or (kind.partition(".")[0] == "fuse" and kind not in _LOCAL_FUSE)
    return kind if is_remote else None


def _file_system(place: str) -> str:
    longest, found = -1, ""
    with contextlib.suppress(OSError, ValueError, IndexError), open(_MOUNTS, "rb") as mounts:
        target = os.fsencode(place).rstrip(b"/") + b"/"
        for line in mounts:
            words = line.split(b" ")
            point = _unescape(words[4]).rstrip(b"/") + b"/"
            if len(point) >= longest and target.startswith(point):  # of those at one point, the last lies on top
                longest, found = len(point), words[words.index(b"-") + 1].decode()
    return found


def _unescape(path: bytes) -> bytes:
    if b"\\" not in path:
        return path
    head, *rest = path.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)


def free_name(folder: str, stem: str, suffix: str, sides: Iterable[str] = ()) -> str:
    """Return a path with the present date (UTC) in it that nothing has yet, nor with any of these endings."""
    # The machine's clock, not the store's, so that a name says when people were at it.
    stem = f"{stem}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    path, count = os.path.join(folder, stem + suffix), 1
    while any(os.path.lexists(path + side) for side in ("", *sides)):
        count += 1
        path = os.path.join(folder, f"{stem}-{count}{suffix}")
    return path


def dated(folder: str, stem: str, suffix: str) -> list[str]:
    """Return the paths that `free_name` has given out and something lies at, oldest first."""
    pattern = re.compile(rf"{re.escape(stem)}-(\d{{8}}-\d{{6}})(?:-(\d+))?{re.escape(suffix)}")
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [match for match in map(pattern.fullmatch, names) if match is not None]
    found.sort(key=lambda match: (match[1], int(match[2] or 1)))
    return [os.path.join(folder, match[0]) for match in found]


def _write_mark(folder: str, name: str, text: str) -> None:
    with contextlib.suppress(OSError):
        fd = make_file(os.path.join(folder, name), os.O_WRONLY, rights_of(folder))
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
