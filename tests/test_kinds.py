"""Digests of every kind of value beyond the plain ones: the same for ever, for copies, and for no other value."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from resultstore import DigestError, digest
from resultstore._identity.encoding import encode
from tests.kinds import ALL, ARROW_ARRAYS

GOLDEN = Path(__file__).parent / "golden" / "digests-1.json"
NAMES = [(library, name) for library, makers in ALL.items() for name in makers]
_NO_COPIES = {"memoryview", "writeable memoryview", "mappingproxy", "calendar", "buffer", "masked hard"}
"""Kinds that pickle refuses, or does not give back as they were."""
if importlib.metadata.version("numpy").startswith("1."):
    _NO_COPIES |= {"generator", "generator of MT", "bits"}  # there a copy spawns other children than the original
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # np.matrix says so of itself


def digests() -> dict[str, dict[str, str]]:
    """Return what `tests/golden/digests-1.json` holds, as it is now."""
    return {
        library: {name: digest(make()).hex()[:32] for name, make in makers.items()} for library, makers in ALL.items()
    }


@pytest.mark.parametrize(("library", "name"), NAMES)
def test_golden_vectors_of_all_kinds(library, name):
    """The digest of a value is the same on every Python, numpy, pandas, pyarrow and scipy that we support."""
    expected = json.loads(GOLDEN.read_text())
    assert digest(ALL[library][name]()).hex()[:32] == expected[library][name]


def test_golden_vectors_are_of_these_kinds():
    """No golden vector is forgotten, none is left over."""
    expected = json.loads(GOLDEN.read_text())
    assert {library: set(names) for library, names in expected.items()} == {k: set(v) for k, v in ALL.items()}


def test_no_two_kinds_share_a_digest():
    """All these values can be told apart, and so can their encodings."""
    made = [make() for makers in ALL.values() for make in makers.values()]
    assert len({digest(value) for value in made}) == len(made)
    assert len({encode(value) for value in made}) == len(made)


@pytest.mark.parametrize(("library", "name"), [pair for pair in NAMES if pair[1] not in _NO_COPIES])
def test_copies_of_all_kinds_are_the_same(library, name):
    """A deep copy and a pickled copy have the digest of the original, inside containers too."""
    value = ALL[library][name]()
    for twin in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert digest(twin) == digest(value)
        assert digest([twin, {"k": twin}]) == digest([value, {"k": value}])


def test_a_fresh_process_agrees():
    """Another process, with another hash seed, gives the same digests."""
    code = "import warnings, json; warnings.simplefilter('ignore'); from tests.test_kinds import digests; print(json.dumps(digests()))"
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert json.loads(done.stdout) == digests()


# -- tables: what is not seen


def test_blocks_and_caches_of_a_frame_are_not_seen():
    """However pandas holds the columns, and whatever it has looked up in them, a frame has one digest."""
    frame = ALL["pandas"]["frame"]()
    one_by_one = pd.DataFrame(index=frame.index, columns=pd.Index([], dtype=object))
    for name in frame.columns:
        one_by_one[name] = frame[name]
    one_by_one.columns = frame.columns
    assert digest(one_by_one) == digest(frame)
    numbers = pd.DataFrame(np.arange(12.0).reshape(3, 4))
    split = pd.concat([numbers.iloc[:, :2], numbers.iloc[:, 2:]], axis=1).set_axis(numbers.columns, axis=1)
    assert digest(split) == digest(numbers)
    before = digest(frame)
    _ = frame.loc[1], frame.index.is_unique, frame["o"].isna(), frame.columns.get_loc("f")
    assert digest(frame) == before


def test_what_lies_under_a_missing_entry_is_not_seen():
    """Nobody can tell what a masked pandas array, or an Arrow null, has in its place."""
    mask = np.array([False, True])
    one = pd.arrays.IntegerArray(np.array([1, 2]), mask)
    other = pd.arrays.IntegerArray(np.array([1, 9]), mask)
    assert digest(one) == digest(other)
    validity = pa.py_buffer(b"\x01")
    arrays = [
        pa.Array.from_buffers(pa.int32(), 2, [validity, pa.py_buffer(np.array([1, n], "<i4"))], 1) for n in (2, 9)
    ]
    assert digest(arrays[0]) == digest(arrays[1])
    ends = pa.py_buffer(np.array([0, 1, 3], "<i4"))
    texts = [
        pa.Array.from_buffers(pa.string(), 2, [validity, ends, pa.py_buffer(data)], 1) for data in (b"abc", b"axy")
    ]
    assert digest(texts[0]) == digest(texts[1]) == digest(pa.array(["a", None]))


@pytest.mark.parametrize("name", ARROW_ARRAYS)
def test_slices_and_chunks_of_arrow_are_not_seen(name):
    """A slice, a selection and a chunked column are told by what they hold, not by where it lies."""
    values, kind = ARROW_ARRAYS[name]
    array = pa.array(values, kind)
    twice = pa.concat_arrays([array.slice(1), array, array])
    assert digest(twice.slice(len(array) - 1, len(array))) == digest(array)
    assert digest(array.take(pa.array([0, 1, 2]))) == digest(array)
    chunks = pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1)])
    assert digest(chunks) == digest(pa.chunked_array([array])) != digest(array)
    assert digest(pa.table({"x": chunks})) == digest(pa.table({"x": array}))
    assert digest(array.slice(0, 2)) != digest(array)


@pytest.mark.parametrize("mode", ["sparse", "dense"])
def test_slices_of_unions_are_not_seen(mode):
    """A union counts by the values that are chosen."""
    codes = pa.array([0, 1, 0], pa.int8())
    if mode == "sparse":
        union = pa.UnionArray.from_sparse(codes, [pa.array([1, 2, 3]), pa.array(["x", "y", "z"])])
    else:
        union = pa.UnionArray.from_dense(codes, pa.array([0, 0, 1], pa.int32()), [pa.array([1, 3]), pa.array(["y"])])
    assert digest(pa.concat_arrays([union, union]).slice(3)) == digest(union) != digest(union.slice(0, 2))


def test_what_a_frame_shows_counts():
    """A cell, a dtype, a name, an order, an index's kind or frequency: each makes another frame."""
    frame = ALL["pandas"]["frame"]()
    others = [
        frame.astype({"i": "int32"}), frame.rename(columns={"i": "j"}), frame.iloc[::-1], frame[list("fibocmt")],
        frame.set_axis(pd.Index([0, 1, 2], dtype="int64")), frame.assign(i=[1, 2, 4]), frame.rename_axis("rows"),
        frame.assign(o=pd.Series(["x", "yN", "one"], dtype=object)), frame.iloc[:2], frame.assign(f=[1.0, np.nan, 0.0]),
    ]  # fmt: skip
    assert len({digest(f) for f in (frame, *others)}) == len(others) + 1


