"""What SQLite says, in our own words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from resultstore.errors import BusyError, DamagedError, StoreError


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """Raise what SQLite says about an index in our own words, for people who asked for something."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(f"another program keeps {path} locked ({error}): try again when it is done") from error
        from resultstore._index.damage import is_damage

        if is_damage(error):
            raise DamagedError(
                f"the index {path} is damaged ({error}): store.repair() sets it aside and brings back what can be read"
            ) from error
        raise StoreError(f"the index {path} cannot be used: {error}") from error
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the store at {path} cannot be used: {error}") from error
