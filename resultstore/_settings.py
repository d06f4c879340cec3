"""The options of a store: frozen data, checked once."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from resultstore._data import Data
from resultstore._sizes import parse_age, parse_size
from resultstore.errors import LocationError, OptionError
from resultstore.eviction import LRU, POLICIES, Policy, Use

if TYPE_CHECKING:  # stores that sign nothing need none of it
    from resultstore._signing import Signer

DURABILITIES = ("normal", "full")
MINIMUM_LIMIT = 1_000_000
_LEVEL = 1


class Compression(Data):
    """How payloads are compressed."""

    codec: str = "zstd"
    """``"zstd"``, or ``"auto"``: each payload as it suits it, by a sample."""
    level: int = _LEVEL
    """From 1 to 22. Higher levels gain nothing on floating-point numbers, and cost time."""


class KeyOptions(Data):
    """What enters one function's keys, and how."""

    ignore: tuple[str, ...] = ()
    """Parameters that do not enter."""
    key: dict[str, Callable[[Any], Any]] | None = None
    """For some parameters, what stands in for the value."""
    version: str | None = None
    """A label that stands in for the code."""
    was: tuple[str, ...] = ()
    """Earlier full names, whose results still count."""
    on_mutable: str = "warn"
    """What becomes of a call when something that the function depends on has no digest."""
    ignore_globals: tuple[str, ...] = ()
    """Global names that are not looked at."""


class CallOptions(Data):
    """How one function's results are kept and given back; none of it enters a key."""

    mmap_mode: str | None = None
    """``"r"``: arrays come as read-only maps of their files; ``"c"``: as copy-on-write maps; None: in memory."""
    compression: Compression | None = None
    verbose: int = 0
    ttl_s: float | None = None
    """Seconds after which a result is computed anew, or None."""
    validate: Callable[[dict[str, Any]], Any] | None = None
    """Says of a stored call's metadata whether its result still counts."""
    cache_errors: tuple[type[BaseException], ...] = ()
    """Exceptions that are results, too."""
    iterators: str | None = None
    """``"list"``: an iterator that the function returns becomes a list."""
    check_hits: float = 0.0
    """The share of hits that are computed again, to be compared."""
    check_arguments: bool = False
    """Whether arguments are looked at again after the call."""
    min_seconds: float = 0.0
    """Results that were computed faster are not stored."""
    max_result_nbytes: int | None = None
    """Results that take more are not stored."""
    size_limit: int | None = None
    """Bytes that all stored results of the function may take."""
    single_flight: bool = True
    """Whether a call that is being computed elsewhere is waited for."""


class Settings(Data):
    """What a store was told. Storage options never enter a key."""

    place: str
    """The absolute directory."""
    size_limit: int | None = None
    """Bytes on the disk, or None for no limit."""
    allow_pickle: bool | None = None
    """None: pickle is used unless others can write to the directory."""
    strict: bool = False
    """Raise where a call would run uncached."""
    defaults: CallOptions = CallOptions()
    """What functions take over unless they say otherwise."""
    policy: Policy = LRU
    """Which results go first."""
    durability: str = "normal"
    """``"full"``: a result is on the disk when its call returns."""
    signer: Signer | None = None
    """What rows are signed with."""
    shared: str | None = None
    """``"group"``: what is made is for a group."""
    verify_maps: bool = False
    """Every byte of a file is verified when it is first mapped."""


def _may_be_directory(place: str) -> bool:
    """Say whether a place is a directory, or the system cannot tell at this moment: then the first call finds out."""
    try:
        return stat.S_ISDIR(os.stat(place).st_mode)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ELOOP)  # a link that leads nowhere


