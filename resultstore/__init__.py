"""resultstore: a persistent result store that you can query.

Decorate a function and its results persist; a SQL index beside them records every call, so that you
can ask what has been computed, from what, and when, and so that the disk does not fill up.
"""

from resultstore._function import CachedFunction
from resultstore._identity.encoding import digest
from resultstore._identity.registered import register_digest, unregister_digest
from resultstore._shelf import Reference
from resultstore._store import Store
from resultstore._upkeep import FunctionStats, Problem, Stats
from resultstore.change import Change
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
from resultstore.explain import Explanation
from resultstore.record import Record, Records, Summary
from resultstore.version import Version, Versions

__version__ = "0.1.0"

__all__ = [
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
    "Problem",
    "Record",
    "Records",
    "Reference",
    "SchemaError",
    "Stats",
    "Store",
    "StoreError",
    "Summary",
    "UnstorableError",
    "Version",
    "Versions",
    "digest",
    "register_digest",
    "unregister_digest",
]
