"""The form of a cached function whose function is an ``async def``. Only decorating one imports it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any, ParamSpec, TypeVar

from resultstore._checking import checking, compared, is_drawn, settled, tell_raised
from resultstore._computing import Keyed, Outcome, Run
from resultstore._facts import ArgumentFacts, Computed
from resultstore._function import CachedFunction
from resultstore._index.index import CallRow
from resultstore._report import logger
from resultstore._shelf import HeldReference
from resultstore._vault import MISS, Vault
from resultstore.formats.iterators import listed

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class AsyncCachedFunction(CachedFunction[P, R_co]):
    """A coroutine function whose results persist: its calls, and what computes, are awaited.

    What is stored is what the coroutine returns. Looking into the index, loading and storing happen in the
    event loop's thread.

    Examples
    --------
    >>> import asyncio
    >>> @store.cache
    ... async def fetched(x):
    ...     print("computing")
    ...     await asyncio.sleep(0.01)
    ...     return x * x
    >>> async def twice():
    ...     return await asyncio.gather(fetched(3), fetched(3))  # one computes, the other waits for it
    >>> asyncio.run(twice())
    computing
    [9, 9]
    >>> fetched.get(3)  # what never computes is not awaited
    9
    """

    __slots__ = ()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        import inspect

        if hasattr(inspect, "markcoroutinefunction"):
            inspect.markcoroutinefunction(self)
        else:  # Python 3.11: asyncio looks for its mark, inspect at the code of what looks like a function
            self._is_coroutine: object = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
            for part in ("__code__", "__defaults__", "__kwdefaults__"):
                setattr(self, part, getattr(self._func, part, None))

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        vault = self._vault
        if vault is None:
            return await self._run_plainly(args, kwargs)
        try:
            call = self._keyed(args, kwargs)
        except Exception as error:  # a value's own code may run while it is looked at
            return await self._call_uncached(vault.reporter, error, args, kwargs)
        if call is None:
            return await self._run_plainly(args, kwargs)
        row = vault.look(call[4], self.name)
        for key, found in itertools.chain([] if row is None else [(call[4], row)], self._stored_elsewhere(vault, call)):
            value = self._taken(vault, call, key, found, args, kwargs)
            if value is not MISS:
                logger.debug("hit %s", self.name)
                return await self._checked(vault, call, found, value, args, kwargs)
        logger.debug("miss %s", self.name)
        return (await self._once_awaited(vault, call, args, kwargs, row)).value

    def _closer_look(self, vault: Vault, call: Keyed, row: CallRow, value: Any, args: Any, kwargs: Any) -> Any:
        return settled(self.name, self._options, value)  # `_checked` does the rest

    async def _checked(self, vault: Vault, call: Keyed, row: CallRow, value: Any, args: Any, kwargs: Any) -> Any:
        """Return what a hit gives, computed again and compared if it is drawn for that."""
        if not is_drawn(self._options) or self._proven(vault, call) is not call:
            return value
        arguments = call[0].argument_facts(call[1], call[2])
        with checking():
            try:
                computed, result = await self._computed_awaited(call, args, kwargs, arguments)
            except Exception as error:
                tell_raised(vault, self.name, arguments, error)
                return value
            return compared(vault, self.name, self._options, call, row, value, computed, result)

    async def _once_awaited(self, vault: Vault, call: Keyed, args: Any, kwargs: Any, row: CallRow | None) -> Outcome:
        # Tasks of other frameworks could not be let go on by naps of ours.
        loop = asyncio.events._get_running_loop()
        if not self._options.single_flight or loop is None:
            return await self._compute_awaited(vault, call, args, kwargs, row is not None)
        turn = vault.flights.turn(call[4])
        turn.loop = loop
        try:
            while not turn.begin():
                logger.info("waiting for %s, which is being computed", self.name)
                with contextlib.closing(turn.naps()) as naps:
                    for nap_s in naps:
                        await asyncio.sleep(nap_s)
                found = self._found_meanwhile(vault, call, args, kwargs, row)
                if found is not None:
                    return found
            found = self._found_since(vault, call, args, kwargs, row)
            if found is not None:
                return found
            outcome = await self._compute_awaited(vault, call, args, kwargs, row is not None, turn.has_waited)
            turn.stored = outcome.stored
            return outcome
        finally:
            try:
                turn.end()
            except BaseException:
                turn.end()
                raise

    async def _compute_awaited(
        self, vault: Vault, call: Keyed, args: Any, kwargs: Any, replaces: bool, has_waited: bool = False
    ) -> Outcome:
        asked = call[4]
        try:
            call, arguments = self._ready(vault, self._keyed(args, kwargs) or call if has_waited else call)
        except Exception as error:
            return Outcome(await self._call_uncached(vault.reporter, error, args, kwargs), stored=False, metadata={})
        computed, result = await self._computed_awaited(call, args, kwargs, arguments)
        return self._kept(vault, call, computed, result, replaces, asked)

    async def _computed_awaited(
        self, call: Keyed, args: Any, kwargs: Any, arguments: tuple[ArgumentFacts, ...]
    ) -> tuple[Computed, Any]:
        facts = self._function_facts(call[3])
        self._progress.calling(args, kwargs)
        with Run(self._identity, self._options.cache_errors) as run:
            run.result = await self._run_plainly(args, kwargs)
        return self._facts_of(call, facts, arguments, run), run.result

    async def _run_plainly(self, args: Any, kwargs: Any) -> Any:
        result = await self._func(*args, **kwargs)  # type: ignore[misc]
        return result if self._options.iterators is None else listed(result)

    async def _run_awaited(self, args: Any, kwargs: Any) -> Outcome:
        vault, call = self._vault, None
        if vault is not None:
            try:
                call = self._keyed(args, kwargs)
            except Exception as error:
                value = await self._call_uncached(vault.reporter, error, args, kwargs)
                return Outcome(value, stored=False, metadata={})
        if vault is None or call is None:
            return Outcome(await self._run_plainly(args, kwargs), stored=False, metadata={})
        return await self._compute_awaited(vault, call, args, kwargs, True)

    # -- one call

    async def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """As `CachedFunction.call`, to be awaited.

        Examples
        --------
        >>> import asyncio
        >>> @store.cache
        ... async def half(x):
        ...     return x / 2
        >>> value, metadata = asyncio.run(half.call(3))
        >>> value, metadata["input_args"]
        (1.5, {'x': '3'})
        """
        outcome = await self._run_awaited(args, kwargs)
        return outcome.value, outcome.metadata

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """As `CachedFunction.refresh`, to be awaited.

        Examples
        --------
        >>> import asyncio
        >>> @store.cache
        ... async def half(x):
        ...     return x / 2
        >>> asyncio.run(half.refresh(3))
        1.5
        """
        return (await self._run_awaited(args, kwargs)).value

    async def call_and_shelve(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """As `CachedFunction.call_and_shelve`, to be awaited; the reference gives the result without.

        Examples
        --------
        >>> import asyncio
        >>> @store.cache
        ... async def half(x):
        ...     return x / 2
        >>> asyncio.run(half.call_and_shelve(3)).get()
        1.5
        """
        vault, call = self._vault, self._shelvable(args, kwargs)
        if vault is None or call is None:
            return HeldReference(self.store, (await self._run_awaited(args, kwargs)).value)
        row, standing = self._standing(vault, call)
        if standing is None:
            outcome = await self._once_awaited(vault, call, args, kwargs, row)
            if not outcome.stored:
                return HeldReference(self.store, outcome.value)
        elif standing[1].kind == "error":
            await self(*args, **kwargs)  # raises, as it did at the miss
        return self._reference(vault, call[4] if standing is None else standing[0])
