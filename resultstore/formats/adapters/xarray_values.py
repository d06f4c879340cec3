"""xarray's labelled arrays as nodes of plain arrays and pandas indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.core.indexes import PandasIndex

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node


def take(value: Any) -> Node | None:
    """Return the node of a dataset or data array whose data are plain arrays in memory."""
    if type(value) is xr.DataArray:
        coords = _coords(value)
        data = _variable(value.variable)
        if coords is None or data is None:
            return None
        return Node("xarray.DataArray", (data, coords, value.name))
    if type(value) is xr.Dataset:
        coords = _coords(value)
        if coords is None:
            return None
        # In one dict: its order is that of the dimensions too.
        variables = {name: coords.get(name) or _variable(variable) for name, variable in value.variables.items()}
        if any(node is None for node in variables.values()):
            return None
        return Node("xarray.Dataset", (variables, list(coords), dict(value.attrs), dict(value.encoding)))
    return None


def _coords(value: Any) -> dict[Any, Any] | None:
    """Return the coordinates; None unless each index is the plain one of a dimension of its own name."""
    coords: dict[Any, Any] = {}
    indexes = dict(value.xindexes)
    for name, coord in value.coords.items():
        variable = coord.variable
        if name in indexes:
            plain = type(indexes[name]) is PandasIndex and variable.dims == (name,)
            coords[name] = _index_variable(variable) if plain else None
        else:
            coords[name] = _variable(variable) if name not in value.dims else None
    known = set(indexes) <= set(coords) and all(node is not None for node in coords.values())
    return coords if known else None


def _variable(variable: Any) -> Node | None:
    if type(variable) is not xr.Variable or type(variable._data) is not np.ndarray:
        return None  # lazy, chunked, on another device ...
    parts = (variable.dims, variable._data, dict(variable.attrs), dict(variable.encoding))
    return Node("xarray.Variable", parts, ("", ".values"))


def _index_variable(variable: Any) -> Node | None:
    """Return an index as pandas has it, or, if that one does not say the dtype, as its array."""
    index = variable.to_index()
    if type(index) is pd.MultiIndex:
        return None
    for data in (index, variable.to_numpy().copy()):
        back = xr.IndexVariable(variable.dims, data)
        same = type(back.to_index()) is type(index) and back.to_index().dtype == index.dtype
        if same and back.dtype == variable.dtype and _freq(back.to_index()) == _freq(index):
            parts = (variable.dims, data, dict(variable.attrs), dict(variable.encoding))
            return Node("xarray.IndexVariable", parts, ("", ".values"))
    return None


def _freq(index: Any) -> Any:
    return getattr(index, "freq", None)


def _build_array(data: Any, coords: dict[Any, Any], name: Any) -> Any:
    array = xr.DataArray(data.data, coords=coords, dims=data.dims, name=name, attrs=data.attrs)
    array.encoding = data.encoding
    return array


def _build_dataset(variables: dict[Any, Any], coords: list[Any], attrs: Any, encoding: Any) -> Any:
    dataset = xr.Dataset(variables, attrs=attrs).set_coords(coords)
    dataset.encoding = encoding
    if list(dataset.variables) != list(variables) or set(dataset.coords) != set(coords):
        raise DamagedError("a dataset's variables are not those that were stored")
    return dataset


BUILD: dict[str, Callable[..., Any]] = {
    "xarray.DataArray": _build_array,
    "xarray.Dataset": _build_dataset,
    "xarray.Variable": xr.Variable,
    "xarray.IndexVariable": xr.IndexVariable,
}
