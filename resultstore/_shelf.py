"""References: results that stay on the shelf until somebody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from resultstore._identity import encoding
from resultstore._settings import parse_mmap_mode
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError, MissingError, OptionError
from resultstore.formats.raised import Raised

if TYPE_CHECKING:
    from resultstore.record import Record

_KEY_NBYTES = 32


class Shelf(Protocol):
    """What a reference needs of its store."""

    _vault: Vault | None

    def record(self, key: bytes | str) -> Record | None:
        """Return the record with a key."""


def parse_key(key: object) -> bytes:
    """Return a key as bytes, or refuse what is none."""
    parsed = key
    if isinstance(key, str):
        try:
            parsed = bytes.fromhex(key)
        except ValueError:
            parsed = None
    if not isinstance(parsed, bytes) or len(parsed) != _KEY_NBYTES:
        raise OptionError("key", key, "a key is 32 bytes, or their 64 hexadecimal digits")
    return parsed


class Reference:
    """A stored result, known by its key; it is loaded when it is asked for.

    Made by `CachedFunction.call_and_shelve`, or pasted from its own ``repr``. It pickles to some
    hundred bytes, whatever the size of the result.

    Parameters
    ----------
    store : Store
        Where the result lies.
    key : bytes or str
        The key of the call, 32 bytes or their 64 hexadecimal digits.
    mmap_mode : {"r", "c", None, False}, default False
        How arrays are loaded unless `get` says otherwise; False takes over the store's mode.

    Raises
    ------
    OptionError
        If the key or the mode cannot be one.

    Examples
    --------
    >>> reference = square.call_and_shelve(3)
    >>> reference.get()
    9
    >>> reference.clear()
    >>> reference.get()
    Traceback (most recent call last):
    ...
    resultstore.errors.MissingError: the result ... is not stored: no such call is known here...
    """

    __slots__ = ("_mmap_mode", "key", "store")

    def __init__(self, store: Shelf, key: bytes | str, mmap_mode: str | bool | None = False) -> None:
        self.key = parse_key(key)
        self.store = store
        parse_mmap_mode(mmap_mode, None)  # a wrong one is told now
        self._mmap_mode = mmap_mode

    def get(self, mmap_mode: str | bool | None = False) -> Any:
        """Return the result.

        Parameters
        ----------
        mmap_mode : {"r", "c", None, False}, default False
            How its arrays are loaded, see `Store`; False as the reference says.

        Raises
        ------
        MissingError
            If the result was cleared, evicted, or is damaged; also a ``KeyError``.

        Examples
        --------
        >>> Reference(store, square.key(3)).get()
        9
        """
        vault = self.store._vault
        if vault is None:
            raise MissingError(f"the result {self.key.hex()} is not stored: storing is switched off")
        own = parse_mmap_mode(self._mmap_mode, vault.settings.defaults.mmap_mode)
        mode = parse_mmap_mode(mmap_mode, own)
        row = vault.look(self.key, "")
        value = MISS if row is None else vault.take(self.key, row, "", mode)
        if value is MISS:
            raise missing(vault, self.key)
        if type(value) is Raised:
            raise value.error
        return value

    def clear(self) -> None:
        """Remove the result and its record from the store.

        Examples
        --------
        >>> square.call_and_shelve(3).clear()
        >>> square.check_call_in_cache(3)
        False
        """
        if self.store._vault is not None:
            self.store._vault.forget(self.key)

    @property
    def record(self) -> Record | None:
        """The facts of the call as `Store.find` gives them, or None if it was forgotten.

        Examples
        --------
        >>> square.call_and_shelve(3).record.arguments
        {'x': 3}
        """
        return self.store.record(self.key)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        mode = "" if self._mmap_mode is False else f", mmap_mode={self._mmap_mode!r}"
        return f"Reference({self.store!r}, key={self.key.hex()!r}{mode})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.store, self.key, self._mmap_mode)


class HeldReference(Reference):
    """A result that could not be stored, held in memory with the reference itself."""

    __slots__ = ("_held",)

    def __init__(self, store: Shelf, value: Any) -> None:
        self.key = b""
        self.store = store
        self._mmap_mode = False
        self._held = [value]

    def get(self, mmap_mode: str | bool | None = False) -> Any:
        """Return the result; raise `MissingError` after `clear`."""
        if not self._held:
            raise MissingError("this result was cleared, and it was not stored")
        return self._held[0]

    def clear(self) -> None:
        """Let go of the result."""
        self._held.clear()

    @property
    def record(self) -> Record | None:
        """None: a result that is not stored has no record here."""
        return None

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<reference to a result that is not stored: {'held in memory' if self._held else 'cleared'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_hold, (self.store, *self._held))


def _hold(store: Shelf, *held: Any) -> HeldReference:
    reference = HeldReference(store, None)
    reference._held = list(held)
    return reference


def missing(vault: Vault, key: bytes, function: str = "") -> MissingError:
    """Return the error that says why a result cannot be had."""
    try:
        why = vault.index.why(key)
    except Exception as error:
        why = str(error)
    of = f" of {function}" if function else ""
    return MissingError(
        f"the result{of} with key {key.hex()} is not stored: {why}. Call the function again to compute it."
    )


def _as_argument(reference: Reference) -> bytes:
    """Encode a reference by the result that it stands for, yet not as that: the function is given the reference."""
    head = b"O" + encoding.encode("resultstore.Reference") + encoding.length(1)
    return head + encoding.short(_encoded_result(reference))


def _encoded_result(reference: Reference) -> bytes:
    """Encode the result that a reference stands for; the digest of an array is known without reading it."""
    try:
        vault = reference.store._vault
        row = vault.look(reference.key, "") if vault is not None and reference.key else None
        if vault is not None and row is not None and row.kind == "leaf":
            payload = vault.leaves(reference.key, row)[0].payload
            if payload.format == "npy":
                return encoding.Known(payload.digest)
        return encoding.encode(reference.get())
    except MissingError as error:
        raise DigestError(f"a reference to a result that cannot be had ({error})") from error


encoding.LEAVES[Reference] = encoding.LEAVES[HeldReference] = _as_argument
