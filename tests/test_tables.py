"""pandas tables as results: a hit cannot be told from what was computed, and no pickle is written for it."""

from __future__ import annotations

import contextlib
import copy
import datetime
import mmap
import sqlite3
import struct
import subprocess
import sys
import warnings
from typing import Any

import dateutil.tz
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from resultstore import CacheWarning, Store
from resultstore.formats.prepare import prepare
from resultstore.formats.registry import format_named
from resultstore.formats.tree import put_together, take_apart
from resultstore.testing import assert_same
from resultstore.testing._tables import assert_same_array, assert_same_dtype, assert_same_pandas
from tests.tables import COLUMNS, FRAMES, INDEXES, through_bytes
from tests.test_results import round_trip

_box: list[Any] = []
_ran: list[int] = []


def produce(number):
    """Return what lies in the box: a global that is not looked at."""
    _ran.append(number)
    return _box[number]


def hits(folder, values, *, pickled=False):
    """Return what a newly opened store gives for results, all of them hits; check who wrote pickle."""
    _box[:], _ran[:] = values, []
    with Store(folder) as store:
        cached = store.cache(produce, ignore_globals=["_box", "_ran"])
        for number in range(len(values)):
            cached(number)
    with Store(folder) as store:
        cached = store.cache(produce, ignore_globals=["_box", "_ran"])
        loaded = [cached(number) for number in range(len(values))]
        assert store.verify() == []
    assert _ran == list(range(len(values)))
    with contextlib.closing(sqlite3.connect(folder / "index.sqlite")) as index:
        kinds = {row[0] for row in index.execute("SELECT kind FROM call")}
        formats = {row[0] for row in index.execute("SELECT format FROM payload")}
    assert kinds == {"pickle"} if pickled else kinds <= {"tree", "json", "leaf"}
    assert ("pickle" in formats) is pickled
    return loaded


def compare(values, loaded, check):
    """Compare results one by one, and say which one failed."""
    for number, (value, back) in enumerate(zip(values, loaded, strict=True)):
        try:
            check(value, back)
        except AssertionError as error:
            error.add_note(f"value {number}: {value!r:.300}")
            raise


def test_series_of_every_dtype_come_back(folder):
    """A series of every dtype comes back with type, dtype, bits and the kind of its missing values."""
    compare(COLUMNS, hits(folder, COLUMNS), assert_same_pandas)


def test_indexes_of_every_kind_come_back(folder):
    """An index of every kind comes back with type, dtype, name, frequency, levels and codes."""
    compare(INDEXES, hits(folder, INDEXES), assert_same_pandas)


def test_frames_come_back(folder):
    """Frames of all dtypes at once, empty, wide, with duplicate, odd or nested column names, flags and attrs come back."""
    compare(FRAMES, hits(folder, FRAMES), assert_same_pandas)


def test_arrays_dtypes_and_scalars_of_pandas_come_back(folder):
    """pandas' arrays, the dtypes that are more than a name, and its scalars are results too."""
    arrays = [column.array for column in COLUMNS if not isinstance(column.dtype, np.dtype)]
    compare(arrays, hits(folder / "arrays", arrays), assert_same_array)
    dtypes = [
        c.dtype for c in COLUMNS if isinstance(c.dtype, (pd.CategoricalDtype, pd.DatetimeTZDtype, pd.PeriodDtype))
    ]
    compare(dtypes, hits(folder / "dtypes", dtypes), assert_same_dtype)
    berlin = pd.Timestamp(1603589400, unit="s", tz="Europe/Berlin")
    scalars = [
        pd.NA, pd.NaT, pd.Timestamp("2020-01-01T00:00:00.123456789"), pd.Timestamp("0001-01-01").as_unit("s"), berlin,
        pd.Timestamp("2020", tz=datetime.UTC), pd.Timedelta("1ns"), pd.Timedelta(1, "s").as_unit("s"), pd.Period("2020Q1", "Q-NOV"),
        pd.Interval(0, 1.5, "both"), pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021")),
    ]  # fmt: skip
    loaded = hits(folder, scalars)
    compare(scalars, loaded, assert_same)
    assert [getattr(x, "unit", None) for x in scalars] == [getattr(x, "unit", None) for x in loaded]
    assert loaded[4].fold == berlin.fold == 1
    assert type(loaded[4].tz) is type(berlin.tz)


