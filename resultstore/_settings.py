"""The options of a store: frozen data, checked once."""

from __future__ import annotations

import os
from dataclasses import dataclass

from resultstore._sizes import parse_size
from resultstore.errors import LocationError, OptionError

MINIMUM_LIMIT = 1_000_000


@dataclass(frozen=True)
class Settings:
    """What a store was told. Storage options never enter a key."""

    place: str
    """The absolute directory."""
    size_limit: int | None = None
    """Bytes on the disk, or None for no limit."""
    allow_pickle: bool | None = None
    """None: pickle is used unless others can write to the directory."""
    strict: bool = False
    """Raise where a call would run uncached."""


def make_settings(
    location: str | os.PathLike[str],
    size_limit: int | str | None,
    allow_pickle: bool | None,
    strict: bool,
) -> Settings:
    """Check the options and resolve the place, once and for all, against the present directory."""
    try:
        place = os.path.abspath(os.path.expanduser(os.fsdecode(location)))
    except TypeError:
        raise OptionError("location", location, "write a path, or None to store nothing") from None
    if "\0" in place or not os.fsdecode(location):
        raise OptionError("location", location, "this cannot be a path")
    if os.path.lexists(place) and not os.path.isdir(place):
        raise LocationError(f"{place} is a file: a store is a directory. Give another path, or move the file away.")
    if allow_pickle not in (None, True, False):
        raise OptionError("allow_pickle", allow_pickle, "write True, False, or None for the default")
    limit = None
    if size_limit is not None:
        limit = parse_size(size_limit, "size_limit")
        if limit < MINIMUM_LIMIT:
            raise OptionError(
                "size_limit", size_limit, "the index alone needs more: give at least 1 MB, or None for no limit"
            )
    return Settings(place, limit, allow_pickle, bool(strict))


def is_disabled() -> bool:
    """Say whether ``RESULTSTORE_DISABLE`` switches storing off in this process."""
    return os.environ.get("RESULTSTORE_DISABLE", "").strip().lower() not in ("", "0", "false", "no", "off")
