"""Results: plain values and containers of them."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Plain results")
kept = GROUP.kept

for value in ("None", "True", "0", "-(2**63)", "2**64", "10**5000", "0.1", "-0.0", "math.inf", "math.nan", "NAN", "1j", "complex(-0.0, math.nan)",
              "''", "'é\\0'", "'\\ud800'", "'a' * 100_000", "b''", "b'\\xff' * 100_000", "bytearray(b'ab')", "...", "NotImplemented"):  # fmt: skip
    kept(value, value)
kept("range", "range(1, 9, 2)")
kept("slice", "slice(1, None, 2)")
kept("Decimal", "[Decimal('1.10'), Decimal('-NaN123'), Decimal('sNaN')]")
kept("Fraction", "Fraction(1, 3)")
kept(
    "datetimes",
    "[datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), date(2026, 1, 1), time(1, 2, tzinfo=UTC), timedelta(1, 2, 3)]",
)
kept("paths", "[Path('a/b'), PurePosixPath('/x'), PureWindowsPath('c:/y')]")
kept("UUID", "uuid.UUID(int=5)")
kept("timezone", "timezone(timedelta(hours=1), 'CET')")
kept("list, tuple, set, frozenset", "[[1], (2,), {3}, frozenset({4})]")
kept("empty containers", "[[], (), {}, set(), frozenset(), '', b'']")
kept("a dict in its order", "{'b': 1, 'a': {2: 'x', 1: 'y'}}")
kept("a dict of odd keys", "{None: 1, 1.5: 2, (1, 'a'): 3, frozenset({1}): 4, b'k': 5}")
kept("OrderedDict", "OrderedDict(b=1, a=2)")
kept("defaultdict", "defaultdict(list, a=[1])", "value", "value.default_factory")
kept("Counter", "Counter('abca')", "value", "list(value.items())")
kept("deque", "deque([1, 2], 5)", "value", "value.maxlen")
kept("ChainMap", "ChainMap({'a': 1}, {'b': 2})", "value.maps")
kept("one list in two places", "twice([1])")
kept("one dict in two places", "twice({'a': 1})")
kept("one tuple in two places", "twice((1, [2]))", "value", "value[0] is value[1]")
kept("a list in a tuple in two places", "twice((1, [2]))", "value[0][1] is value[1][1]")
kept("equal lists that are two", "[[1], [1]]", "value[0] is value[1]")
kept("a list that contains itself", "cyclic(1)")
kept("a dict that contains itself", "then({'a': 1}, lambda d: d.update(me=d))")
kept("3,000 lists in lists", "deep(3_000)")
kept("a subclass of list", "MyList([1])", "value")
kept("a subclass of dict", "MyDict(a=1)", "value")
kept("a subclass of int", "MyInt(5)", "value")
kept("a subclass of str", "MyStr('a')", "value")
kept("namedtuple", "Pair(1, [2])")
kept("collections.namedtuple", "Couple(1, 2)")
kept("a float in a tuple with NaN", "(math.nan, -0.0, 1)")
kept("a namespace", "SimpleNamespace(a=1, b=[2])", "value")
kept("mixed, deep", "{'a': [1, {'b': (2.5, None, {'c': {1, 2}})}], 'd': [True, 'x', b'y']}")
kept("10,000 numbers", "list(range(10_000))")
kept("a pattern", "re.compile('a+', re.I)", "value")
kept("array.array", "array.array('d', [1.5])", "value")
kept("an IP address", "ipaddress.ip_address('10.0.0.1')")
