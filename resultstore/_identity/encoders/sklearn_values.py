"""Encoders for what fitted estimators hold and scikit-learn has compiled: trees, losses, distances.

Each says for pickle all that it is made of, as the sources of scikit-learn show; what is added there is told as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resultstore._identity.encoders.compiled_values import Told, compiled
from resultstore._identity.encoding import Node
from resultstore._identity.instances import refused

_DISTANCES = "sklearn.metrics._dist_metrics"
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
_TRIES = 9  # another thread may ask it meanwhile
_NEIGHBOURS = ("sklearn.neighbors._ball_tree", "sklearn.neighbors._kd_tree")


def _state(kind: Any) -> Told:
    return lambda value: (kind.__getstate__(value),)


def _tree(kind: Any) -> Told:
    def told(tree: Any) -> tuple[Any, ...]:
        return tree.n_features, tree.n_classes, tree.n_outputs, tree.max_n_classes, kind.__getstate__(tree)

    return told


def _neighbours(kind: Any) -> Told:
    def told(tree: Any) -> tuple[Any, ...]:
        # How often it was asked does not count: a model would be another one after each prediction. Where these
        # four are not in the place that is known, nothing is left out.
        for _ in range(_TRIES):
            state = kind.__getstate__(tree)
            if state[7:11] == (*kind.get_tree_stats(tree), kind.get_n_calls(tree)):
                return *state[:7], *state[11:], tree.sum_weight
        return *kind.__getstate__(tree), tree.sum_weight

    return told


def _loss(kind: Any) -> Told:
    def told(loss: Any) -> tuple[Any, ...]:
        function, args, *more = kind.__reduce__(loss)
        if function is kind and not more:
            return tuple(args)
        # In older versions by Cython itself, which tells all attributes or refuses: class, checksum of names, values.
        if str(getattr(function, "__name__", "")).startswith("__pyx_unpickle_") and args[0] is kind:
            return (*args[1:], *more)
        raise refused(loss)

    return told


def _told_by(kind: type) -> Callable[[Any], Told] | None:
    module, name = kind.__module__, kind.__qualname__
    if (module, name) == ("sklearn.tree._tree", "Tree"):
        return _tree
    if module in _NEIGHBOURS and name.rstrip("3264") in ("BallTree", "KDTree"):
        return _neighbours
    if module == _DISTANCES and name.rstrip("3264").endswith("Distance"):
        return _state
    # The one loss that is not of this kind is known by what Cython makes for pickle.
    is_loss = module in _LOSSES and any(base.__name__.endswith("LossFunction") for base in kind.__mro__[1:])
    return _loss if is_loss else None


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoder of this type, if it is one that is known."""
    told_by = _told_by(kind)
    if told_by is not None:
        nodes[kind] = compiled(kind, told_by(kind))
