"""Results: tables."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Table results")
kept = GROUP.kept

kept("DataFrame", "frame()")
kept("DataFrame with attrs", "with_attrs(frame(), unit='m')", "value.attrs", "value.to_dict()")
kept(
    "DataFrame with flags",
    "frame().set_flags(allows_duplicate_labels=False)",
    "value.flags.allows_duplicate_labels",
    "value.to_dict()",
)
kept("DataFrame with an index", "frame(index=pd.Index([3, 1, 2], name='k'))")
kept("DataFrame with a MultiIndex", "frame(index=pd.MultiIndex.from_product([['a'], [1, 2, 3]], names=['k', 1]))")
kept(
    "columns of two levels",
    "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 1), ('a', 2)], names=['x', None]))",
)
kept("numbers as columns", "pd.DataFrame([[1, 2]], columns=[10, 20])")
kept("repeated columns", "pd.DataFrame([[1, 2.5]], columns=['a', 'a'])")
kept("the columns' name", "pd.DataFrame({'a': [1]}).rename_axis(columns='k')")
kept("an empty frame", "pd.DataFrame()")
kept("a frame without rows", "pd.DataFrame({'a': np.array([], 'i4'), 'b': []})")
kept("a frame without columns", "pd.DataFrame(index=[1, 2])")
kept("Series", "pd.Series([1.5, None], name='a')")
kept("a Series' name of another type", "pd.Series([1], name=('a', 1))")
kept("zone and frequency", "pd.Series(range(3), pd.date_range('2026-01-01', periods=3, freq='h', tz='Europe/Berlin'))")
kept("a category with unused values", "pd.Series(pd.Categorical(['a'], ['a', 'b'], ordered=True))")
kept(
    "Int64, boolean, Float64 with NA",
    "pd.DataFrame({'i': pd.array([1, None]), 'b': pd.array([True, None]), 'f': pd.array([1.5, None])})",
)
kept("NaN beside NA", "pd.Series(pd.arrays.FloatingArray(np.array([1, np.nan, 2]), np.array([False, False, True])))")
kept("string dtype", "pd.Series(['a', None], dtype='string')")
kept("an Arrow dtype", "pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))")
kept("objects", "pd.Series([1, 'a', None, [2]], dtype=object)")
kept(
    "None, NaN and NA apart",
    "pd.Series([None, float('nan'), pd.NA], dtype=object)",
    "[type(v).__name__ for v in value]",
)
kept("float32, int8, big-endian", "pd.DataFrame({'a': np.array([1], 'f4'), 'b': np.array([1], 'i1')})")
kept(
    "units of time",
    "pd.DataFrame({'s': np.array([0], 'M8[s]'), 'n': np.array([0], 'M8[ns]'), 'd': np.array([1], 'm8[ms]')})",
)
kept("Interval, Period", "[pd.interval_range(0, 2), pd.period_range('2026-01', periods=2, freq='M')]")
kept("Timestamp, Timedelta, NaT, NA", "[pd.Timestamp('2026-01-01', tz='UTC'), pd.Timedelta('1s'), pd.NaT, pd.NA]", "value",
     "[type(v).__name__ for v in value]")  # fmt: skip
kept("RangeIndex", "pd.RangeIndex(3, 9, 2, name='k')")
kept("a sparse column", "pd.Series(pd.arrays.SparseArray([0, 0, 1]))", "value.dtype", "value.tolist()")
kept("one frame in two places", "twice(frame())", "value[0] is value[1]")
kept("frames in a dict", "{'b': frame(), 'a': frame().i}")
kept("a table of 1,000,000 cells", "pd.DataFrame(np.arange(1e6).reshape(-1, 10))")
TABLE = "pa.table({'a': [1, None], 's': ['x', 'y'], 'l': [[1], None]})"
kept("pyarrow table", TABLE)
kept("pyarrow table with metadata", TABLE + ".replace_schema_metadata({'k': 'v'})")
kept(
    "pyarrow chunks",
    "pa.chunked_array([range(70_000), range(70_000)])",
    "value.num_chunks",
    "len(value)",
    "value[-1]",
    "value.type",
)
kept("pyarrow array", "pa.array([1.5, None, float('nan')])", "value.to_pylist()", "value.type")
kept("pyarrow dictionary", "pa.array(['a', 'b', 'a']).dictionary_encode()", "value.to_pylist()", "value.type")
kept("pyarrow schema", "pa.schema({'a': pa.int64()}, {'k': 'v'})", "value", "value.metadata")
kept("polars DataFrame", "pl.DataFrame({'a': [1, None], 's': ['x', 'y']})")
kept("polars Series", "pl.Series('a', [1.5, None])")
kept(
    "polars categories and structs",
    "pl.DataFrame({'c': pl.Series(['a', 'b'], dtype=pl.Categorical), 's': [{'x': 1}, {'x': 2}]})",
)
kept(
    "xarray Dataset",
    "xr.Dataset({'t': (('x',), np.arange(3.0), {'unit': 'K'})}, {'x': [10, 20, 30]}, {'title': 'run'})",
)
kept("xarray DataArray", "xr.DataArray(np.arange(6).reshape(2, 3), dims=('a', 'b'), name='n', attrs={'u': 1})")
kept(
    "xarray encoding",
    "then(xr.DataArray([1.5], dims='x'), lambda a: a.encoding.update(dtype='f4'))",
    "value.encoding",
    "value.values.tolist()",
)
