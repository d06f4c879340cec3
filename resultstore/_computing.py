"""Computing: what becomes of a call that is not stored. One caller computes; the others wait for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from resultstore import _clock, _lineage
from resultstore._data import Data
from resultstore._facts import ArgumentFacts, Computed, FunctionFacts
from resultstore._identity.key import STAND_IN, Form, Identity, Leaning
from resultstore._index.index import CallRow
from resultstore._progress import Progress
from resultstore._report import Reporter, logger
from resultstore._settings import CallOptions
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError
from resultstore.formats.iterators import listed
from resultstore.formats.raised import Raised

Keyed = tuple[Form, tuple[Any, ...], list[bytes], bytes, bytes]
"""A call that is known by its key: form, values, encodings, fingerprint, key. A named tuple would cost a hit 2 %."""

_DRAWN = (
    "a result is not stored: the call has drawn from the random generator in argument {}, and a hit would leave that "
    "where it was, so that whoever draws next would draw the same again. Pass a seed, and make the generator inside, "
    "or say by key={{...}} what counts of it"
)


def _moved(names: list[str]) -> str:
    """Return what is told of a result that belongs to no version of its function."""
    what = f", {', '.join(names[:3])}," if names else " (a global, a helper, a closure value)"
    return (
        f"a result is not stored: what the function depends on{what} was changed while it ran. "
        "Make it an argument, or pass ignore_globals=[...] if it does not matter"
    )


class Outcome(Data):
    """What a computation gave."""

    value: Any
    stored: bool
    metadata: dict[str, Any]
    """Duration in seconds, time since the epoch and arguments, by joblib's names; empty where nothing was keyed."""


class Run:
    """One run of a function, which goes on inside: what it gave, when, how long it took, and whom it called."""

    __slots__ = ("_errors", "_lineage", "_started", "_watch", "children", "created_at", "duration", "result")

    def __init__(self, identity: Identity, errors: tuple[type[BaseException], ...]) -> None:
        self._watch = identity.running()
        self._lineage = _lineage.Running()
        self._errors = errors
        self.result: Any = None
        self.created_at = self.duration = 0.0

    def __enter__(self) -> Self:
        self._watch.__enter__()
        self.children = self._lineage.__enter__()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.duration = time.perf_counter() - self._started
        self._lineage.__exit__(kind, error, trace)
        self._watch.__exit__(kind, error, trace)
        self.created_at = _clock.now()
        if isinstance(error, self._errors):  # an exception that is a result
            self.result = Raised(error)
            return True
        return False