def make_settings(
    location: str | os.PathLike[str],
    size_limit: int | str | None,
    allow_pickle: bool | None,
    strict: bool,
    defaults: CallOptions,
    policy: str | Policy = "lru",
    durability: object = "normal",
    signing_key: object = None,
    shared: object = None,
    verify_maps: object = False,
) -> Settings:
    """Check the options and resolve the place, once and for all, against the present directory."""
    try:
        place = os.path.abspath(os.path.expanduser(os.fsdecode(location)))
    except TypeError:
        raise OptionError("location", location, "write a path, or None to store nothing") from None
    except FileNotFoundError:
        raise LocationError(f"{location!r} is relative, and the present directory is gone: give a full path.") from None
    if "\0" in place or not os.fsdecode(location) or not _is_encodable(place):
        raise OptionError("location", location, "this cannot be a path")
    if os.path.lexists(place) and not _may_be_directory(place):
        raise LocationError(f"{place} is a file: a store is a directory. Give another path, or move the file away.")
    if allow_pickle not in (None, True, False):
        raise OptionError("allow_pickle", allow_pickle, "write True, False, or None for the default")
    if not isinstance(durability, str) or durability not in DURABILITIES:
        raise OptionError(
            "durability", durability, 'write "normal", or "full": results survive a power cut, and take longer to store'
        )
    limit = None
    if size_limit is not None:
        limit = parse_size(size_limit, "size_limit")
        if limit < MINIMUM_LIMIT:
            raise OptionError(
                "size_limit", size_limit, "the index alone needs more: give at least 1 MB, or None for no limit"
            )
    if shared not in (None, "group"):
        raise OptionError("shared", shared, 'write "group", or None for directories and files of your own')
    policy, signer, group = parse_policy(policy), _find_signer(signing_key), None if shared is None else "group"
    strict, verify_maps = _parse_flag("strict", strict), _parse_flag("verify_maps", verify_maps)
    return Settings(place, limit, allow_pickle, strict, defaults, policy, durability, signer, group, verify_maps)


def _is_encodable(place: str) -> bool:
    try:
        return bool(os.fsencode(place))
    except UnicodeEncodeError:
        return False


def _find_signer(key: object) -> Signer | None:
    """Return the signer of a key, of the environment's without one, or None."""
    if key is None and not os.environ.get("RESULTSTORE_SIGNING_KEY"):  # as `_signing` has it, which is not loaded yet
        return None
    from resultstore._signing import find_signer

    return find_signer(key)


def parse_policy(policy: object) -> Policy:
    """Return a policy by its name, or one of somebody's own that an index can be sorted by."""
    if isinstance(policy, Policy):
        if policy not in POLICIES.values():
            _check_order(policy)
        return policy
    found = POLICIES.get(policy) if isinstance(policy, str) else None
    if found is None:
        raise OptionError("policy", policy, f"write one of {', '.join(map(repr, POLICIES))}, or pass a Policy")
    return found


def _check_order(policy: Policy) -> None:
    """Refuse an order that no index can have, here and not at the first miss."""
    columns = ", ".join(Use._fields)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE call ({columns})")
        try:
            connection.execute(f"CREATE INDEX by_order ON call ({policy.order})")
        except sqlite3.Error as error:
            raise OptionError("policy", policy, f"its order is none that an index can have: {error}") from None


def make_call_options(
    defaults: CallOptions,
    mmap_mode: object = False,
    compression: object = False,
    verbose: object = None,
    ttl: object = None,
    validate: object = None,
    cache_errors: object = None,
    iterators: object = None,
    check_hits: object = None,
    check_arguments: object = None,
    min_seconds: object = None,
    max_result_size: object = False,
    size_limit: object = None,
    single_flight: object = None,
) -> CallOptions:
    """Check a function's options.

    False inherits; None is none, or for ``verbose``, the checks, ``min_seconds`` and ``single_flight`` inherits.
    """
    options = CallOptions(
        parse_mmap_mode(mmap_mode, defaults.mmap_mode),
        defaults.compression if compression is False else _parse_compression(compression),
        defaults.verbose if verbose is None else _parse_verbose(verbose),
        None if ttl is None else parse_age(ttl, "ttl"),
        _parse_validate(validate),
        _parse_errors(cache_errors),
        _parse_iterators(iterators),
        defaults.check_hits if check_hits is None else _parse_share(check_hits),
        defaults.check_arguments if check_arguments is None else _parse_flag("check_arguments", check_arguments),
        defaults.min_seconds if min_seconds is None else parse_age(min_seconds, "min_seconds"),
        defaults.max_result_nbytes if max_result_size is False else _parse_size(max_result_size, "max_result_size"),
        _parse_size(size_limit, "size_limit"),
        defaults.single_flight if single_flight is None else _parse_flag("single_flight", single_flight),
    )
    if options.mmap_mode is not None and options.compression is not None:
        raise OptionError(
            "mmap_mode",
            options.mmap_mode,
            "what is compressed cannot be mapped: pass mmap_mode=None or compression=None",
        )
    return options


def _parse_flag(option: str, flag: object) -> bool:
    if isinstance(flag, str) or flag not in (True, False):  # "no" would count as yes
        raise OptionError(option, flag, "write True or False")
    return bool(flag)


