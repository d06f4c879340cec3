"""Results: numpy arrays and what is near to them."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Array results")
kept = GROUP.kept

for dtype in "b1 i1 <i4 >i8 u2 f2 <f4 >f8 c8 S3 U4 M8[us] m8[D] V5".split():
    kept(f"an array of {dtype}", f"np.arange(4).astype('i1').astype('{dtype}')")
kept("C order", "np.arange(6.0).reshape(2, 3)")
kept("Fortran order", "np.asfortranarray(np.arange(6.0).reshape(2, 3))")
kept("a transposed array", "np.arange(24.0).reshape(2, 3, 4).transpose(2, 1, 0)")
kept("a contiguous slice", "np.arange(10.0)[2:6]")
kept("no dimensions", "np.array(1.5)")
kept("an empty array", "np.zeros((0, 3), 'f4')")
kept("read-only", "readonly(np.arange(3))")
kept("NaN's bits, -0.0", "np.array([NAN, math.nan, -0.0])")
kept("NaT", "np.array(['2026-01-01', 'NaT'], 'M8[s]')")
kept("10 MB", "np.arange(1_250_000.0)")
kept("records", "np.array([(1, [2, 3])], [('x', '<f4'), ('y', '>i2', (2,))])")
kept("aligned records", "np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True))")
kept("records with titles", "np.zeros(2, [(('title', 'a'), 'i4')])")
kept(
    "a record array",
    "np.rec.array([(1, 'a')], dtype=[('x', 'i4'), ('s', 'U2')])",
    "value.x.tolist()",
    "value.dtype",
    "value.s.tolist()",
)
kept("objects", "objects(1, 'two', None, [3], {'a': 4})")
kept("objects in Fortran order", "np.asfortranarray(objects(1, 'a', None, 2.5).reshape(2, 2))")
kept("variable texts", "np.array(['a', 'bcd'], dtype=np.dtypes.StringDType())", "value.tolist()", "value.dtype")
kept("a masked array", "np.ma.masked_equal([1, 2, 3], 2)")
kept("a hard mask", "np.ma.array([1, 2], mask=[0, 1], hard_mask=True)")
kept("a masked array's fill value", "np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=-1)")
kept("a masked array without a mask", "np.ma.array([1, 2])")
kept(
    "masked records",
    "np.ma.array([(1, 2.0)], mask=[(0, 1)], dtype=[('a', 'i4'), ('b', 'f8')])",
    "value.mask.tolist()",
    "value.data.tolist()",
    "value.dtype",
)
kept("np.ma.masked", "np.ma.masked", "value is np.ma.masked")
kept("a matrix", "np.asmatrix([[1, 2]])", "value.tolist()", "value.dtype", "value.shape")
kept("a subclass of ndarray", "np.arange(3).view(MyArray)", "value.tolist()", "value.dtype")
kept("one array in two places", "twice(np.arange(5))")
kept("one array in two places, of 1 MB", "twice(np.arange(125_000.0))")
kept("equal arrays that are two", "[np.arange(5), np.arange(5)]")
kept("arrays in a dict in their order", "{'b': np.arange(3), 'a': np.zeros((2, 2), 'f4')}")
kept("an array in a namedtuple", "Pair(np.arange(3), 'x')")
kept("an array in an array of objects", "objects(np.arange(3), np.zeros(2))")
kept("a list of 100 arrays", "[np.full(3, i) for i in range(100)]")
kept(
    "a numpy scalar", "[np.float32(1.5), np.int8(-3), np.bool_(True), np.complex64(1j), np.str_('a'), np.bytes_(b'a')]"
)
kept("numpy's times", "[np.datetime64('2026-01-01', 'ms'), np.timedelta64(5, 's'), np.datetime64('NaT')]")
kept("a record", "np.array([(1, 2.0)], [('a', 'i4'), ('b', 'f8')])[0]", "value.tolist()", "value.dtype")
kept("long doubles", "np.array([np.longdouble(1) / 3])", "value == np.longdouble(1) / 3", "value.dtype")
kept("a dtype", "np.dtype([('a', '>i4')])", "value", "value.isnative")
kept("a random generator", "rng(1, draws=3)", "copy.deepcopy(value).random(3).tolist()")
kept("a polynomial", "np.polynomial.Polynomial([1, 2])", "value.coef.tolist()", "value.domain.tolist()")
for kind in "csr csc coo bsr dia lil dok".split():
    kept(
        f"{kind}_array",
        f"sparse.{kind}_array(np.array([[0, 1], [2, 0]]))",
        "value.toarray().tolist()",
        "value.dtype",
        "value.format",
    )
kept("csr_matrix", "sparse.csr_matrix(np.eye(3))", "value.toarray().tolist()", "value.dtype")
kept("csr_array's flags", "sparse.csr_array(np.triu(np.ones((4, 4))))")
kept("an array, compressed", "np.zeros(50_000)", compression="'zstd'")
