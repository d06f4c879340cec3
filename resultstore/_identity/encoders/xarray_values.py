"""Encoders for xarray: variables, labelled arrays and datasets, with their coordinates, attributes and encodings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from resultstore._identity.encoding import Node, named


def _variable(variable: Any) -> Node:
    data = variable._data if type(variable._data) is np.ndarray else variable.data
    told = (variable.dims, data, dict(variable.attrs), dict(variable.encoding))
    return named("xarray.Variable", told)


def _index_variable(variable: Any) -> Node:
    # The index that pandas makes of it, and the dtype, which that one may not say.
    told = (variable.dims, variable.to_index(), variable.dtype, dict(variable.attrs), dict(variable.encoding))
    return named("xarray.IndexVariable", told)


def _indexes(value: Any) -> dict[Any, Any]:
    """Return which coordinates have an index, and of what kind; of xarray's own kinds the coordinates say the rest."""
    found = {}
    for name, index in value.xindexes.items():
        kind = type(index)
        is_own = kind.__module__.partition(".")[0] == "xarray" and hasattr(index, "index")
        found[name] = (kind.__name__, index.index) if is_own else index
    return found


def _array(array: xr.DataArray) -> Node:
    coords = {name: coord.variable for name, coord in array.coords.items()}
    return named("xarray.DataArray", (array.name, array.variable, coords, _indexes(array)))


def _dataset(dataset: xr.Dataset) -> Node:
    variables = tuple(dataset.variables.items())  # in their order, by which to_array() goes
    told = (variables, set(dataset.coords), _indexes(dataset), dict(dataset.attrs), dict(dataset.encoding))
    return named("xarray.Dataset", told)


_MAKERS: dict[type, Callable[[Any], Node]] = {
    xr.Variable: _variable,
    xr.IndexVariable: _index_variable,
    xr.DataArray: _array,
    xr.Dataset: _dataset,
}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of xarray's types."""
    nodes.update(_MAKERS)