class Computing:
    """The half of `CachedFunction` that runs the function."""

    __slots__ = ()

    _func: Callable[..., Any]
    _function_facts: Callable[[bytes], FunctionFacts]
    _identity: Identity
    _keyed: Callable[[Any, Any], Keyed | None]
    _options: CallOptions
    _progress: Progress
    _taken: Callable[..., Any]
    _vault: Vault | None
    store: Any

    @property
    def name(self) -> str:
        """The name under which the store knows the function."""
        raise NotImplementedError

    def _once(self, vault: Vault, call: Keyed, args: Any, kwargs: Any, row: CallRow | None) -> Outcome:
        """Compute a call, unless somebody else is at it: then wait, and take what comes of that.

        The row is what is stored and does not count.
        """
        if not self._options.single_flight:
            return self._compute(vault, call, args, kwargs, row is not None)
        turn = vault.flights.turn(call[4])
        try:
            while not turn.begin():
                logger.info("waiting for %s, which is being computed", self.name)
                turn.wait()
                found = self._found_meanwhile(vault, call, args, kwargs, row)
                if found is not None:
                    return found
            found = self._found_since(vault, call, args, kwargs, row)
            if found is not None:
                return found
            outcome = self._compute(vault, call, args, kwargs, row is not None, turn.has_waited)
            turn.stored = outcome.stored
            return outcome
        finally:
            try:  # not inside of `end`, which an interrupt may keep from beginning
                turn.end()
            except BaseException:
                turn.end()
                raise

    def _found_since(self, vault: Vault, call: Keyed, args: Any, kwargs: Any, row: CallRow | None) -> Outcome | None:
        """Return what was stored between the look at the index and the turn, or None."""
        if row is None and vault.index.lacks(call[4]):
            return None
        return self._found_meanwhile(vault, call, args, kwargs, row)

    def _found_meanwhile(
        self, vault: Vault, call: Keyed, args: Any, kwargs: Any, row: CallRow | None
    ) -> Outcome | None:
        """Return what somebody else stored in place of a row, or None."""
        key = call[4]
        found = vault.look(key, self.name)
        if found is None or (row is not None and (found.id, found.created_at) == (row.id, row.created_at)):
            return None
        value = self._taken(vault, call, key, found, args, kwargs)
        if value is MISS:
            return None
        logger.debug("hit %s, computed meanwhile", self.name)
        return Outcome(value, stored=True, metadata={})

    def _compute(
        self, vault: Vault, call: Keyed, args: Any, kwargs: Any, replaces: bool, has_waited: bool = False
    ) -> Outcome:
        """Run the function and keep its result, at once if it takes the place of one that is stored."""
        asked = call[4]
        try:
            call, arguments = self._ready(vault, self._keyed(args, kwargs) or call if has_waited else call)
        except Exception as error:
            return Outcome(self._call_uncached(vault.reporter, error, args, kwargs), stored=False, metadata={})
        # As `_computed`, without its frames: a recursive function would reach the recursion limit the sooner.
        facts = self._function_facts(call[3])
        self._progress.calling(args, kwargs)
        with Run(self._identity, self._options.cache_errors) as run:
            result = self._func(*args, **kwargs)
            run.result = result if self._options.iterators is None else listed(result)
        return self._kept(vault, call, self._facts_of(call, facts, arguments, run), run.result, replaces, asked)

    def _ready(self, vault: Vault, call: Keyed) -> tuple[Keyed, tuple[ArgumentFacts, ...]]:
        """Return a proven call and the facts of its arguments, before the function can change them."""
        call = self._proven(vault, call)
        arguments = call[0].argument_facts(call[1], call[2])
        self._function_facts(call[3])
        return call, arguments

    def _kept(
        self, vault: Vault, call: Keyed, computed: Computed, result: Any, replaces: bool, asked: bytes
    ) -> Outcome:
        """Keep what a computation gave, and return it; raise it if it is an exception."""
        drawn = call[0].drawn_from(call[1], call[2], computed.arguments)
        if self._identity.has_moved(call[3]):
            vault.refuse(computed, "moved", _moved(self._identity.moved(computed.function)))
            value, stored = result, False
        elif drawn:
            vault.refuse(computed, "mutated", _DRAWN.format(" and ".join(map(repr, drawn))))
            value, stored = result, False
        else:
            as_asked = call[4] == asked  # what has changed meanwhile makes another call
            value, stored = vault.keep(computed, result, self._options, at_once=replaces or not as_asked)
            stored &= as_asked
        self._progress.called(computed.duration)
        if self._options.check_arguments and not drawn:
            from resultstore._checking import tell_changed

            tell_changed(vault, self.name, call[0], call[1], call[2])
        if type(result) is Raised:
            raise result.error
        inputs = {argument.name: argument.summary for argument in computed.arguments}
        return Outcome(
            value, stored, {"duration": computed.duration, "time": computed.created_at, "input_args": inputs}
        )

    def _proven(self, vault: Vault, call: Keyed) -> Keyed:
        """Return a call whose key says what the function will be given, every mapped byte of it verified."""
        form, values, encodings, fingerprint, _ = call
        if type(encodings) is not Leaning:
            return call
        from resultstore._checking import prove

        if prove(vault, encodings.maps, self._identity.name):
            return call
        encodings = form.encode(values)
        return form, values, encodings, fingerprint, form.key(fingerprint, encodings)

    def _computed(
        self, call: Keyed, args: Any, kwargs: Any, arguments: tuple[ArgumentFacts, ...]
    ) -> tuple[Computed, Any]:
        """Run the function; return the facts and the result, which may be an exception that is to be stored."""
        facts = self._function_facts(call[3])
        self._progress.calling(args, kwargs)
        with Run(self._identity, self._options.cache_errors) as run:
            run.result = self._run_plainly(args, kwargs)
        return self._facts_of(call, facts, arguments, run), run.result

    def _facts_of(self, call: Keyed, facts: FunctionFacts, arguments: tuple[ArgumentFacts, ...], run: Run) -> Computed:
        return Computed(call[4], facts, arguments, run.created_at, run.duration, tuple(run.children))

    def _run_plainly(self, args: Any, kwargs: Any) -> Any:
        """Run the function and nothing else, but for an iterator that it returns being made a list."""
        result = self._func(*args, **kwargs)
        return result if self._options.iterators is None else listed(result)

    def _run(self, args: Any, kwargs: Any) -> Outcome:
        """Run the function, whatever is stored, and keep its result."""
        vault, call = self._vault, None
        if vault is not None:
            try:
                call = self._keyed(args, kwargs)
            except Exception as error:
                return Outcome(self._call_uncached(vault.reporter, error, args, kwargs), stored=False, metadata={})
        if vault is None or call is None:
            return Outcome(self._run_plainly(args, kwargs), stored=False, metadata={})
        return self._compute(vault, call, args, kwargs, True)

    def _closer_look(self, vault: Vault, call: Keyed, row: CallRow, value: Any, args: Any, kwargs: Any) -> Any:
        """Return what a hit that is an exception, or that may be checked, gives: a value, or MISS."""
        from resultstore import _checking

        if value is not MISS and _checking.counts(value, self._options) and _checking.is_drawn(self._options):
            arguments = call[0].argument_facts(call[1], call[2])
            with _checking.checking():
                try:
                    computed, result = self._computed(call, args, kwargs, arguments)
                except Exception as error:
                    _checking.tell_raised(vault, self.name, arguments, error)
                else:
                    value = _checking.compared(vault, self.name, self._options, call, row, value, computed, result)
        return _checking.settled(self.name, self._options, value)

    def _call_uncached(self, reporter: Reporter, error: Exception, args: Any, kwargs: Any) -> Any:
        """Call the function, and say once why nothing is stored."""
        if not isinstance(error, DigestError):
            error = DigestError(f"the call cannot be keyed ({type(error).__name__}: {error})")
        if self.store.strict or (
            self._identity.options.on_mutable == "strict" and not error.where.startswith("argument")
        ):
            raise error
        if not error.where.startswith("argument"):
            remedy = '. Make it a parameter, or pass ignore_globals=[...] or on_mutable="allow" if it does not matter'
        else:
            name = error.where.removeprefix("argument ")
            remedy = (
                ". Let it return what identifies such a value as well"
                if error.problem.startswith(STAND_IN)
                else ". Pass plain values or arrays, or say what identifies it "
                f"(key={{{name}: ...}}, or register_digest), or name it in "
                "ignore=[...] if it does not change the result"
            )
        reporter.warn(self.name, "key", f"a call runs uncached: {error}{remedy}")
        return self._run_plainly(args, kwargs)
