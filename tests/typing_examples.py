"""What a type checker must see through the decorator; `test_house` runs mypy on it."""

from __future__ import annotations

from typing import Any, assert_type

from resultstore import CachedFunction, Record, Records, Reference, Stats, Store

store = Store("results", size_limit="200 MB")


@store.cache
def plain(x: int, y: float = 1.0) -> str:
    """Return a text."""
    return f"{x}{y}"


@store.cache(ignore=["debug"])
def with_options(x: int, *, debug: bool = False) -> list[int]:
    """Return a list."""
    return [x]


@store.cache
async def awaited(x: int) -> str:
    """Return a text, in the end."""
    return str(x)


@store.cache(ttl="1 d")
async def awaited_with_options(x: int) -> str:
    """Return a text, in the end."""
    return str(x)


class Model:
    """A class with a cached method."""

    @store.cache
    def scale(self, x: int) -> float:
        """Return a number."""
        return float(x)

    @store.cache
    async def wait(self, x: int) -> float:
        """Return a number, in the end."""
        return float(x)


async def awaiting() -> None:
    """State the types of what is awaited, and of what is not."""
    assert_type(await awaited(1), str)
    assert_type(await awaited_with_options(1), str)
    assert_type(await Model().wait(1), float)
    assert_type(await awaited.refresh(1), str)
    assert_type(await awaited.call(1), tuple[str, dict[str, Any]])
    assert_type(await awaited.call_and_shelve(1), Reference)
    assert_type(await Model().wait.call_and_shelve(1), Reference)
    assert_type(awaited.get(1), str)
    assert_type(awaited.check_call_in_cache(1), bool)
    await awaited("wrong")  # type: ignore[arg-type]
    awaited.get("wrong")  # type: ignore[call-overload]


def examples() -> None:
    """State the types."""
    assert_type(Model().scale(1), float)
    assert_type(Model().scale.forget(1), int)
    Model().scale("wrong")  # type: ignore[arg-type]
    assert_type(plain(1, y=2.0), str)
    assert_type(with_options(1, debug=True), list[int])
    assert_type(plain.check_call_in_cache(1), bool)
    assert_type(plain.call(1), tuple[str, dict[str, Any]])
    assert_type(plain.get(1), str)
    assert_type(plain.call_and_shelve(1), Reference)
    assert_type(plain.forget(1), int)
    assert_type(store.find(plain, x=1), Records)
    assert_type(store.find(plain).first(), Record | None)
    assert_type(store.find()[0], Record)
    assert_type(store.stats(), Stats)
    again: CachedFunction[[float], float] = store.cache(abs)
    again(1.0)
    plain("wrong")  # type: ignore[arg-type]
    plain(1, z=2)  # type: ignore[call-arg]
    with_options()  # type: ignore[call-arg]
    plain.key("wrong")  # type: ignore[arg-type]
    store.cache(ignore=3)  # type: ignore[call-overload]
