"""Encoders for what numpy has beside plain arrays: masked ones, its own subclasses, random states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from resultstore._identity import arrays
from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import STATES, Part, with_attributes

_MASKED_STATE = frozenset(
    "_mask _fill_value _hardmask _sharedmask _isfield _baseclass _optinfo _basedict".split()
)  # the array's own, told by its parts; "_sharedmask" says who else holds the mask


def _subclass(name: str) -> Callable[[Any], Node]:
    def node(value: Any) -> Node:
        return named(f"numpy.{name}", (Part(np.ndarray, value), vars(value)))

    return node


def _masked(value: Any) -> Node:
    # What lies under the mask counts: it shows in ``data``, and when the mask is lifted.
    # A mask of nothing is no mask: pickle makes the one of the other.
    mask: Any = np.ma.getmask(value)
    if mask is np.ma.nomask or (mask.dtype == bool and not mask.any()):
        mask = None
    told = (value.data, mask, value.fill_value, bool(value.hardmask), dict(value._optinfo))
    return named("numpy.ma.MaskedArray", told)


def _masked_state(value: Any) -> dict[str, Any]:
    return {name: part for name, part in vars(value).items() if name not in _MASKED_STATE}


def _bits(value: Any) -> Node:
    seeds = getattr(value, "seed_seq", None)
    return named("numpy.random.BitGenerator", (type(value).__name__, value.state, seeds))


def _seeds(value: Any) -> Node:
    # How many children it has had says which one it gives next.
    entropy = value.entropy if isinstance(value.entropy, (int, np.integer, type(None))) else list(value.entropy)
    told = (entropy, tuple(value.spawn_key), value.pool_size, value.n_children_spawned)
    return named("numpy.random.SeedSequence", told)


_MASKED: dict[str, Callable[[Any], Node]] = {
    "MaskedArray": with_attributes(_masked, lambda v: _masked_state(v) if type(v) is np.ma.MaskedArray else {}),
    "MaskedConstant": lambda v: named("numpy.ma.masked", ()),
}
_RANDOM: dict[str, Callable[[Any], Node]] = {
    "Generator": lambda v: named("numpy.random.Generator", (v.bit_generator,)),
    "RandomState": lambda v: named("numpy.random.RandomState", (v.get_state(legacy=False),)),
    "SeedSequence": _seeds,
}
_OTHERS: dict[str, Callable[[Any], Node]] = {
    "busdaycalendar": lambda v: named("numpy.busdaycalendar", (v.weekmask, v.holidays)),
    **{name: _subclass(name) for name in ("matrix", "recarray", "chararray")},
}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of numpy's arrays, and of this type."""
    arrays.register(kind, leaves, nodes)
    # By name: numpy itself imports its masked arrays and random generators only where they are used.
    if kind.__module__.startswith("numpy.ma"):
        makers = _MASKED
        if kind.__name__ == "MaskedArray":
            STATES[kind] = _masked_state
    elif kind.__module__.startswith("numpy.random"):
        makers = _RANDOM
        if issubclass(kind, np.random.BitGenerator):
            nodes[kind] = _bits
    else:
        makers = _OTHERS
    if kind.__name__ in makers:
        nodes[kind] = makers[kind.__name__]
