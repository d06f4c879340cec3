"""Directories and files without the right to write, and the rights of what is made."""

from __future__ import annotations

import os
import stat

from battery.lab import BROKEN, STUCK, Lab
from battery.model import Group
from battery.tools import NotHere

GROUP = Group("Rights")


def only_read(lab: Lab) -> None:
    """See that what is stored hits, and what is not is computed."""
    if lab.use().get("runs"):
        lab.saw(BROKEN, "stored results are computed again")
    lab.use(range(2, 6), range(2, 6))


@GROUP.scenario("the directory and all in it may only be read")
def directory(lab: Lab) -> None:
    lab.become_nobody()
    lab.fill()
    paths = [lab.place, *lab.place.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    only_read(lab)
    for path in paths:
        if path.exists():
            path.chmod(0o755 if path.is_dir() else 0o644)
    lab.goes_on()


@GROUP.scenario("the file system may only be read")
def file_system(lab: Lab) -> None:
    lab.mount("20m")
    lab.fill()
    lab.remount("ro")
    only_read(lab)
    lab.remount("rw")
    lab.goes_on()


@GROUP.scenario("the index may only be read")
def index(lab: Lab) -> None:
    lab.become_nobody()
    lab.fill()
    for path in lab.tool.index(lab.place):
        path.chmod(0o444)
    only_read(lab)
    for path in lab.tool.index(lab.place):
        path.chmod(0o644)
    lab.goes_on()


@GROUP.scenario("the directory cannot be made")
def unmade(lab: Lab) -> None:
    lab.become_nobody()
    lab.folder.chmod(0o555)
    lab.use()
    lab.folder.chmod(0o755)
    lab.use()
    if lab.use().get("runs"):
        lab.saw(STUCK, "does not store again")


@GROUP.scenario("two users of one group (umask 007, and an option where there is one): both store, both hit")
def group(lab: Lab) -> None:
    lab.become_nobody()
    if not lab.unprivileged:
        raise NotHere("no right to become two users")
    lab.options["shared"] = True
    umask = os.umask(0o007)
    try:
        lab.use(range(2), range(2))
        before = lab.runs()
        lab.user -= 1
        lab.use()
        lab.user += 1
        lab.use()
    finally:
        os.umask(umask)
    if lab.runs() - before != 4:
        lab.saw(BROKEN, "computed again")


@GROUP.scenario("umask 0: nobody else may write to what is made")
def others_write(lab: Lab) -> None:
    private(lab, 0o022)


@GROUP.scenario("umask 0: nobody else may read what is made")
def others_read(lab: Lab) -> None:
    private(lab, 0o077)


def private(lab: Lab, bits: int) -> None:
    """See that nothing that is made has such bits."""
    umask = os.umask(0)
    try:
        lab.fill()
    finally:
        os.umask(umask)
    if any(stat.S_IMODE(path.lstat().st_mode) & bits for path in [lab.place, *lab.place.rglob("*")]):
        lab.saw(BROKEN, "others can")
