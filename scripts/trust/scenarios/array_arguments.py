"""Arguments: numpy arrays, scalars, dtypes and generators; scipy's sparse arrays."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Arrays")
same, differ = GROUP.same, GROUP.differ

for dtype in "b1 i1 >i2 u4 >i8 f2 f4 >f8 c16 S5 U3 M8[s] m8[ns] V4".split():
    same(
        f"an array of {dtype}",
        f"np.arange(4).astype('i1').astype('{dtype}')",
        f"np.arange(4).astype('i1').astype('{dtype}').copy()",
    )
same("an array and a copy", "np.arange(6).reshape(2, 3)", "np.arange(6).reshape(2, 3).copy()")
same("a strided view", "np.arange(10)[::2]", "np.array([0, 2, 4, 6, 8])")
same("a reversed view", "np.arange(3)[::-1]", "np.array([2, 1, 0])")
same("a broadcast array", "np.broadcast_to(np.arange(3), (2, 3))", "np.array([[0, 1, 2], [0, 1, 2]])")
same(
    "a transposed array and Fortran order",
    "np.arange(6).reshape(2, 3).T",
    "np.array([[0, 3], [1, 4], [2, 5]], order='F')",
)
same("a memory map", "mapped(np.arange(5.0))", "np.arange(5.0)")
same("a memory map of two files", "mapped(np.arange(5.0))", "mapped(np.arange(5.0))")
same("a read-only array", "readonly(np.arange(3))", "np.arange(3)")
same("an array of 10 MB", "np.arange(1_250_000.0)", "np.arange(1_250_000.0)")
differ(
    "an array of 10 MB, in one element",
    "np.arange(1_250_000.0)",
    "then(np.arange(1_250_000.0), lambda a: a.__setitem__(7, 0))",
)
differ("an array's element", "np.array([1, 2])", "np.array([1, 3])")
differ("an array's dtype", "np.arange(3, dtype='i4')", "np.arange(3, dtype='i8')")
differ("signed and unsigned", "np.arange(3, dtype='i4')", "np.arange(3, dtype='u4')")
differ("an array's byte order", "np.arange(3, dtype='<i4')", "np.arange(3, dtype='>i4')")
differ("byte order with the same bytes", "np.array([1], '<i2')", "np.array([256], '>i2')")
differ("an array's shape", "np.zeros((2, 3))", "np.zeros((3, 2))")
differ("one dimension and two", "np.zeros(3)", "np.zeros((1, 3))")
differ("empty arrays of other shapes", "np.zeros((0, 3))", "np.zeros((3, 0))")
differ("C and Fortran order", "np.arange(6).reshape(2, 3)", "np.asfortranarray(np.arange(6).reshape(2, 3))")
differ("an array and a list", "np.array([1, 2])", "[1, 2]")
differ("an array of no dimensions and a scalar", "np.array(1.5)", "np.float64(1.5)")
same("an array of no dimensions", "np.array(1.5)", "np.array(1.5)")
differ("0.0 and -0.0 in an array", "np.array([0.0])", "np.array([-0.0])")
differ("float32 and float64 scalars", "np.float32(1)", "np.float64(1)")
same("a numpy scalar", "np.float32(0.1)", "np.float32(0.1)")
differ("datetime64 units", "np.datetime64('2026-01-01', 'D')", "np.datetime64('2026-01-01', 's')")
differ("timedelta64 units", "np.timedelta64(1, 's')", "np.timedelta64(1000, 'ms')")
differ("NaT and a time", "np.array(['NaT'], 'M8[s]')", "np.array([0], 'M8[s]')")
differ("S and U", "np.array(['a'])", "np.array([b'a'])")
differ("the width of texts", "np.array(['a'], 'U1')", "np.array(['a'], 'U2')")
RECORD = "np.array([(1, 2.0)], [('a', 'i4'), ('b', 'f8')])"
same("records", RECORD, RECORD)
differ("records' field names", RECORD, RECORD.replace("'b'", "'c'"))
differ("records' titles", RECORD, RECORD.replace("('a',", "(('t', 'a'),"))
differ(
    "records' alignment",
    "np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')]))",
    "np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True))",
)
same("records' padding", "then(np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True)), lambda v: v.view('u1').__setitem__(3, 9))",
     "np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True))")  # fmt: skip
differ("a record array's class", RECORD, RECORD + ".view(np.recarray)")
same("objects", "objects(1, 'a', [2])", "objects(1, 'a', [2])")
differ("objects' types", "objects(1, 'a')", "objects(1.0, 'a')")
differ("objects deep inside", "objects([[1]])", "objects([[2]])")
same("objects shared and copied", "objects(*twice('ab' * 9))", "objects('ab' * 9, 'abab' * 4 + 'ab')")
same("a masked array", "np.ma.masked_equal([1, 2, 3], 2)", "np.ma.masked_equal([1, 2, 3], 2)")
differ("a masked array's mask", "np.ma.array([1, 2], mask=[0, 1])", "np.ma.array([1, 2], mask=[1, 0])")
differ(
    "a masked array's fill value",
    "np.ma.array([1, 2], mask=[0, 1], fill_value=5)",
    "np.ma.array([1, 2], mask=[0, 1], fill_value=6)",
)
differ("a hard mask", "np.ma.array([1, 2], mask=[0, 1], hard_mask=True)", "np.ma.array([1, 2], mask=[0, 1])")
differ("a masked array and a plain one", "np.ma.array([1, 2])", "np.array([1, 2])")
differ("a matrix and an array", "np.array([[1, 2]])", "np.asmatrix([[1, 2]])")
same("a matrix", "np.asmatrix([[1, 2]])", "np.asmatrix([[1, 2]])")
same("a subclass of ndarray", "np.arange(3).view(MyArray)", "np.arange(3).view(MyArray)")
differ("a subclass of ndarray and a plain one", "np.arange(3).view(MyArray)", "np.arange(3)")
same(
    "variable texts",
    "np.array(['a', 'bcd'], dtype=np.dtypes.StringDType())",
    "np.array(['a', 'bcd'], dtype=np.dtypes.StringDType())",
)
differ(
    "variable texts",
    "np.array(['a', 'bcd'], dtype=np.dtypes.StringDType())",
    "np.array(['a', 'bce'], dtype=np.dtypes.StringDType())",
)
same("a dtype", "np.dtype('f4')", "np.dtype(np.float32)")
differ("a dtype", "np.dtype('f4')", "np.dtype('f8')")
same("a ufunc", "np.add", "np.add")
differ("a ufunc", "np.add", "np.subtract")
same("a random generator", "rng(1)", "rng(1)")
same("a random generator after the same draws", "rng(1, draws=5)", "rng(1, draws=5)")
differ("a random generator's seed", "rng(1)", "rng(2)")
differ("a random generator after a draw", "rng(1)", "rng(1, draws=1)")
differ("random generators of two kinds", "rng(1)", "rng(1, kind=np.random.MT19937)")
same("a RandomState", "np.random.RandomState(1)", "np.random.RandomState(1)")
differ("a RandomState after a draw", "np.random.RandomState(1)", "then(np.random.RandomState(1), lambda r: r.rand())")
same("a SeedSequence", "np.random.SeedSequence(5)", "np.random.SeedSequence(5)")
same("a polynomial", "np.polynomial.Polynomial([1, 2])", "np.polynomial.Polynomial([1, 2])")
SPARSE = "sparse.csr_array(np.array([[0, 1], [2, 0]]))"
same("csr_array", SPARSE, SPARSE)
differ("csr_array's value", SPARSE, SPARSE.replace("2", "3"))
differ("csr and csc", SPARSE, SPARSE.replace("csr", "csc"))
differ("csr_array and csr_matrix", SPARSE, SPARSE.replace("csr_array", "csr_matrix"))
differ("a sparse array's shape", "sparse.csr_array((2, 3))", "sparse.csr_array((3, 2))")
differ("a sparse array's dtype", SPARSE, SPARSE + ".astype('f4')")
same("coo_array", SPARSE + ".tocoo()", SPARSE + ".tocoo()")
same("dia_array", "sparse.dia_array(np.eye(3))", "sparse.dia_array(np.eye(3))")
same("lil_array", SPARSE + ".tolil()", SPARSE + ".tolil()")
