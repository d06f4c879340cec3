"""What a class of the user's own is made of."""

from __future__ import annotations

import types
from typing import Any

from resultstore._identity.origins import STANDARD, owner_of_module
from resultstore._identity.whose import owner_of_function
from resultstore._loaded import loaded

_NOT_BEHAVIOUR = frozenset(
    "__abstractmethods__ __annotate__ __annotate_func__ __annotations__ __annotations_cache__ __classdictcell__ "
    "__conditional_annotations__ __dict__ __doc__ __firstlineno__ __module__ __orig_bases__ __parameters__ "
    "__protocol_attrs__ __non_callable_proto_members__ __qualname__ __slotnames__ __static_attributes__ "
    "__type_params__ __weakref__ _abc_impl _is_protocol _is_runtime_protocol".split()
)
_GENERATED_BY_DATACLASS = frozenset(
    "__init__ __repr__ __eq__ __lt__ __le__ __gt__ __ge__ __hash__ __setattr__ __delattr__ __replace__ __getstate__ "
    "__setstate__ __dataclass_fields__ __dataclass_params__".split()
)
_GENERATED_BY_NAMEDTUPLE = frozenset(
    "__repr__ _replace _make _asdict __getnewargs__ __replace__ __match_args__ __slots__ _field_types".split()
)
_LEADS_INSIDE = {"__wrapped__", "__isabstractmethod__", "__annotations__"}
_ATTRS_FIELD = "alias converter default eq eq_key hash init kw_only on_setattr order order_key repr validator".split()
_OPTIONS = "init repr eq order unsafe_hash frozen".split()  # the others show in fields and members
_FIELD = "init repr hash compare kw_only".split()


def members_of(kind: type) -> tuple[list[tuple[str, Any]], Any]:
    """Return what a class leads to, by labels, and what it is by itself.

    Left out is what says where it stands or how it is annotated, and what the standard library has generated from
    what counts anyway.
    """
    members = {name: member for name, member in vars(kind).items() if name not in _NOT_BEHAVIOUR}
    local: list[Any] = []
    enum = loaded("enum")
    parts: list[tuple[str, Any]] = [(f"base {i}", base) for i, base in enumerate(kind.__bases__) if base is not object]
    if type(kind) is not type:
        parts.append(("metaclass", type(kind)))
        if owner_of_module(type(kind).__module__) is not STANDARD:
            local.append(_annotations(kind))  # such as pydantic's: it works by them
    if enum is not None and issubclass(kind, enum.Enum):
        values = {name: member._value_ for name, member in kind.__members__.items()}  # type: ignore[attr-defined]
        members = {name: m for name, m in members.items() if name not in values and _is_written(name, m)}
        parts += [(f"member {name}", value) for name, value in values.items()]
        local.append(tuple(values))
    if "__dataclass_fields__" in vars(kind):
        told = kind.__dataclass_params__  # type: ignore[attr-defined]
        local.append(("dataclass", *(bool(getattr(told, option)) for option in _OPTIONS)))
        for name, field in kind.__dataclass_fields__.items():  # type: ignore[attr-defined]
            traits = tuple(repr(getattr(field, trait, None)) for trait in _FIELD)
            local.append((name, field._field_type.name, *traits, _annotation(field.type)))
            if field.metadata:
                parts.append((f"metadata {name}", dict(field.metadata)))
            for source in ("default", "default_factory"):
                if type(getattr(field, source)).__module__ != "dataclasses":
                    parts.append((f"{source} {name}", getattr(field, source)))
        members = {n: m for n, m in members.items() if n not in _GENERATED_BY_DATACLASS or not _is_generated(m)}
    if "__attrs_attrs__" in vars(kind):
        members = {name: m for name, m in members.items() if name != "__attrs_attrs__" and not _is_attrs_code(m)}
        for field in kind.__attrs_attrs__:  # type: ignore[attr-defined]
            known = {trait: getattr(field, trait, None) for trait in _ATTRS_FIELD}
            local.append((field.name, *(repr(v) if isinstance(v, (bool, str)) else "" for v in known.values())))
            parts += [(f"{trait} {field.name}", v) for trait, v in known.items() if not isinstance(v, (bool, str))]
    if issubclass(kind, tuple) and "_fields" in vars(kind):
        fields = kind._fields  # type: ignore[attr-defined]
        members = {
            name: member
            for name, member in members.items()
            if name not in fields
            and name != "__new__"
            and not (name in _GENERATED_BY_NAMEDTUPLE and _is_generated(member))
        }
    parts += [
        (name, member)
        for name, member in sorted(members.items())
        if type(member) not in (types.GetSetDescriptorType, types.MemberDescriptorType)
    ]
    for name, member in sorted(members.items()):
        if type(member) in (staticmethod, classmethod) and vars(member):
            attributes = vars(member)
            parts += [(f"{name}.{key}", attributes[key]) for key in sorted(attributes.keys() - _LEADS_INSIDE)]
    return parts, tuple(local)


def _annotations(kind: type) -> tuple[tuple[str, str], ...]:
    found = vars(kind).get("__annotations__") or getattr(kind, "__annotations__", {})
    return tuple((name, _annotation(annotation)) for name, annotation in found.items())


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else str(getattr(annotation, "__qualname__", annotation))


def looks_of(thing: Any) -> Any:
    """Return what code sees only if it asks for it: docstring and annotations."""
    found = vars(thing).get("__annotations__") if isinstance(thing, type) else getattr(thing, "__annotations__", None)
    texts = tuple((str(name), _annotation(annotation)) for name, annotation in (found or {}).items())
    return ("looks", str(thing.__doc__), texts)


def _is_written(name: str, member: Any) -> bool:
    """Say whether a member of an enumeration's class is the author's, not the machinery's."""
    inner = getattr(member, "__func__", member)
    inner = getattr(inner, "fget", inner)
    if type(inner) is types.FunctionType:
        return owner_of_function(inner) is None
    machinery = name.startswith("_") and name.endswith("_")
    return not machinery and type(member).__module__ != "enum"


def _is_attrs_code(member: Any) -> bool:
    inner = getattr(member, "__func__", member)
    code = getattr(inner, "__code__", None)
    return code is not None and code.co_filename.startswith("<attrs generated")


def _is_generated(member: Any) -> bool:
    """Say whether a member was made by dataclasses or namedtuple, not written."""
    inner = getattr(member, "__func__", getattr(member, "fget", member))
    if type(inner) is not types.FunctionType:
        return True  # a tuple or dict of names
    if owner_of_function(inner) is STANDARD:
        inner = getattr(inner, "__wrapped__", inner)  # __repr__, in reprlib's guard against recursion
    return owner_of_function(inner) is STANDARD or inner.__code__.co_qualname.startswith("__create_fn__.")
