"""Arguments: pandas, pyarrow, polars, xarray."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Tables")
same, differ = GROUP.same, GROUP.differ

FRAME = "frame()"
same("DataFrame", FRAME, FRAME)
same("DataFrame and a copy", FRAME, "frame().copy()")
same("DataFrame of another block layout", "pd.DataFrame({'a': [1, 2], 'b': [3, 4]})",
     "(lambda d: (d.insert(1, 'b', [3, 4]), d)[1])(pd.DataFrame({'a': [1, 2]}))")  # fmt: skip
same("DataFrame from an array and from columns", "pd.DataFrame(np.arange(4).reshape(2, 2), columns=['a', 'b'])",
     "pd.DataFrame({'a': np.array([0, 2]), 'b': np.array([1, 3])})")  # fmt: skip
same(
    "DataFrame after its caches are filled",
    FRAME,
    "then(frame(), lambda d: (d.i, d.index.is_unique, d.columns.get_loc('x')))",
)
same(
    "a slice of a DataFrame",
    "pd.DataFrame({'a': range(10)}).iloc[::2].reset_index(drop=True)",
    "pd.DataFrame({'a': range(0, 10, 2)})",
)
differ("a cell", FRAME, "then(frame(), lambda d: d.__setitem__('i', [1, 2, 4]))")
differ("a column's name", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})")
differ("the order of columns", "pd.DataFrame({'a': [1], 'b': [2]})", "pd.DataFrame({'b': [2], 'a': [1]})")
differ("the order of rows", "pd.DataFrame({'a': [1, 2]})", "pd.DataFrame({'a': [2, 1]})")
differ("a column's dtype", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'a': [1.0]})")
differ("int64 and Int64", "pd.Series([1])", "pd.Series([1], dtype='Int64')")
differ("the index", "pd.DataFrame({'a': [1, 2]})", "pd.DataFrame({'a': [1, 2]}, index=[1, 2])")
differ(
    "the index's name",
    "pd.DataFrame({'a': [1]}, pd.Index([0], name='k'))",
    "pd.DataFrame({'a': [1]}, pd.Index([0], name='m'))",
)
differ(
    "the columns' name",
    "pd.DataFrame({'a': [1]})",
    "then(pd.DataFrame({'a': [1]}), lambda d: setattr(d.columns, 'name', 'k'))",
)
differ("RangeIndex and Index", "pd.Series([1, 2], pd.RangeIndex(2))", "pd.Series([1, 2], pd.Index([0, 1]))")
differ("attrs", FRAME, "with_attrs(frame(), unit='m')")
same("attrs of the same content", "with_attrs(frame(), unit='m', n=1)", "with_attrs(frame(), n=1, unit='m')")
differ("flags", FRAME, "frame().set_flags(allows_duplicate_labels=False)")
differ("DataFrame and Series", "pd.DataFrame({'a': [1]})", "pd.Series([1], name='a')")
same("Series", "pd.Series([1, 2], name='a')", "pd.Series([1, 2], name='a')")
differ("Series' name", "pd.Series([1])", "pd.Series([1], name='a')")
differ("a name's type", "pd.Series([1], name=1)", "pd.Series([1], name='1')")
differ("None and NaN in objects", "pd.Series([None], dtype=object)", "pd.Series([float('nan')], dtype=object)")
differ("NA and NaN", "pd.Series([pd.NA], dtype=object)", "pd.Series([float('nan')], dtype=object)")
CATEGORY = "pd.Categorical(['a'], ['a', 'b'])"
same("categories", CATEGORY, CATEGORY)
differ("unused categories", CATEGORY, "pd.Categorical(['a'], ['a'])")
differ("the order of categories", CATEGORY, "pd.Categorical(['a'], ['b', 'a'])")
differ("ordered categories", CATEGORY, "pd.Categorical(['a'], ['a', 'b'], ordered=True)")
same("a MultiIndex", "pd.MultiIndex.from_product([['a'], [1, 2]])", "pd.MultiIndex.from_tuples([('a', 1), ('a', 2)])")
differ(
    "a MultiIndex's names",
    "pd.MultiIndex.from_product([['a'], [1]], names=['x', 'y'])",
    "pd.MultiIndex.from_product([['a'], [1]], names=['x', 'z'])",
)
same(
    "a DatetimeIndex with a zone",
    "pd.date_range('2026', periods=3, tz='UTC')",
    "pd.date_range('2026', periods=3, tz='UTC')",
)
differ(
    "a zone",
    "pd.date_range('2026-06', periods=3, tz='UTC')",
    "pd.date_range('2026-06', periods=3, tz='UTC').tz_convert('Europe/Berlin')",
)
differ(
    "a frequency",
    "pd.date_range('2026', periods=3)",
    "pd.DatetimeIndex(pd.date_range('2026', periods=3).to_numpy().copy())",
)
differ("a unit of time", "pd.Series(np.array([0], 'M8[s]'))", "pd.Series(np.array([0], 'M8[ms]'))")
same("a Timestamp", "pd.Timestamp('2026-01-01', tz='UTC')", "pd.Timestamp('2026-01-01', tz='UTC')")
differ("a Timestamp and a datetime", "pd.Timestamp('2026-01-01')", "datetime.datetime(2026, 1, 1)")
differ("a Timedelta", "pd.Timedelta('1s')", "pd.Timedelta('2s')")
same("a Period", "pd.Period('2026-01', 'M')", "pd.Period('2026-01', 'M')")
differ("a Period's frequency", "pd.Period('2026-01-01', 'D')", "pd.Period('2026-01-01', 'h')")
same("an Interval", "pd.Interval(0, 1)", "pd.Interval(0, 1)")
differ("an Interval's closed side", "pd.Interval(0, 1, 'left')", "pd.Interval(0, 1, 'right')")
same("pd.NA", "pd.NA", "pd.NA")
differ("pd.NA and pd.NaT", "pd.NA", "pd.NaT")
same("masked floats", "pd.array([1.5, None], dtype='Float64')", "pd.array([1.5, None], dtype='Float64')")
same("masked floats, whatever lies below the mask", "pd.arrays.IntegerArray(np.array([1, 5]), np.array([False, True]))",
     "pd.arrays.IntegerArray(np.array([1, 9]), np.array([False, True]))")  # fmt: skip
same(
    "an Arrow dtype",
    "pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))",
    "pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))",
)
same("a column of lists", "pd.Series([[1], [2, 3]])", "pd.Series([[1], [2, 3]])")
differ("a column of lists", "pd.Series([[1], [2, 3]])", "pd.Series([[1], [2, 4]])")
same(
    "repeated column names", "pd.DataFrame([[1, 2]], columns=['a', 'a'])", "pd.DataFrame([[1, 2]], columns=['a', 'a'])"
)
differ(
    "repeated column names", "pd.DataFrame([[1, 2]], columns=['a', 'a'])", "pd.DataFrame([[2, 1]], columns=['a', 'a'])"
)
differ("empty frames of other columns", "pd.DataFrame({'a': []})", "pd.DataFrame({'b': []})")
same("a sparse column", "pd.Series(pd.arrays.SparseArray([0, 0, 1]))", "pd.Series(pd.arrays.SparseArray([0, 0, 1]))")

TABLE = "pa.table({'a': [1, 2, 3], 's': ['x', None, 'z']})"
same("pyarrow table", TABLE, TABLE)
same("pyarrow: a slice and a table of its own", f"{TABLE}.slice(1)", "pa.table({'a': [2, 3], 's': [None, 'z']})")
same("pyarrow: chunks", f"pa.concat_tables([{TABLE}.slice(0, 1), {TABLE}.slice(1)])", TABLE)
same(
    "pyarrow: what lies below a null",
    "pa.array([1, 2], mask=np.array([False, True]))",
    "pa.array([1, 7], mask=np.array([False, True]))",
)
differ("pyarrow: a cell", TABLE, TABLE.replace("3]", "4]"))
differ("pyarrow: a type", "pa.array([1], pa.int32())", "pa.array([1], pa.int64())")
differ("pyarrow: metadata", TABLE, TABLE + ".replace_schema_metadata({'k': 'v'})")
differ("pyarrow: null and NaN", "pa.array([None], pa.float64())", "pa.array([float('nan')], pa.float64())")
differ("pyarrow: a column's name", "pa.table({'a': [1]})", "pa.table({'b': [1]})")
same(
    "pyarrow: dictionary",
    "pa.array(['a', 'b', 'a']).dictionary_encode()",
    "pa.array(['a', 'b', 'a']).dictionary_encode()",
)
same("pyarrow: nested", "pa.array([[1], None, []])", "pa.array([[1], None, []])")
differ("pyarrow: null and empty", "pa.array([None], pa.list_(pa.int64()))", "pa.array([[]], pa.list_(pa.int64()))")
same("pyarrow schema", "pa.schema({'a': pa.int64()})", "pa.schema({'a': pa.int64()})")
differ("pyarrow schema", "pa.schema({'a': pa.int64()})", "pa.schema({'a': pa.int32()})")
same("pyarrow scalar", "pa.scalar(5)", "pa.scalar(5)")
differ("pyarrow scalar's type", "pa.scalar(5)", "pa.scalar(5, pa.int8())")
same("pyarrow record batch", TABLE + ".to_batches()[0]", TABLE + ".to_batches()[0]")

POLARS = "pl.DataFrame({'a': [1, None], 's': ['x', 'y']})"
same("polars DataFrame", POLARS, POLARS)
same("polars: chunks", f"pl.concat([{POLARS}, {POLARS}], rechunk=False)", f"pl.concat([{POLARS}, {POLARS}]).rechunk()")
differ("polars: a cell", POLARS, POLARS.replace("1", "2"))
differ("polars: a dtype", "pl.Series([1])", "pl.Series([1], dtype=pl.Int8)")
differ("polars: a name", "pl.Series('a', [1])", "pl.Series('b', [1])")
differ("polars: the order of columns", POLARS, POLARS + ".select('s', 'a')")
DATASET = "xr.Dataset({'t': (('x',), np.arange(3.0), {'unit': 'K'})}, {'x': [10, 20, 30]}, {'title': 'run'})"
same("xarray Dataset", DATASET, DATASET)
differ("xarray: attributes of a variable", DATASET, DATASET.replace("'K'", "'C'"))
differ("xarray: attributes", DATASET, DATASET.replace("'run'", "'ran'"))
differ("xarray: coordinates", DATASET, DATASET.replace("30]", "31]"))
differ("xarray: a dimension's name", DATASET, DATASET.replace("('x',)", "('y',)").replace("{'x':", "{'y':"))
same(
    "xarray DataArray",
    "xr.DataArray(np.arange(3), dims='x', name='a')",
    "xr.DataArray(np.arange(3), dims='x', name='a')",
)
differ(
    "xarray DataArray's name",
    "xr.DataArray(np.arange(3), dims='x', name='a')",
    "xr.DataArray(np.arange(3), dims='x', name='b')",
)