def parse_mmap_mode(mode: object, inherited: str | None) -> str | None:
    """Return a mode of mapping, the inherited one for False, or refuse it."""
    if mode is False:
        return inherited
    if mode in ("r+", "w+"):
        raise OptionError(
            "mmap_mode", mode, 'this would write into the stored result; "c" gives a map of your own to write to'
        )
    if mode is None or (isinstance(mode, str) and mode in ("r", "c")):
        return mode
    raise OptionError("mmap_mode", mode, 'write "r" (read-only), "c" (copy-on-write), or None')


def _parse_compression(spec: object) -> Compression | None:
    if spec is None:
        return None
    codec, level = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, _LEVEL)
    is_codec = isinstance(codec, str) and codec in ("zstd", "auto")
    if not is_codec or isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= 22:
        raise OptionError(
            "compression", spec, 'write "zstd" or "auto", ("zstd", level) with a level from 1 to 22, or None'
        )
    return Compression(str(codec), level)


def _parse_size(size: Any, option: str) -> int | None:
    return None if size is None else parse_size(size, option)


def _parse_verbose(level: object) -> int:
    if not isinstance(level, int) or level < 0:
        raise OptionError("verbose", level, "write a whole number: 0 is silent, 1 tells computations, 2 hits as well")
    return int(level)


def _parse_validate(validate: object) -> Callable[[dict[str, Any]], Any] | None:
    if validate is not None and not callable(validate):
        raise OptionError("cache_validation_callback", validate, "this needs to be callable")
    return validate


def _parse_errors(errors: object) -> tuple[type[BaseException], ...]:
    if errors is None:
        return ()
    kinds = errors if isinstance(errors, tuple) else (errors,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise OptionError(
            "cache_errors", errors, "write an exception class, or a tuple of them: (ValueError, KeyError)"
        )
    return kinds


def _parse_iterators(iterators: object) -> str | None:
    if iterators is not None and iterators != "list":
        raise OptionError("iterators", iterators, 'write "list", to turn returned iterators into lists, or None')
    return iterators


def _parse_share(share: object) -> float:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise OptionError("check_hits", share, "write the share of hits to compute again: 0.01 for one in a hundred")
    return float(share)


ON_MUTABLE = ("warn", "strict", "allow")


def parse_on_mutable(policy: object, inherited: str) -> str:
    """Return a policy for what has no digest, the inherited one for None, or refuse it."""
    if policy is None:
        return inherited
    if policy not in ON_MUTABLE:
        raise OptionError("on_mutable", policy, 'write "warn" (run uncached, tell once), "strict" (raise), or "allow"')
    return str(policy)


def make_key_options(
    ignore: Iterable[str] | None = None,
    key: object = None,
    version: object = None,
    was: object = None,
    on_mutable: object = None,
    ignore_globals: object = None,
    inherited: str = "warn",
) -> KeyOptions:
    """Check what a function says about its keys; the names of parameters are checked when it is bound."""
    if ignore is not None and (isinstance(ignore, str) or not all(isinstance(name, str) for name in tuple(ignore))):
        raise OptionError("ignore", ignore, 'write a list of parameter names: ignore=["debug"]')
    if key is not None and not (
        isinstance(key, dict) and all(isinstance(n, str) and callable(f) for n, f in key.items())
    ):
        raise OptionError("key", key, 'write what stands in for a parameter: key={"self": lambda self: self.name}')
    if version is not None and (isinstance(version, bool) or not isinstance(version, (str, int))):
        raise OptionError("version", version, 'write a short text that stands in for the code: version="2"')
    return KeyOptions(
        tuple(ignore or ()),
        dict(key) if key else None,
        None if version is None else str(version),
        _parse_earlier(was),
        parse_on_mutable(on_mutable, inherited),
        _parse_names("ignore_globals", ignore_globals),
    )


def _parse_names(option: str, names: object) -> tuple[str, ...]:
    given: tuple[Any, ...] = (names,) if isinstance(names, str) else ()
    if isinstance(names, Iterable) and not isinstance(names, str):
        given = tuple(names)
    if (names is not None and not given) or not all(isinstance(name, str) and name for name in given):
        raise OptionError(option, names, f'write a name, or a list of names: {option}="module.name"')
    return given


def _parse_earlier(was: object) -> tuple[str, ...]:
    names = _parse_names("was", was)
    if not all("." in name for name in names):  # no function ever had such a name
        raise OptionError("was", was, 'write full names, with the module, as store.find shows them: was="module.name"')
    return names


def is_disabled() -> bool:
    """Say whether ``RESULTSTORE_DISABLE`` switches storing off in this process."""
    return os.environ.get("RESULTSTORE_DISABLE", "").strip().lower() not in ("", "0", "false", "no", "off")