def test_tables_inside_results_come_back(folder, sql):
    """Tables inside containers come back; one table at two places is one again, with one index where there was one."""
    frame = FRAMES[9]
    value = {"frame": frame, "again": [frame, frame.index], "series": frame["a"], "array": np.arange(3)}
    (back,) = hits(folder, [value])
    assert_same_pandas(frame, back["frame"])
    assert_same_pandas(frame["a"], back["series"])
    assert back["frame"] is back["again"][0]
    assert back["frame"].index is back["again"][1]
    back["series"].iloc[0] = 77
    assert back["frame"].iloc[0, 0] == 1
    assert {row[0] for row in sql("SELECT format FROM payload")} == {"arrow", "npy"}


class OwnFrame(pd.DataFrame):  # type: ignore[misc]
    """A subclass, as geopandas has."""

    @property
    def _constructor(self):
        return OwnFrame


class Anything:
    """A class of the user's own."""

    def __eq__(self, other):
        return type(other) is Anything

    __hash__ = None  # type: ignore[assignment]


def _knot() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, None]}, dtype=object)
    frame.iloc[1, 0] = frame
    return frame


REFUSED = [
    OwnFrame({"a": [1]}), pd.Series(pd.arrays.SparseArray([0, 0, 1])), pd.DataFrame({"a": [1, Anything()]}),
    pd.DataFrame({"a": [1]}, index=pd.date_range("2020", periods=1, freq=pd.DateOffset(months=2))), pd.Series([1], name=Anything),
    pd.Series(pd.date_range("2020", periods=2, tz=dateutil.tz.tzoffset("here", 3600))), pd.Index([1], name=np.dtype("i4")),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_not_surely_whole_goes_by_pickle(folder, number):
    """Subclasses, sparse columns, objects, odd frequencies and zones go by marked pickle and come back equal."""
    (back,) = hits(folder, [REFUSED[number]], pickled=True)
    assert type(back) is type(REFUSED[number])
    if isinstance(back, pd.DataFrame):
        pd.testing.assert_frame_equal(back, REFUSED[number], check_freq=True)
    elif isinstance(back, pd.Series):
        pd.testing.assert_series_equal(back, REFUSED[number])


def test_frames_that_contain_themselves_go_by_pickle(folder):
    """A frame with itself in one of its cells is no tree."""
    (back,) = hits(folder, [_knot()], pickled=True)
    assert back.iloc[1, 0].shape == (2, 1)


CHANGES = {
    "add": lambda frame: frame.__setitem__("a", frame["a"] + 1),
    "add in place": lambda frame: frame["a"].__iadd__(1),
    "cell": lambda frame: frame.iloc.__setitem__((0, 0), 5),
    "label": lambda frame: frame.loc.__setitem__((0, "b"), 7),
    "row": lambda frame: frame.iloc.__setitem__(0, frame.iloc[1]),
    "values": lambda frame: frame["a"].values.__setitem__(0, 9),  # noqa: PD011
    "block": lambda frame: frame.to_numpy().__setitem__((0, 0), 9),
    "array": lambda frame: frame["a"].array.__setitem__(0, 4),
    "new column": lambda frame: frame.__setitem__("new", 1),
    "sort": lambda frame: frame.sort_values("b", inplace=True, ascending=False),  # noqa: PD002
    "series": lambda frame: frame["a"].iloc.__setitem__(0, 99),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("kind", ["mixed", "block", "strings", "wide"])
def test_loaded_frames_change_like_computed_ones(name, kind):
    """What can be done to a computed frame can be done to a hit, with the same outcome, errors included."""
    numbers = {"a": [1, 2, 3], "b": [4, 5, 6]}
    frame = {
        "mixed": pd.DataFrame({**numbers, "c": [1.5, 2, 3], "d": pd.date_range("2020", periods=3, tz="UTC"), "e": [True, False, True]}),
        "block": pd.DataFrame(numbers),
        "strings": pd.DataFrame({**numbers, "c": ["x", "y", "z"], "d": pd.Categorical(["u", "v", "u"])}),
        "wide": pd.DataFrame({**numbers, **{f"c{i}": np.arange(3) * (i if i % 2 else 0.5) for i in range(120)}}),
    }[kind]  # fmt: skip
    computed, (_, loaded) = frame.copy(), through_bytes(frame)
    outcomes = []
    for one in (computed, loaded):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                CHANGES[name](one)
            except Exception as error:
                outcomes.append((type(error), str(error)))
            else:
                outcomes.append([str(w.message) for w in caught])
    assert outcomes[0] == outcomes[1]
    assert_same_pandas(computed, loaded)


def test_loaded_tables_are_fresh(store):
    """Changing a hit in place changes no later hit, whether its numbers lie in the index or in a file."""
    for rows in (3, 50_000):
        f = store.cache(lambda n: pd.DataFrame({"a": np.arange(n), "b": ["x"] * n, "c": np.ones(n)}))
        f(rows)
        hit = f(rows)
        hit.iloc[0, 0] = 99
        hit["c"] += 1
        again = f(rows)
        assert again.iloc[0, 0] == 0
        assert again["c"].iloc[-1] == 1


def test_numbers_are_not_copied_on_the_way_in():
    """Columns of numbers without nulls are views of the memory that the file was read into."""
    frame = pd.DataFrame(
        {"a": np.arange(10), "b": np.ones(10), "c": ["x"] * 10, "t": pd.date_range("2020", periods=10)}
    )
    _, back = through_bytes(frame)
    for name in "abt":
        base = back[name].to_numpy()
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        assert isinstance(base, pa.Buffer | memoryview), name
        assert base.nbytes if isinstance(base, memoryview) else base.size > 3 * 80


@pytest.mark.parametrize("rows", [20, 20_000])
def test_damaged_arrow_bytes_are_a_miss(folder, sql, rows):
    """One flipped byte of a table, in a file or in the index, is never served."""
    _box[:], _ran[:] = [pd.DataFrame({"a": np.arange(rows), "b": ["x"] * rows})], []
    with Store(folder) as store:
        store.cache(produce, ignore_globals=["_box", "_ran"])(0)
        files = list((folder / "payloads").rglob("*.arrow"))
        assert bool(files) == (rows > 100)
        if files:
            data = bytearray(files[0].read_bytes())
            data[len(data) // 2] ^= 1
            files[0].write_bytes(data)
        else:
            ((data,),) = sql("SELECT inline FROM payload")
            data = bytearray(data)
            data[len(data) // 2] ^= 1
            sql("UPDATE payload SET inline = ?", bytes(data))
        with Store(folder) as again, pytest.warns(CacheWarning, match="cannot be used"):
            assert_same_pandas(again.cache(produce, ignore_globals=["_box", "_ran"])(0), _box[0])
    assert _ran == [0, 0]


def test_files_are_read_without_us(folder):
    """A frame's file is an Arrow file that pyarrow and polars read, with the frame's column names and readable categories."""
    rows = 10_000
    frame = pd.DataFrame(
        {"n": np.arange(rows), "s": [None, "y"] * (rows // 2), "c": pd.Categorical(["u", None] * (rows // 2))}
    )
    frame["t"] = pd.Series(pd.date_range("2020", periods=rows, freq="s", tz="Europe/Berlin")).where(frame["n"] > 0)
    hits(folder, [frame])
    (file,) = (folder / "payloads").rglob("*.arrow")
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_file(source).read_all()
    assert table.column_names == ["n", "s", "c", "t"]
    assert table.column("s").to_pylist()[:2] == [None, "y"]
    assert table.column("c").to_pylist()[:3] == ["u", None, "u"]
    assert [table.column(i).null_count for i in range(4)] == [0, rows // 2, rows // 2, 1]
    assert pl.read_ipc(file)["s"].null_count() == rows // 2


def test_plain_results_import_no_table_library(tmp_path):
    """Results without tables load no table library, and a hit on a table loads its own."""
    code = (
        "import sys\nfrom resultstore import Store\nf = Store('results').cache(divmod)\nf(7, 2); f(7, 2)\n"
        "print([m for m in ('pandas', 'pyarrow', 'polars', 'scipy', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_texts_and_nan_keep_their_identity():
    """What is missing in a column of objects is None, or the usual NaN, or what it was."""
    nan = struct.unpack("d", struct.pack("Q", 0x7FF8000000000123))[0]
    for missing in (None, np.nan, nan, pd.NA, pd.NaT):
        column = pd.Series(["a", missing, "b"] * 50, dtype=object)
        kind, back = through_bytes(column)
        assert kind == "tree"
        assert_same_pandas(column, back)


# -- any frame ---------------------------------------------------------------------------------

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_names = st.one_of(
    _texts, st.integers(-5, 5), st.none(), st.tuples(_texts, st.integers(0, 3)), st.floats(allow_nan=False)
)


def _numpy_column(rows: int) -> st.SearchStrategy[Any]:
    dtypes = st.sampled_from("? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 >f8 M8[s] M8[ns] m8[us]".split())
    return dtypes.flatmap(lambda dtype: hnp.arrays(dtype, rows)).map(pd.Series)


def _listed(rows: int, values: st.SearchStrategy[Any], dtype: Any) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | values, min_size=rows, max_size=rows).map(lambda x: pd.Series(x, dtype=dtype))


def _columns(rows: int) -> st.SearchStrategy[Any]:
    integers, plain = st.integers(-100, 100), st.none() | st.booleans() | st.integers() | st.floats() | _texts
    moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
    return st.one_of(
        _numpy_column(rows),
        _listed(rows, integers, "Int16"),
        _listed(rows, st.booleans(), "boolean"),
        _listed(rows, _texts, "string[python]"),
        _listed(rows, _texts, "string[pyarrow]"),
        _listed(rows, _texts, object),
        _listed(rows, plain, object),
        _listed(rows, st.sampled_from("abc"), pd.CategoricalDtype(list("cab"), ordered=True)),
        _listed(rows, integers, pd.ArrowDtype(pa.int32())),
        _listed(rows, moments, "datetime64[us, Europe/Berlin]") if rows else st.nothing(),
        _listed(rows, st.lists(integers, max_size=2), object),
    )


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    """Return a frame of any columns with any index and any names."""
    rows = draw(st.integers(0, 5))
    columns = draw(st.lists(_columns(rows), max_size=5))
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(rows))
    if columns:
        frame.columns = pd.Index(
            draw(st.lists(_names, min_size=len(columns), max_size=len(columns))), tupleize_cols=False
        )
    labels = draw(_columns(rows))
    if labels.dtype != "float16":  # pandas has no index of it
        frame.index = pd.Index(labels, name=draw(_names))
    return frame


@given(frames())
def test_any_frame_comes_back(frame):
    """Whatever columns, index and names a frame has, it comes back whole, and copying it first changes nothing."""
    kind, back = through_bytes(frame)
    assert kind in ("tree", "json")
    assert_same_pandas(frame, back)
    assert_same_pandas(frame, through_bytes(copy.deepcopy(frame))[1])


def test_a_table_is_stored_once(store, sql):
    """Equal frames computed by two calls share their file."""
    f = store.cache(lambda n: pd.DataFrame({"a": np.arange(50_000), "b": ["x"] * 50_000}))
    f(1)
    f(2)
    assert sql("SELECT count(*) FROM payload WHERE format = 'arrow'") == [(1,)]


def test_two_hits_share_no_memory(folder):
    """Two loads of one table share no memory."""
    frame = pd.DataFrame({"a": np.arange(5_000.0), "b": ["x"] * 5_000})
    first, second = round_trip(Store(folder), frame)
    assert not np.shares_memory(first["a"].to_numpy(), second["a"].to_numpy())


# -- mapped files ------------------------------------------------------------------------------


def mapped(value, folder, mode):
    """Return a result whose leaves are mapped from files, and where each file lies in memory."""
    parts, result = prepare(take_apart(value))
    leaves, places = [], []
    for number, part in enumerate(parts):
        path = folder / f"{number}{part.encoded.suffix}"
        path.write_bytes(part.encoded.head + bytes(part.encoded.body))
        with path.open("rb") as file:
            access = mmap.ACCESS_READ if mode == "r" else mmap.ACCESS_COPY
            mapping = mmap.mmap(file.fileno(), 0, access=access)
        start = np.frombuffer(mapping, np.uint8).ctypes.data
        places.append(range(start, start + len(mapping)))
        leaves.append(format_named(part.facts.format).map(mapping, part.facts, str(path), mode, mapping[:8]))
    return put_together(result.kind, result.text, leaves), places


@pytest.mark.parametrize("mode", ["r", "c"])
def test_mapped_frames_show_the_file_itself(tmp_path, mode):
    """Numbers, dates, codes and masked values of a mapped frame lie in the map, read-only or copy-on-write."""
    rows = 1000
    mixed = pd.DataFrame({"i": np.arange(rows), "f": np.ones(rows), "t": pd.date_range("2020", periods=rows, tz="UTC")})
    mixed = mixed.assign(c=pd.Categorical(["u", "v"] * 500), n=pd.array([1, None] * 500, "Int64"), s="text")
    block = pd.DataFrame(np.arange(20.0).reshape(10, 2), columns=["i", "f"])
    for frame in (mixed, block):
        back, places = mapped(frame, tmp_path, mode)
        assert_same_pandas(frame, back)
        arrays = [np.asarray(back["i"]), np.asarray(back["f"])]
        if frame is mixed:
            arrays += [back["t"].array.asi8, back["c"].array.codes, back["n"].array._data]
        for array in arrays:
            assert any(array.ctypes.data in place for place in places)
        if mode == "r":
            with pytest.raises(ValueError, match="read-only"):
                back.iloc[0, 0] = 7
            assert back.assign(i=back["i"] + 1)["i"].iloc[0] == frame["i"].iloc[0] + 1
        else:
            back.iloc[0, 0] = 7
            assert back.iloc[0, 0] == 7
        assert_same_pandas(frame, mapped(frame, tmp_path, mode)[0])
        back = back.copy()
        back.iloc[0, 0] = 8
        assert [len(back), back["f"].sum(), back.sort_values("i").index[0]] == [len(frame), frame["f"].sum(), 1]


@pytest.mark.parametrize("mode", ["r", "c"])
def test_all_mapped_frames_are_equal_to_read_ones(tmp_path, mode):
    """Every frame of every dtype comes back from mapped files as it does from read ones."""
    for number, frame in enumerate(FRAMES):
        parts, result = prepare(take_apart(frame))
        # An array in a cell of a mapped frame is a map itself.
        if result.kind == "tree" and not any(".flat[" in part.leaf.path for part in parts):
            folder = tmp_path / str(number)
            folder.mkdir()
            assert_same_pandas(frame, mapped(frame, folder, mode)[0])


@pytest.mark.parametrize("make", [
    lambda: pd.Series(pd.date_range("2026-01-01", periods=3)).array,
    lambda: pd.array(np.array([1, 2], "m8[ns]")),
    lambda: pd.date_range("2026-01-01", periods=3).array,
])  # fmt: skip
def test_arrays_of_dates_stay_pandas_own(store, make):
    """An array of dates without a zone that stands on its own comes back as pandas' array, not as numpy's."""
    f = store.cache(lambda: [make()])
    f()
    assert type(f()[0]) is type(make())
    assert list(f()[0]) == list(make())


def test_a_series_that_pandas_would_not_take_again(store):
    """A series whose name has become unhashable goes by pickle, and hits."""
    f = store.cache(lambda: pd.DataFrame({"a": [1]}, index=pd.Index([[1]], dtype=object)).T.iloc[:, 0])
    f()
    assert f().name == [1]
    assert store.stats().misses == 1
