"""What kind of thing a value is, and what it is made of, as far as behaviour goes."""

from __future__ import annotations

import copyreg
import functools
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from resultstore._identity.encoding import LEAVES, REGISTERED, encode
from resultstore._identity.instances import HOOK, WITH_SUBCLASSES, known_base
from resultstore._identity.origins import owner_of_module
from resultstore._identity.scan import ADD_TO_ITEM, SET_ITEM
from resultstore._identity.whose import DESCRIPTORS, MISSING
from resultstore._loaded import loaded
from resultstore.errors import DigestError

_DICTS = (dict, OrderedDict, defaultdict, Counter, types.MappingProxyType, types.SimpleNamespace)
_SEQUENCES = (list, tuple, deque)
_SETS = (set, frozenset)
_BEHAVIOURS = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, type, property, staticmethod,
    classmethod, functools.partial, functools.partialmethod, functools.cached_property, functools.singledispatchmethod,
    functools._lru_cache_wrapper, types.SimpleNamespace, types.MappingProxyType, *DESCRIPTORS,
)  # fmt: skip
_OPAQUE = {
    "_thread": ("lock", "RLock", "_local", "_localdummy"),
    "threading": ("Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "_RLock", "local", "Thread"),
    "logging": ("Logger", "RootLogger", "LoggerAdapter", "Handler", "PlaceHolder"),
    "io": ("IOBase",), "_io": ("_IOBase",), "_contextvars": ("ContextVar",), "_weakref": ("ReferenceType",),
    "weakref": ("ReferenceType", "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "finalize"),
    "multiprocessing.synchronize": ("SemLock", "Condition", "Event"), "asyncio.locks": ("Lock", "Event", "Condition"),
    "queue": ("Queue", "SimpleQueue"), "_queue": ("SimpleQueue",), "multiprocessing.queues": ("Queue", "SimpleQueue"),
    "os": ("_Environ",), "tempfile": ("_TemporaryFileWrapper",), "concurrent.futures._base": ("Executor",),
}  # fmt: skip
_COUNTED = (
    int, float, complex, str, bytes, bool, list, dict, set, bytearray, deque, Counter, defaultdict, OrderedDict,
)  # fmt: skip
"""Types whose methods and operators only change the value itself."""
_INNER = ("__wrapped__", "py_func", "pyfunc", "func", "fn")
_OWN_WAYS = frozenset("__getstate__ __reduce__ __reduce_ex__ __getnewargs__ __getnewargs_ex__".split())


def full_name(thing: Any) -> str:
    """Return what people know a thing by: ``module.qualname``, or its type."""
    name = getattr(thing, "__qualname__", None)
    module = getattr(thing, "__module__", None)
    module = "__main__" if module == "__mp_main__" else module  # a spawned worker's name for the same script
    return f"{module}.{name}" if isinstance(name, str) and isinstance(module, str) else type(thing).__qualname__


def content(cell: types.CellType) -> Any:
    """Return what a cell holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


# -- what it is made of


def defaults_of(func: types.FunctionType) -> list[tuple[str, Any]]:
    """Return a function's defaults by parameter."""
    code, defaults = func.__code__, func.__defaults__ or ()
    positional = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return [*zip(positional, defaults, strict=True), *sorted((func.__kwdefaults__ or {}).items())]


def wrapper_parts(value: Any) -> tuple[Any, list[tuple[str, Any]]] | None:
    """Take apart what the language and functools make around functions, or return None."""
    kind = type(value)
    if kind in (functools.partial, functools.partialmethod):
        parts = [("function", value.func)]
        parts += [(f"argument {i}", part) for i, part in enumerate(value.args)]
        return (kind.__name__, len(value.args)), parts + [
            (f"keyword {k}", v) for k, v in sorted(value.keywords.items())
        ]
    if kind is types.MethodType:
        return ("method",), [("function", value.__func__), ("self", value.__self__)]
    if kind in (staticmethod, classmethod):
        return (kind.__name__,), [("function", value.__func__)]
    if kind is property:
        accessors = (("get", value.fget), ("set", value.fset), ("delete", value.fdel))
        return ("property",), [(label, part) for label, part in accessors if part is not None]
    if kind is functools.cached_property:
        return ("cached_property",), [("function", value.func)]
    if kind is functools._lru_cache_wrapper:
        return ("lru_cache", repr(value.cache_parameters())), [("function", value.__wrapped__)]
    if kind is functools.singledispatchmethod:
        return ("singledispatchmethod",), registry_of(value.dispatcher) or []
    if kind is types.BuiltinFunctionType and not isinstance(value.__self__, (types.ModuleType, type, type(None))):
        return ("method", value.__name__), [("self", value.__self__)]
    enum = loaded("enum")
    if enum is not None and issubclass(kind, enum.Enum):
        return ("member", str(value.name)), [("class", kind)]
    origin = getattr(value, "__origin__", None) if kind.__module__ in ("typing", "types") else None
    if origin is not None or kind.__name__ in ("UnionType", "Union"):
        arguments = (*getattr(value, "__args__", ()), *getattr(value, "__metadata__", ()))
        return ("alias", len(arguments)), [("origin", origin), *((f"[{i}]", part) for i, part in enumerate(arguments))]
    if kind in _buffers():
        return ("buffer",), [("content", value.getvalue()), ("position", value.tell())]
    if kind is weakref.ref:
        return ("reference",), [("referent", value())]
    if kind.__name__ == "ContextVar" and kind.__module__ == "_contextvars":
        try:
            return ("variable",), [("value", value.get())]
        except LookupError:
            return ("variable",), []
    return None


def registry_of(func: Any) -> list[tuple[str, Any]] | None:
    """Return the functions of a ``functools.singledispatch`` by the types that they serve, or None for another."""
    registry = getattr(func, "registry", None)
    if not isinstance(registry, types.MappingProxyType) or not hasattr(func, "dispatch"):
        return None
    parts = [(f"for {plain_name(kind)}", part) for kind, part in registry.items()]
    parts += [(f"type {plain_name(kind)}", kind) for kind in registry]
    return _labelled(parts)


def plain_name(thing: Any) -> str:
    """Return a name that is the same wherever its module lies, and whatever a worker calls the script."""
    return str(getattr(thing, "__qualname__", None) or type(thing).__qualname__)


def _labelled(parts: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return parts by their labels, a number told to those that share one."""
    seen: Counter[str] = Counter()
    labelled = []
    for label, part in sorted(parts, key=lambda pair: pair[0]):
        seen[label] += 1
        labelled.append((label if seen[label] == 1 else f"{label} {seen[label]}", part))
    return labelled


def is_opaque(value: Any) -> bool:
    """Say whether a value counts by its type alone: a handle, or a mark without content."""
    kind: Any = type(value)
    return kind is object or bool(_is_opaque_type(kind))


@functools.cache
def _is_opaque_type(kind: Any) -> bool:
    if owner_of_module(str(kind.__module__)) is None or kind.__name__ in ("StringIO", "BytesIO"):
        return False  # what somebody made of a handle has code of its own
    return any(base.__name__ in _OPAQUE.get(str(base.__module__), ()) for base in kind.__mro__)


@functools.cache
def _is_data_type(kind: Any) -> bool:
    if kind in LEAVES:
        return True
    if issubclass(kind, _BEHAVIOURS) or _is_opaque_type(kind) or kind is object:
        return False
    return owner_of_module(str(kind.__module__)) is not None


def orders(value: Any) -> tuple[Any, ...]:
    """Return the order of the keys of all dicts in a value of plain containers."""
    found, stack, seen = [], [value], set()
    while stack:
        part = stack.pop()
        if isinstance(part, (dict, list, tuple)) and part and id(part) not in seen:
            seen.add(id(part))
            elements = part.values() if isinstance(part, dict) else part
            if isinstance(part, dict) and type(part) is not OrderedDict:
                found.append(tuple(map(_key_label, part)))
            if not LEAVES.keys() >= set(map(type, elements)):
                stack.extend(elements)
    return tuple(found)


def is_data(value: Any) -> bool:
    """Say whether a value holds data only: no functions, and nothing of the user's own classes."""
    stack, seen = [value], set()
    while stack:
        part = stack.pop()
        kind: Any = type(part)
        if kind in _DICTS or kind in _SEQUENCES or kind in _SETS:
            if kind in (types.MappingProxyType, types.SimpleNamespace):
                return False
            if id(part) in seen:
                continue
            seen.add(id(part))
            elements = [*part, *part.values()] if isinstance(part, dict) else part
            if not LEAVES.keys() >= set(map(type, elements)):
                stack.extend(elements)
            if kind is defaultdict:
                stack.append(part.default_factory)
        elif not _is_data_type(kind):
            return False
    return True


def is_identified(value: Any) -> bool:
    """Say whether an instance of one's own class is encoded as what it extends, or as it or a register says."""
    kind = type(value)
    if kind in REGISTERED or hasattr(kind, HOOK) or isinstance(value, BaseException):
        return True
    if WITH_SUBCLASSES and not WITH_SUBCLASSES.keys().isdisjoint(kind.__mro__):
        return True
    return known_base(kind) not in (object, *_DICTS, *_SEQUENCES, *_SETS)


def container_parts(value: Any) -> tuple[Any, list[tuple[str, Any]]] | None:
    """Take a built-in container apart, or return None; what a label stands for does not depend on any order of sets."""
    kind = type(value)
    if kind in _SEQUENCES:
        return (len(value), getattr(value, "maxlen", None)), [(f"[{i}]", part) for i, part in enumerate(value)]
    if kind in _SETS:
        parts = _labelled([(f"{{{_key_label(part)}}}", part) for part in value])
        return tuple(label for label, _ in parts), parts
    if kind in _DICTS:
        items = vars(value) if kind is types.SimpleNamespace else value
        # In their order: code may well run through them.
        pairs = [(_key_label(key), key, part) for key, part in items.items()]
        parts = _labelled([(f"[{label}]", part) for label, _, part in pairs])
        parts += _labelled([(f"key {label}", key) for label, key, _ in pairs if type(key) not in LEAVES])
        if kind is defaultdict:
            parts.append(("default_factory", value.default_factory))
        return tuple(label for label, _, _ in pairs), parts
    return None


def _key_label(key: Any) -> str:
    if type(key) in (str, int, bool, type(None)):
        return repr(key)
    if isinstance(key, (type, types.FunctionType)):
        return plain_name(key)
    enum = loaded("enum")
    if enum is not None and isinstance(key, enum.Enum):
        return f"{type(key).__qualname__}.{key.name}"
    return encode(key).hex()


def instance_parts(value: Any) -> tuple[list[tuple[str, Any]], list[Any] | None]:
    """Take an instance apart as pickle would: what it is restored from, and the containers in which that lies.

    The containers are None where the class has ways of its own, so that only asking again can tell.
    """
    kind = type(value)
    if kind is types.BuiltinFunctionType:
        raise DigestError("a compiled function of a module without a version has no digest that could be trusted")
    reduced = value.__reduce_ex__(4)
    if type(reduced) is not tuple:
        raise DigestError(f"a {kind.__qualname__} says only by which name it can be found")
    make, args, state, items, pairs = (*reduced, None, None, None)[:5]
    own = any(
        not _OWN_WAYS.isdisjoint(vars(base)) and owner_of_module(base.__module__) is None for base in kind.__mro__
    )
    parts: list[tuple[str, Any]] = []
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        args = args[1:]
    elif make is not copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        parts.append(("made by", make))
    parts += [(f"argument {i}", part) for i, part in enumerate(args) if part is not kind]
    slots = None
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        state, slots = state
    for mapping in (state, slots):
        if type(mapping) is dict:
            parts += [(f".{name}", part) for name, part in sorted(mapping.items(), key=lambda item: str(item[0]))]
        elif mapping is not None:
            parts.append(("state", mapping))
    if isinstance(value, (set, frozenset)):  # pickle would tell their order
        parts = [part for part in parts if not part[0].startswith(("argument", "state"))]
        parts += _labelled([(f"{{{_key_label(part)}}}", part) for part in value])
        parts += attributes(value)
    parts += [(f"[{i}]", part) for i, part in enumerate(items or ())]
    parts += [(f"[{_key_label(key)}]", part) for key, part in pairs or ()]
    plain: Any = object.__reduce_ex__
    if own:  # what a __getstate__ leaves out may count, too
        told = {label for label, _ in parts}
        parts += [(label, part) for label, part in attributes(value) if label not in told and not is_opaque(part)]
    if own or slots is not None or kind.__reduce_ex__ is not plain or not hasattr(value, "__dict__"):
        return parts, None
    watched: list[Any] = [vars(value)]
    if isinstance(value, (list, dict, set, deque)):
        watched.append(value)
    return parts, watched


def extends_a_handle(value: Any) -> bool:
    """Say whether this is an instance of one's own subclass of a lock, a logging handler, a file."""
    return any(_is_opaque_type(base) for base in type(value).__mro__[1:])


def attributes(value: Any) -> list[tuple[str, Any]]:
    """Return the attributes of an instance."""
    return [(f".{name}", part) for name, part in sorted(getattr(value, "__dict__", {}).items())]


def is_unwatched(value: Any) -> bool:
    """Say whether something has a content that no identity tells."""
    kind = type(value)
    return kind is weakref.ref or kind.__name__ == "ContextVar" or kind in _buffers()


def _buffers() -> tuple[type, ...]:
    io = loaded("io")
    return () if io is None else (io.StringIO, io.BytesIO)


def part_name(name: str, label: str, part: Any) -> str:
    """Return what a part of an instance is known by."""
    return full_name(part) if label in ("class", "made by") else f"{name}{label if label[0] in '.[' else ' ' + label}"


def wrapped_function(value: Any) -> Any:
    """Return the user's function inside a library's object that is called in its place, or None."""
    if not callable(value) or owner_of_module(str(type(value).__module__)) is None:
        return None
    for name in _INNER:
        inner = getattr(value, name, None)
        if type(inner) is types.FunctionType:
            return inner
    return None


def static_attribute(value: Any, attribute: str) -> tuple[list[Any], Any] | None:
    """Look an attribute up where nothing of its owner's code takes part: where it was looked for, and its value.

    None where a property, a method or ``__getattr__`` has a word to say: then the whole owner counts.
    """
    if type(value) is types.SimpleNamespace:
        return ([vars(value)], vars(value)[attribute]) if attribute in vars(value) else None
    if type(value) is types.FunctionType:
        return ([vars(value)], vars(value)[attribute]) if attribute in vars(value) else None
    if type(value) is not type:
        return None
    spaces = []
    for base in value.__mro__:
        spaces.append(vars(base))
        if attribute in vars(base):
            found = vars(base)[attribute]
            if type(found) is staticmethod:
                return spaces, found.__func__
            plain = not (callable(found) or hasattr(type(found), "__get__"))
            return (spaces, found) if plain and attribute[:2] != "__" else None
    return None


def is_only_written(value: Any, path: tuple[str, ...]) -> bool:
    """Say whether writing to what a path of attributes leads to changes nothing else.

    A step that ends in ``=`` is the attribute that is set.
    """
    kinds: tuple[type, ...] = _COUNTED
    if path[-1:] in ((SET_ITEM,), (ADD_TO_ITEM,)):  # without asking what is there, and which place it would take
        kinds = (dict, Counter, defaultdict, OrderedDict) if path[-1] == SET_ITEM else (Counter, defaultdict)
        path = path[:-1]
    for step in path:
        attribute = step.removesuffix("=")
        if not hasattr(value, "__dict__") or isinstance(value, (types.ModuleType, types.FunctionType, type)):
            return False
        if not all(base is object or _leaves_alone(vars(base), attribute) for base in type(value).__mro__):
            return False
        if step != attribute:
            return True
        value = vars(value).get(attribute, MISSING)
    return type(value) in kinds


def _leaves_alone(space: Any, attribute: str) -> bool:
    """Say whether a class leaves setting and getting an attribute to Python."""
    ways = {"__setattr__", "__getattribute__", "__getattr__"} & space.keys()
    return not ways and not hasattr(type(space.get(attribute)), "__set__")


def lazy_attribute(module: types.ModuleType, attribute: str) -> Any:
    """Return what a module brings when it is asked: a submodule, or by a ``__getattr__`` of its own."""
    try:
        return getattr(module, attribute)
    except Exception:  # it is anyone's code
        return MISSING
