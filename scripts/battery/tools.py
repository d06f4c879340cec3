"""The tools that are tried, each behind the same few names: cache, clear, shrink, tidy; and where their files lie."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import pickle
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Function = Callable[..., Any]


class NotHere(Exception):
    """A scenario makes no sense for a tool, or cannot be set up on this machine: the reason."""


class Tool:
    """One store, open in this process.

    The options are asked for by what they are for; a tool that has no such thing is taken as it comes, or raises
    `NotHere` where the scenario would ask nothing then.
    """

    name = ""
    module = ""

    def __init__(self, place: str, **wanted: Any) -> None:
        self.place = Path(place)

    def cache(self, func: Function) -> Function:
        """Decorate a function."""
        raise NotImplementedError

    def once(self, func: Function) -> Function:
        """Decorate a function with what the tool has against computing one call at several places at once."""
        return self.cache(func)

    def clear(self) -> None:
        """Remove all results."""
        raise NotImplementedError

    def shrink(self, nbytes: int) -> None:
        """Evict until so many bytes are left."""
        raise NotImplementedError

    def tidy(self) -> None:
        """Do what the tool offers against leftovers."""

    def repair(self) -> None:
        """Do what the tool offers after damage of its index."""
        self.tidy()

    def close(self) -> None:
        """Close the store."""

    @classmethod
    def payloads(cls, place: Path) -> list[Path]:
        """Return the files of results, the largest first."""
        raise NotImplementedError

    @classmethod
    def index(cls, place: Path) -> list[Path]:
        """Return the files that say what is stored."""
        raise NotImplementedError

    @classmethod
    def logs(cls, place: Path) -> list[Path]:
        """Return the index's log."""
        raise NotHere("it has no index with a log")

    @classmethod
    def loose(cls, place: Path) -> list[Path]:
        """Return the files of results that no entry names, and temporary ones."""
        raise NotImplementedError

    @classmethod
    def mislead(cls, place: Path, path: str) -> None:
        """Make an entry name a file elsewhere."""
        raise NotHere("it keeps no paths")

    @classmethod
    def plant_bomb(cls, file: Path, nbytes: int) -> None:
        """Write a payload that is small and claims to be large."""
        raise NotImplementedError

    @classmethod
    def plant_head(cls, file: Path) -> None:
        """Write a payload whose first bytes announce a terabyte."""
        # A bytearray's opcode with its length: memory is asked for before a byte of it is read.
        file.write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 10**12) + b"end.")


class Resultstore(Tool):
    """resultstore, as it comes."""

    name = "resultstore"
    module = "resultstore"

    def __init__(self, place: str, **wanted: Any) -> None:
        from resultstore import Store

        super().__init__(place)
        options: dict[str, Any] = {}
        if wanted.get("limit"):
            options["size_limit"] = wanted["limit"]
        if wanted.get("safe"):
            options["allow_pickle"] = False
        if wanted.get("mapped"):
            options["mmap_mode"] = "r"
        if wanted.get("compressed"):
            options["compression"] = "zstd"
        if wanted.get("durable"):
            options["durability"] = "full"
        if wanted.get("shared"):
            options["shared"] = "group"
        if wanted.get("key"):
            options["signing_key"] = wanted["key"]
        lacking = options.keys() - inspect.signature(Store).parameters.keys()
        if lacking:
            raise NotHere(f"it has no {', '.join(sorted(lacking))}")
        self.store = Store(place, **options)

    def cache(self, func: Function) -> Function:
        """Decorate a function."""
        return self.store.cache(func)

    def clear(self) -> None:
        """Remove all results."""
        self.store.clear(warn=False)

    def shrink(self, nbytes: int) -> None:
        """Evict until so many bytes are left."""
        self.store.reduce_size(bytes_limit=nbytes)

    def tidy(self) -> None:
        """Check, and remove what belongs to nothing."""
        self.store.verify(fix=True)

    def repair(self) -> None:
        """Bring back what can be brought back."""
        if not hasattr(self.store, "repair"):
            raise NotHere("it has no repair")
        self.store.repair()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @classmethod
    def payloads(cls, place: Path) -> list[Path]:
        """Return the files of results."""
        return by_size(path for path in (place / "payloads").rglob("*") if path.is_file())

    @classmethod
    def index(cls, place: Path) -> list[Path]:
        """Return the index."""
        return [place / "index.sqlite"]

    @classmethod
    def logs(cls, place: Path) -> list[Path]:
        """Return the index's log."""
        return existing(place / "index.sqlite-wal", place / "index.sqlite-shm")

    @classmethod
    def loose(cls, place: Path) -> list[Path]:
        """Return the files of results that no entry names, and temporary ones."""
        named = {str(place / "payloads" / name) for (name,) in rows(place / "index.sqlite", "SELECT file FROM payload")}
        files = [*cls.payloads(place), *(path for path in (place / "temporary").rglob("*") if path.is_file())]
        return [path for path in files if str(path) not in named]

    @classmethod
    def mislead(cls, place: Path, path: str) -> None:
        """Make the rows of payloads name a file elsewhere."""
        change(place / "index.sqlite", "UPDATE payload SET file = ? WHERE file IS NOT NULL", f"../{path}")

    @classmethod
    def plant_bomb(cls, file: Path, nbytes: int) -> None:
        """Write a frame of zeros."""
        import zstandard

        file.write_bytes(zstandard.ZstdCompressor().compress(bytes(nbytes)))

    @classmethod
    def plant_head(cls, file: Path) -> None:
        """Write an array's head that announces a terabyte."""
        with file.open("wb") as written:
            head = {"descr": "<f8", "fortran_order": False, "shape": (10**11,)}
            np.lib.format.write_array_header_1_0(written, head)
            written.write(b"end")


