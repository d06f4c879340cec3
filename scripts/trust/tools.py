"""The tools that are tried, each behind the same few names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

Decorator = Callable[..., Any]


class Tool:
    """No caching: what the values really are."""

    name = "none"
    needs: tuple[str, ...] = ()

    def __init__(self, place: str, folder: str, entry: str) -> None:
        self.store: Any = None

    def cache(self, func: Any = None, **options: Any) -> Any:
        """Decorate a function."""
        return func if func is not None else lambda f: f

    def context(self) -> AbstractContextManager[Any]:
        """Return what calls run in."""
        return contextlib.nullcontext()

    @staticmethod
    def prepare(text: str) -> str:
        """Return the text of a file as the tool wants it."""
        return text


class Resultstore(Tool):
    """resultstore, as it comes."""

    name = "resultstore"
    # What a first miss imports, too: no visit needs to do that again.
    needs = tuple(
        "resultstore resultstore._environment resultstore._identity.sources resultstore._index.pulse sysconfig getpass"
        " pwd platform inspect encodings.ascii".split()
    )

    def __init__(self, place: str, folder: str, entry: str) -> None:
        from resultstore import Store

        self.store = Store(place)

    def cache(self, func: Any = None, **options: Any) -> Any:
        """Decorate a function."""
        return self.store.cache(func, **options)


class Joblib(Tool):
    """joblib.Memory, as it comes."""

    name = "joblib"
    needs = ("joblib",)

    def __init__(self, place: str, folder: str, entry: str) -> None:
        from joblib import Memory

        self.store = Memory(place, verbose=0)

    def cache(self, func: Any = None, **options: Any) -> Any:
        """Decorate a function."""
        return self.store.cache(func)


class Diskcache(Tool):
    """diskcache.Cache.memoize, as it comes."""

    name = "diskcache"
    needs = ("diskcache",)

    def __init__(self, place: str, folder: str, entry: str) -> None:
        from diskcache import Cache

        self.store = Cache(place)

    def cache(self, func: Any = None, **options: Any) -> Any:
        """Decorate a function."""
        return self.store.memoize()(func) if func is not None else self.store.memoize()


class Mandala(Tool):
    """mandala with its versions: helpers are marked with @track, and each of its questions is answered with yes."""

    name = "mandala"
    needs = ("mandala.imports", "pyarrow", "tqdm", "graphviz", "IPython", "rich")

    def __init__(self, place: str, folder: str, entry: str) -> None:
        import builtins
        import logging

        from mandala.imports import Storage, track

        logging.getLogger("mandala").setLevel(logging.CRITICAL)
        Path(place).mkdir(parents=True, exist_ok=True)
        builtins.input = lambda *words: "y"
        builtins.track = track  # type: ignore[attr-defined]
        self.store = None
        # What it takes to look at the code again before each call is too long for hundreds of functions in one file.
        code = {"module": folder, "values": None}.get(entry, "__main__")
        self._storage = Storage(f"{place}/mandala.sqlite", deps_path=code)

    def cache(self, func: Any = None, **options: Any) -> Any:
        """Decorate a function, so that it returns values, not references to them."""
        from mandala.imports import op

        if func is None:
            return self.cache
        cached = op(func)
        unwrap = self._storage.unwrap
        # It knows its decorated functions by their class's name.
        cached.__class__ = type("Op", (type(cached),), {"__call__": lambda op, *a, **k: unwrap(called(op, *a, **k))})
        called = type(cached).__base__.__call__  # type: ignore[union-attr]
        return cached

    def context(self) -> AbstractContextManager[Any]:
        """Return what calls run in."""
        return self._storage  # type: ignore[no-any-return]

    @staticmethod
    def prepare(text: str) -> str:
        """Return the text with @track above functions and classes of the top level that are not cached."""
        import ast

        try:
            body = ast.parse(text).body
        except SyntaxError:
            return text
        lines = text.split("\n")
        for node in reversed(body):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                cached = any("cache" in ast.unparse(decorator) for decorator in node.decorator_list)
                first = min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])
                if not cached:
                    lines.insert(first - 1, "@track")
        return "\n".join(lines)


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Tool, Resultstore, Joblib, Diskcache, Mandala)}
RIVALS = ("joblib", "diskcache", "mandala")


def missing(name: str) -> str | None:
    """Return the module that a tool lacks here, or None."""
    import importlib.util

    return next((need for need in TOOLS[name].needs if importlib.util.find_spec(need.partition(".")[0]) is None), None)
