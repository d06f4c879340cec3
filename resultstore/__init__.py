"""resultstore: a persistent result store that you can query.

Decorate a function and its results persist; a SQL index beside them records every call, so that you
can ask what has been computed, from what, and when, and so that the disk does not fill up.
"""

import typing

from resultstore._function import CachedFunction
from resultstore._identity.encoding import digest
from resultstore._identity.registered import register_digest, unregister_digest
from resultstore._shelf import Reference
from resultstore._store import Store
from resultstore.errors import (
    BusyError,
    CacheWarning,
    DamagedError,
    DigestError,
    FunctionError,
    LocationError,
    MissingError,
    OptionError,
    SchemaError,
    StoreError,
    UnstorableError,
)

if typing.TYPE_CHECKING:
    from resultstore._async import AsyncCachedFunction
    from resultstore._repair import Repair
    from resultstore._upkeep import FunctionStats, Plan, Problem, Stats
    from resultstore.change import Change
    from resultstore.explain import Explanation
    from resultstore.query import between
    from resultstore.record import Record, Records, Summary
    from resultstore.version import Version, Versions

__version__ = "0.1.0"

__all__ = [
    "AsyncCachedFunction",
    "BusyError",
    "CacheWarning",
    "CachedFunction",
    "Change",
    "DamagedError",
    "DigestError",
    "Explanation",
    "FunctionError",
    "FunctionStats",
    "LocationError",
    "MissingError",
    "OptionError",
    "Plan",
    "Problem",
    "Record",
    "Records",
    "Reference",
    "Repair",
    "SchemaError",
    "Stats",
    "Store",
    "StoreError",
    "Summary",
    "UnstorableError",
    "Version",
    "Versions",
    "between",
    "digest",
    "register_digest",
    "unregister_digest",
]

# What a script that only hits needs none of is imported when it is first asked for: a third of the start.
_LATE = {
    **dict.fromkeys(("FunctionStats", "Plan", "Problem", "Stats"), "_upkeep"),
    "AsyncCachedFunction": "_async",
    "Repair": "_repair",
    "Change": "change",
    "Explanation": "explain",
    "between": "query",
    **dict.fromkeys(("Record", "Records", "Summary"), "record"),
    **dict.fromkeys(("Version", "Versions"), "version"),
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
