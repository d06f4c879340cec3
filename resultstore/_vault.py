"""The vault: the only file that sees value, bytes and row together, and that knows their order.

Keeping: file first, then row. Dropping: row first, then file. A crash in between leaves a file that
no row names, never a row that lies. All writing happens under the write gate.

No method used by a decorated call raises for what the disk or the index does: a fault becomes a miss
or a result that is not stored, and one warning.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import weakref
from collections.abc import Iterable
from typing import Any, Final

from resultstore import _lifetime, _lineage
from resultstore._accesses import Accesses
from resultstore._bounds import TooLargeError, UnwantedError
from resultstore._dropping import Dropping
from resultstore._facts import STORED, Computed, LeafFacts, PayloadFacts, plain_text
from resultstore._flights import flights_at
from resultstore._identity.fingerprint import SCHEME
from resultstore._index.connect import told
from resultstore._index.index import CallRow, Index
from resultstore._journal import Journal
from resultstore._keeping import Keeper
from resultstore._leaning import maps_any
from resultstore._loaded import loaded
from resultstore._loading import Loader, PickleRefusedError, TornError, UnsignedError
from resultstore._locks import Gate
from resultstore._remains import Heal, Remains
from resultstore._report import Reporter, logger, remedy
from resultstore._room import Room
from resultstore._settings import CallOptions, Settings
from resultstore._sizes import format_seconds
from resultstore._trust import Trust
from resultstore._writing import GATE_WAIT_S, Writing
from resultstore.blobs.local import LocalBlobs
from resultstore.errors import BusyError, DamagedError, UnstorableError
from resultstore.formats.raised import Raised, take_raised_apart
from resultstore.formats.tree import take_apart

MISS: Final = object()
NOTE_LENGTH = 500
_CLOSE_WAIT_S = 5.0
_DROP_WAIT_S, _DROP_PAUSE_S = 2.0, 0.001


class Vault(Dropping):
    """What one process holds of one store."""

    _process = 0  # of one that was never made whole, as by a copy that failed

    def __init__(self, settings: Settings) -> None:
        self._process = os.getpid()
        self.settings = settings
        self.place = settings.place
        meta = {"encoding": "1", "fingerprint scheme": str(SCHEME)}
        is_durable, signer = settings.durability == "full", settings.signer
        self.index = Index(self.place, settings.size_limit, meta, settings.policy, is_durable=is_durable, signer=signer)
        self.blobs = LocalBlobs(self.place, is_durable=is_durable)
        self.journal = Journal(self.place, is_durable=is_durable)
        self.gate = Gate(self.place)
        self.gate.is_shut = self.index.connections.is_writing_here
        self.reporter = Reporter()
        self._writing = Writing(self.place, self.gate, self.index, self.reporter.warn)
        self._accesses = Accesses(self.index)
        self.index.place = self._accesses.place
        self._armed = False
        self._trust = trust = Trust(settings, self.reporter)
        self._loader = Loader(
            self.place, self.index, self.blobs, trust.may_pickle, trust.others_can_write, signer,
            verify_maps=settings.verify_maps,
        )  # fmt: skip
        limit = settings.size_limit
        self.remains = Remains(self.place, self.index, self.blobs, self.journal)
        self.index.connections.before_create = self.remains.begin_anew
        self.index.connections.after_move += [self._accesses.forget, self._loader.forget_rows]
        self._heal = self._writing.heal = Heal(self.index, self.gate, self.reporter.warn)
        self._room = Room(
            self.place, limit, self.index, self.blobs, self.journal, self._accesses.write, self._loader.dropped,
            self.remains,
        )  # fmt: skip
        self._keeper = Keeper(
            self.place, limit, self.index, self.blobs, self.journal, self._room, self._loader, self._writing,
            self.reporter.warn, self._heal, is_durable=is_durable, signer=signer,
        )  # fmt: skip
        self.index.follow(self._keeper.waiting, self._keeper.write_waiting)
        self.flights = flights_at(self.place, self._keeper.waiting)
        self.functions: weakref.WeakSet[Any] = weakref.WeakSet()
        """The cached functions of this store in this process."""
        _lifetime.register(self)
        self._writing.settle()
        self._heal.tell()

    def may_pickle(self) -> bool:
        """Say whether pickles are written and read here."""
        return self._trust.may_pickle()

    # -- a hit

    def look(self, key: bytes, function: str) -> CallRow | None:
        """Return the row of a stored call, or None."""
        try:
            row = self.index.fetch(key)
        except Exception as error:
            row = self._look_again(key, function, error)
        return row if row is not None and row.state == STORED else None

    def _look_again(self, key: bytes, function: str, error: Exception) -> CallRow | None:
        """Return a row after a fault, if that was one of an index that was set aside meanwhile, by us or by others."""
        if self._heal(error):
            try:
                row = self.index.fetch(key)
            except Exception as again:  # whatever it is, it is told
                error = again
            else:
                self._heal.tell()
                return row
        self._tell_unreadable(function, error)
        return None

    def take(self, key: bytes, row: CallRow, function: str, mmap_mode: str | None = None) -> Any:
        """Return the result of a row that `look` gave (`Raised`: it was an exception), or MISS; count the hit."""
        try:
            try:
                value = self._loader.load(key, row, mmap_mode)
            except (TornError, FileNotFoundError):
                # It may have been evicted, or computed anew, between the two looks.
                again = self.index.fetch(key)
                if again is None or again.state != STORED:
                    return MISS
                row = again
                value = self._loader.load(key, row, mmap_mode)
        except PickleRefusedError as error:
            self.reporter.warn(function, "pickle", f"a stored result is not used and is computed again: {error}")
            return MISS
        except UnsignedError as error:
            self.reporter.warn(function, "unsigned", f"a stored result is not used and is computed again: {error}")
            return MISS
        except DamagedError as error:
            what = f"the stored result of {self._call_in_short(row)} cannot be used and is computed again: {error}"
            self.reporter.warn(function, "damaged", what)
            return MISS
        except FileNotFoundError as error:
            what = f"the payload file of {self._call_in_short(row)} is gone and its result is computed again: {error}"
            self.reporter.warn(function, "missing", what)
            return MISS
        except Exception as error:  # whatever a damaged or tampered store makes a library raise
            if not self._heal(error):
                self._tell_unreadable(function, error)
            self._heal.tell()
            return MISS
        self._touch(key, row.id)
        return value

    def _call_in_short(self, row: CallRow) -> str:
        """Return the arguments of a call, for a message about it."""
        arguments = {}
        with contextlib.suppress(Exception):  # the message is worth more than they are
            arguments = self.index.describe(row.id)[1]
        return f"({', '.join(f'{name}={summary}' for name, summary in arguments.items())[:NOTE_LENGTH]})"

    def _tell_unreadable(self, function: str, error: Exception) -> None:
        if not self._writing.tell_unsettled(error):
            what = f"the store {self.place} cannot be read ({error}); computing instead{remedy(error)}"
            self.reporter.warn(function, "reading", what)

    def load(self, key: bytes, mmap_mode: str | None = None) -> Any:
        """Return a stored result or MISS; raises what goes wrong, and counts as no hit."""
        row = self.index.fetch(key)
        return MISS if row is None or row.state != STORED else self._loader.load(key, row, mmap_mode)

    def metadata(self, row: CallRow) -> dict[str, Any] | None:
        """Return what a validation callback is told of a call, by joblib's names; None if that cannot be read."""
        try:
            duration, arguments = self.index.describe(row.id)
        except Exception as error:
            self._tell_unreadable("", error)
            return None
        return {"duration": duration, "time": row.created_at, "input_args": arguments}

    def aliases(
        self, names: Iterable[str], fingerprint: bytes, portable: bytes | None
    ) -> tuple[tuple[str, bytes], ...]:
        """Return name and fingerprint of the versions whose results count for one; raises what goes wrong."""
        return self.index.aliases(names, fingerprint, portable)

    def find(self, key: bytes) -> CallRow | None:
        """Return the row of a stored call, or None, without opening its payloads; raises what goes wrong."""
        with told(self.index.connections.path):
            row = self.index.fetch(key)
        return row if row is not None and row.state == STORED else None

    def stands(self, key: bytes, row: CallRow, *, closely: bool = False) -> bool:
        """Say whether a call's payloads are in place and may be read, without opening any, or closely."""
        try:
            return self._loader.stands_all(key, row, closely=closely)
        except Exception as error:
            logger.debug("the payloads of call %d cannot be looked at: %s", row.id, error)
            return False

    def leaves(self, key: bytes, row: CallRow) -> tuple[LeafFacts, ...]:
        """Return the leaves of a call's result; raises what is wrong with its row."""
        return self._loader.leaves(key, row)

    def check(self, facts: PayloadFacts) -> None:
        """Read a payload and verify its checksum; raise DamagedError or OSError."""
        self._loader.check(facts)

    # -- accesses

    def _touch(self, key: bytes, call_id: int) -> None:
        """Note an access; it is written later, with many others."""
        _lineage.note(self.place, key)
        if not self._armed:
            self._arm()
        if self._accesses.note(call_id):
            self._heal.move_over(wait_s=0)
            if self._accesses.are_due():
                self.flush(wait_s=0)

    def _arm(self) -> None:
        """See to it that accesses are written when this process ends, also as a pool's worker."""
        self._armed = True
        util = loaded("multiprocessing.util")
        if util is not None:  # a worker ends without atexit
            util.Finalize(None, _lifetime.close_all, exitpriority=0)

    def flush(self, wait_s: float = GATE_WAIT_S) -> None:
        """Write results and accesses that wait; where that cannot be done they are lost, accesses without a word."""
        if wait_s:
            self._keeper.write_waiting()
        else:
            self._keeper.try_to_write_waiting(0)
        self._heal.move_over(wait_s)
        if not self._accesses.any():
            return
        try:
            if not self.index.connections.exists():
                return
            with self.gate.held(wait_s):
                self._accesses.write()
                self._room.make(0)  # the limit may be a new one, smaller than what lies there
        except BusyError:
            pass  # they wait on
        except Exception as error:  # an access that is not counted must not cost anybody anything
            logger.debug("accesses were not written: %s", error)
            if not _lifetime.is_over and self._heal(error):
                self._heal.tell()

    # -- keeping

    def write_waiting(self) -> None:
        """Write the results that wait."""
        self._keeper.write_waiting()

    def keep(self, computed: Computed, value: Any, options: CallOptions, *, at_once: bool = False) -> tuple[Any, bool]:
        """Store a result, or say once why it cannot be stored; return what the caller gets, and if it is stored.

        With ``at_once`` it never waits for others: whoever asks elsewhere would be given the one that it replaces.
        """
        name, raised = computed.function.name, type(value) is Raised
        if computed.duration < options.min_seconds:
            self._pass_over(computed, options.min_seconds)
            return value, False
        what = (
            f"an exception of type {type(value.error).__name__}"
            if raised
            else f"a result of type {type(value).__name__}"
        )
        try:
            tree = (take_raised_apart if raised else take_apart)(value, allow_pickle=self._trust.may_pickle())
            parts, result = self._keeper.prepare(tree, options)
        except UnstorableError as error:
            self.refuse(computed, "unstorable", f"{what} is not stored: {error}")
            return value, False
        except Exception as error:  # the value's own code runs here; it must not cost the caller the value
            self.reporter.warn(name, "unstorable", f"{what} is not stored: {error!r}")
            return value, False
        try:
            note = plain_text(str(value))[:NOTE_LENGTH] if raised else None
            self._keeper.keep(computed, parts, result, options, note, at_once=at_once)
        except TooLargeError as error:
            self.refuse(computed, "too large", str(error))
            return value, False
        except UnwantedError as error:
            with contextlib.suppress(Exception):
                self._keeper.refuse(computed, str(error))
            return value, False
        except Exception as error:  # whatever a full disk or a damaged store makes SQLite or the system raise
            if not self._writing.tell_unsettled(error):
                what = f"a result could not be stored in {self.place}: {error}{remedy(error)}"
                self.reporter.warn(name, "writing", what)
            return value, False
        _lineage.note(self.place, computed.key)
        if not self._armed:
            self._arm()
        logger.info("stored %s (%d bytes)", name, sum(part.facts.nbytes for part in parts))
        if options.mmap_mode is not None and not raised and maps_any(parts):
            return self._mapped(computed.key, options.mmap_mode, value), True
        return value, True

    def _pass_over(self, computed: Computed, min_seconds: float) -> None:
        """Leave no record of a call that is too fast to be worth one, unless an earlier one has to give way."""
        with contextlib.suppress(Exception):
            if self.index.fetch(computed.key) is not None:
                took, least = format_seconds(computed.duration), format_seconds(min_seconds)
                self._keeper.refuse(computed, f"computed in {took}: min_seconds is {least}")

    def _mapped(self, key: bytes, mmap_mode: str, value: Any) -> Any:
        """Return the map of a result that was just stored, so that the first call gives what later ones will."""
        try:
            mapped = self.load(key, mmap_mode)
        except Exception as error:  # no handle free, say: the value itself is right too
            logger.debug("a stored result could not be mapped: %s", error)
            return value
        return value if mapped is MISS else mapped  # evicted or cleared meanwhile

    def refuse(self, computed: Computed, kind: str, message: str) -> None:
        """Record that a call was computed and not stored, and tell once."""
        with contextlib.suppress(Exception):
            self._keeper.refuse(computed, message)
        self.reporter.warn(computed.function.name, kind, message)

    # -- the end

    def close(self) -> None:
        """Write what waits and close all files that no thread is using; the next use opens them again."""
        self.flush()
        self._close_files(_CLOSE_WAIT_S)

    def _close_files(self, wait_s: float) -> None:
        self._loader.let_go()
        with self.gate.alone(wait_s) as nobody_writes:
            self.index.close(writer=nobody_writes)
        self.gate.close()
        self.flights.close()

    def pause(self, wait_s: float) -> None:
        """Wait until no thread is inside SQLite or holds the gate, and keep it so.

        Nothing stays open: of what a child inherits so, its SQLite believes to hold the locks itself.
        """
        self._keeper.waiting.stop()
        self._keeper.write_waiting()
        is_alone = self.gate.pause(wait_s)
        self.index.connections.pause(wait_s)
        if is_alone and not self.index.connections.is_writing_here():
            self.index.close()

    def resume(self) -> None:
        """Let threads go on."""
        self.index.connections.resume()
        self.gate.resume()
        self._keeper.waiting.resume()

    def abandon(self) -> None:
        """Start anew in a forked child: the parent writes its own accesses."""
        self._process = os.getpid()
        self._accesses.forget()
        self._keeper.waiting.renew()
        self.flights.renew()
        self._armed = False
        self.gate.abandon()
        self.index.connections.abandon()
        self.index.forget_run()

    def __del__(self) -> None:
        if sys is None or sys.is_finalizing() or self._process != os.getpid():  # type: ignore[redundant-expr]
            return
        with contextlib.suppress(Exception):
            # Another store at this place writes the rest; it may be at it, in this very thread.
            is_shared = self._keeper.waiting.leave(self._keeper.write_waiting)
            deadline = time.monotonic() + (0 if is_shared else _DROP_WAIT_S)
            while not self._write_before_end() and time.monotonic() < deadline:
                time.sleep(_DROP_PAUSE_S)
            with _lifetime.opening:
                _lifetime.unregister(self)
                self.flush(wait_s=0)
                self._close_files(0)

    def _write_before_end(self) -> bool:
        """Write what waits, unless somebody else is writing; say whether it is done."""
        # Nobody pauses it for a fork any more: the lock keeps one from happening meanwhile. But whoever has the
        # gate may want the lock as well: it is not held while waiting for the gate.
        with _lifetime.opening:
            return self._keeper.try_to_write_waiting(0)