class Joblib(Tool):
    """joblib.Memory, as it comes."""

    name = "joblib"
    module = "joblib"

    def __init__(self, place: str, **wanted: Any) -> None:
        from joblib import Memory

        super().__init__(place)
        if wanted.get("durable"):
            raise NotHere("it has no such option")
        if wanted.get("key"):
            raise NotHere("it cannot sign")
        options: dict[str, Any] = {}
        if wanted.get("mapped"):
            options["mmap_mode"] = "r"
        if wanted.get("compressed"):
            options["compress"] = ("zlib", 3)
        self.limit = wanted.get("limit")
        self.store = Memory(place, verbose=0, **options)

    def cache(self, func: Function) -> Function:
        """Decorate a function; a limit is kept by hand."""
        cached = self.store.cache(func)
        if self.limit is None:
            return cached  # type: ignore[no-any-return]

        def limited(*args: Any) -> Any:
            value = cached(*args)
            self.store.reduce_size(bytes_limit=self.limit)
            return value

        return limited

    def clear(self) -> None:
        """Remove all results."""
        self.store.clear(warn=False)

    def shrink(self, nbytes: int) -> None:
        """Evict until so many bytes are left."""
        self.store.reduce_size(bytes_limit=nbytes)

    @classmethod
    def payloads(cls, place: Path) -> list[Path]:
        """Return the files of results."""
        return by_size(place.rglob("output.pkl"))

    @classmethod
    def index(cls, place: Path) -> list[Path]:
        """Return what says what the results are of."""
        return [*place.rglob("metadata.json"), *place.rglob("func_code.py")]

    @classmethod
    def loose(cls, place: Path) -> list[Path]:
        """Return the metadata of results that are not there, and temporary files."""
        found = [path for path in place.rglob("*") if path.is_file()]
        return [
            path
            for path in found
            if path.name not in ("output.pkl", "func_code.py", ".gitignore")
            and not (path.name == "metadata.json" and path.with_name("output.pkl").is_file())
        ]

    @classmethod
    def plant_bomb(cls, file: Path, nbytes: int) -> None:
        """Write a compressed pickle of zeros."""
        file.write_bytes(zlib.compress(pickle.dumps(bytes(nbytes))))


class Diskcache(Tool):
    """diskcache.Cache.memoize, as it comes."""

    name = "diskcache"
    module = "diskcache"

    def __init__(self, place: str, **wanted: Any) -> None:
        from diskcache import Cache, JSONDisk

        super().__init__(place)
        if wanted.get("mapped"):
            raise NotHere("it maps nothing")
        if wanted.get("key"):
            raise NotHere("it cannot sign")
        options: dict[str, Any] = {}
        if wanted.get("limit"):
            options.update(size_limit=wanted["limit"], eviction_policy="least-recently-used")
        if wanted.get("safe") or wanted.get("compressed"):
            options["disk"] = JSONDisk
        if wanted.get("durable"):
            options["sqlite_synchronous"] = 2
        self.store = Cache(place, **options)

    def cache(self, func: Function) -> Function:
        """Decorate a function."""
        return self.store.memoize()(func)  # type: ignore[no-any-return]

    def once(self, func: Function) -> Function:
        """Decorate a function with the recipe `barrier`."""
        from diskcache import RLock, barrier

        return barrier(self.store, RLock)(self.cache(func))  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Remove all results."""
        self.store.clear()

    def shrink(self, nbytes: int) -> None:
        """Evict until so many bytes are left."""
        # A limit is kept in the store for good: this one is meant once.
        usual = self.store.size_limit
        self.store.reset("size_limit", nbytes)
        self.store.cull()
        self.store.reset("size_limit", usual)

    def tidy(self) -> None:
        """Check, and remove what belongs to nothing."""
        self.store.check(fix=True)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @classmethod
    def payloads(cls, place: Path) -> list[Path]:
        """Return the files of results."""
        return by_size(place.rglob("*.val"))

    @classmethod
    def index(cls, place: Path) -> list[Path]:
        """Return the database."""
        return [place / "cache.db"]

    @classmethod
    def logs(cls, place: Path) -> list[Path]:
        """Return the database's log."""
        return existing(place / "cache.db-wal", place / "cache.db-shm")

    @classmethod
    def loose(cls, place: Path) -> list[Path]:
        """Return the files of results that no row names."""
        named = {str(place / name) for (name,) in rows(place / "cache.db", "SELECT filename FROM Cache") if name}
        return [path for path in cls.payloads(place) if str(path) not in named]

    @classmethod
    def mislead(cls, place: Path, path: str) -> None:
        """Make the rows name a file elsewhere."""
        change(place / "cache.db", "UPDATE Cache SET filename = ? WHERE filename IS NOT NULL", path)

    @classmethod
    def plant_bomb(cls, file: Path, nbytes: int) -> None:
        """Write a compressed text of spaces."""
        file.write_bytes(zlib.compress(b" " * nbytes + b"1"))


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Resultstore, Joblib, Diskcache)}


def missing(name: str) -> bool:
    """Say whether a tool is not installed here."""
    return importlib.util.find_spec(TOOLS[name].module) is None


def by_size(paths: Iterator[Path]) -> list[Path]:
    """Return files, the largest first, in an order that does not depend on the directory's."""
    return sorted(paths, key=lambda path: (-path.stat().st_size, str(path)))


def existing(*paths: Path) -> list[Path]:
    """Return the files that are there."""
    return [path for path in paths if path.exists()]


def rows(file: Path, query: str) -> list[Any]:
    """Return the rows of a database that may be broken."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
    ):
        return db.execute(query).fetchall()
    return []


def change(file: Path, statement: str, *values: Any) -> None:
    """Change a database behind its owner's back."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute(statement, values)
        db.commit()