# -- subclasses of the user's own


class Labelled(pd.DataFrame):  # type: ignore[misc]
    """A frame with an attribute that pandas carries along."""

    _metadata = ["unit"]  # noqa: RUF012

    @property
    def _constructor(self):
        return Labelled


class Tagged(np.ndarray):
    """An array with attributes."""


def test_subclasses_of_tables_and_arrays_count_with_class_and_attributes():
    """A subclass is its base's content, its class, and what it adds."""
    frames = [Labelled({"a": [1, 2]}) for _ in range(3)]
    for frame, unit in zip(frames, "mms", strict=True):
        frame.unit = unit
    assert digest(frames[0]) == digest(frames[1]) != digest(frames[2])
    assert digest(frames[0]) != digest(pd.DataFrame({"a": [1, 2]}))
    arrays = [np.zeros(2).view(Tagged) for _ in range(3)]
    for array, unit in zip(arrays, "mms", strict=True):
        array.unit = unit
    assert digest(arrays[0]) == digest(arrays[1]) != digest(arrays[2])
    assert digest(np.zeros(2).view(Tagged)) != digest(np.zeros(2))


def test_labelled_arrays():
    """Of xarray values, dimensions, coordinates, attributes, encodings and names count."""
    xr = pytest.importorskip("xarray")
    array = xr.DataArray(
        np.eye(2), dims=("x", "y"), coords={"x": [1, 2], "z": ("x", [5, 6])}, name="n", attrs={"unit": "m"}
    )
    encoded = array.copy()
    encoded.encoding["scale"] = 1
    stacked = array.stack(k=("x", "y"))  # noqa: PD013 -- it is xarray's
    several = [
        array, array.rename("m"), array.drop_vars("z"), array.transpose(), array.assign_attrs(unit="s"), encoded,
        array.variable, array.to_dataset(), array.isel(x=0), stacked, array.x.variable,
        array.assign_coords(x=[1, 3]), xr.Dataset({"p": array, "q": array}), xr.Dataset({"q": array, "p": array}),
    ]  # fmt: skip
    assert len({digest(value) for value in several}) == len(several)
    for value in several:
        assert digest(copy.deepcopy(value)) == digest(value)
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_polars():
    """Of polars values, names, dtypes and content count, not chunks, nor how categories are numbered."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "a": [1, 2, None],
            "b": ["x", None, "z"],
            "l": [[1], None, []],
            "c": pl.Series(list("uvu"), dtype=pl.Categorical),
        }
    )
    assert digest(pl.concat([frame, frame], rechunk=False).tail(3)) == digest(frame)
    assert digest(pl.concat([frame.head(1), frame.tail(2)], rechunk=False)) == digest(frame)
    several = [
        frame, frame.head(2), frame.rename({"a": "z"}), frame.select("b", "a"), frame["a"], frame["a"].cast(pl.Int32),
        frame["c"], frame["c"].cast(pl.String), frame["c"].cast(pl.Enum(["u", "v"])), frame["b"], pl.DataFrame(),
        pl.Int64, pl.Datetime("us"), pl.Datetime("ms"), pl.Enum(["u"]), pl.Enum(["v"]),
    ]  # fmt: skip
    assert len({digest(value) for value in several}) == len(several)
    for value in several:
        assert digest(copy.deepcopy(value)) == digest(value)
    for value in (frame.lazy(), pl.Series([object()], dtype=pl.Object)):
        with pytest.raises(DigestError):
            digest(value)


def test_tensors():
    """Of torch tensors dtype, shape, gradient and numbers count, not strides."""
    torch = pytest.importorskip("torch")
    array = torch.arange(6.0).reshape(2, 3)
    assert digest(array.t()) == digest(array.t().contiguous()) == digest(copy.deepcopy(array.t()))
    complex_ = torch.tensor([1 + 2j])
    assert digest(complex_.conj()) == digest(complex_.conj().resolve_conj()) != digest(complex_)
    several = [
        array, array.t(), array.double(), array.bfloat16(), array.half(), array.clone().requires_grad_(),
        torch.nn.Parameter(array), torch.zeros(0), torch.tensor(1.0), array.to_sparse(), torch.float32, torch.Size([2]),
        array.numpy(), torch.device("cpu"),
    ]  # fmt: skip
    assert len({digest(value) for value in several}) == len(several)
