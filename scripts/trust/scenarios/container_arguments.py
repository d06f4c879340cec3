"""Arguments: containers, with sharing, cycles and depth."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Containers")
same, differ = GROUP.same, GROUP.differ

same("list", "[1, [2.0, 'a']]", "[1, [2.0, 'a']]")
same("empty list", "[]", "list()")
differ("list and tuple", "[1, 2]", "(1, 2)")
differ("empty list and tuple", "[]", "()")
differ("list's order", "[1, 2]", "[2, 1]")
differ("list's nesting", "[[1], 2]", "[1, [2]]")
differ("list's nesting of empties", "[[], []]", "[[[]]]")
differ("a type deep inside", "[[[1]]]", "[[[1.0]]]")
differ("texts joined otherwise", "['a', 'bc']", "['ab', 'c']")
differ("bytes joined otherwise", "[b'a', b'']", "[b'', b'a']")
same("a dict in another order", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}")
same("a dict of mixed keys in another order", "{1: 'a', 'b': None, (1, 2): 3}", "{(1, 2): 3, 'b': None, 1: 'a'}")
differ("dict's value", "{'a': 1}", "{'a': 2}")
differ("dict's key", "{'a': 1}", "{'b': 1}")
differ("dict's key by type", "{1: 'a'}", "{True: 'a'}")
differ("dict's key of bytes", "{'a': 1}", "{b'a': 1}")
differ("key and value exchanged", "{'a': 'b'}", "{'b': 'a'}")
differ("dict and its items", "{'a': 1}", "[('a', 1)]")
differ("dict and OrderedDict", "{'a': 1}", "OrderedDict(a=1)")
differ("OrderedDict's order", "OrderedDict(a=1, b=2)", "OrderedDict(b=2, a=1)")
same("OrderedDict", "OrderedDict(a=1, b=2)", "OrderedDict([('a', 1), ('b', 2)])")
same("a set of texts under another hash seed", "set('abcdefgh')", "set('hgfedcba')")
same("a set of mixed types", "{1, 'a', (1, 2), None}", "{None, (1, 2), 'a', 1}")
same("a frozenset in a dict's key", "{frozenset('abc'): 1}", "{frozenset('cba'): 1}")
differ("set and frozenset", "{1}", "frozenset({1})")
differ("set and list", "{1}", "[1]")
differ("a set's member by type", "{1}", "{1.0}")
same("shared and copied parts", "twice([1, 2])", "[[1, 2], [1, 2]]")
same("shared and copied texts", "twice('ab' * 100)", "['ab' * 100, 'abab' * 50]")
same(
    "shared parts in other places",
    "then([[1], [1]], lambda v: v.append(v[0]))",
    "then([[1], [1]], lambda v: v.append(v[1]))",
)
same(
    "a dict with itself inside", "then({'a': 1}, lambda d: d.update(me=d))", "then({'a': 1}, lambda d: d.update(me=d))"
)
same("a list that contains itself", "cyclic(1)", "cyclic(1)")
differ("cycles of other parts", "cyclic(1)", "cyclic(2)")
differ("a cycle and none", "cyclic(1)", "[1, []]")
differ("a cycle of one and of two", "cyclic(1)", "then([1, [1]], lambda v: v[1].append(v))")
same("10,000 lists in lists", "deep(10_000)", "deep(10_000)")
differ("10,000 lists in lists, with another leaf", "deep(10_000, 1)", "deep(10_000, 2)")
differ("10,000 and 10,001 lists in lists", "deep(10_000)", "deep(10_001)")
same(
    "10,000 dicts in dicts",
    "functools.reduce(lambda d, i: {'a': d}, range(10_000), 0)",
    "functools.reduce(lambda d, i: {'a': d}, range(10_000), 0)",
)
same(
    "sharing without end",
    "functools.reduce(lambda v, i: [v, v], range(200), 0)",
    "functools.reduce(lambda v, i: [v, v], range(200), 0)",
)
same("a long list", "list(range(100_000))", "list(range(100_000))")
differ("a long list, in one part", "list(range(100_000))", "[*range(99_999), 0]")
same("defaultdict", "defaultdict(list, a=[1])", "then(defaultdict(list), lambda d: d['a'].append(1))")
differ("defaultdict's factory", "defaultdict(list)", "defaultdict(set)")
differ("defaultdict and dict", "defaultdict(list)", "{}")
same("Counter", "Counter('abca')", "Counter({'c': 1, 'a': 2, 'b': 1})")
differ("Counter", "Counter('ab')", "Counter('abb')")
same("deque", "deque([1, 2])", "then(deque([2]), lambda d: d.appendleft(1))")
differ("deque's length", "deque([1], 3)", "deque([1], 4)")
differ("deque and list", "deque([1])", "[1]")
same("ChainMap", "ChainMap({'a': 1}, {'b': 2})", "ChainMap({'a': 1}, {'b': 2})")
differ("ChainMap's layers", "ChainMap({'a': 1}, {'b': 2})", "ChainMap({'a': 1, 'b': 2})")
same("mappingproxy", "MappingProxyType({'a': 1})", "MappingProxyType({'a': 1})")
differ("mappingproxy", "MappingProxyType({'a': 1})", "MappingProxyType({'a': 2})")
same("UserDict", "UserDict(a=1)", "UserDict(a=1)")
differ("UserList", "UserList([1])", "UserList([2])")
same("a namespace", "SimpleNamespace(a=1, b=2)", "SimpleNamespace(b=2, a=1)")
differ("a namespace", "SimpleNamespace(a=1)", "SimpleNamespace(a=2)")
same("array.array", "array.array('i', [1, 2])", "array.array('i', (1, 2))")
differ("array.array's type", "array.array('i', [1])", "array.array('l', [1])")
same("a subclass of list", "MyList([1])", "MyList([1])")
differ("a subclass of list and a list", "MyList([1])", "[1]")
differ("a subclass of dict and a dict", "MyDict(a=1)", "{'a': 1}")
differ("a subclass of tuple and a tuple", "MyTuple((1,))", "(1,)")
differ("a subclass of list with an attribute", "MyList([1])", "then(MyList([1]), lambda v: setattr(v, 'n', 1))")
same("a namedtuple", "Pair(1, 2)", "Pair(b=2, a=1)")
differ("a namedtuple and a tuple", "Pair(1, 2)", "(1, 2)")
differ("two namedtuples of the same fields", "Pair(1, 2)", "Couple(1, 2)")
same("an array in a dict", "{'a': np.arange(3)}", "{'a': np.arange(3)}")
differ("an array in a dict", "{'a': np.arange(3)}", "{'a': np.arange(4)}")
same("views of one array, and copies", "(lambda a: [a, a[1:]])(np.arange(4))", "[np.arange(4), np.arange(1, 4)]")
