"""Values that the function refers to by global names."""

from __future__ import annotations

from trust.model import HIT, RUN, Act, Group

GROUP = Group("Global values")


def value(name: str, one: str, other: str, head: str = "", use: str = "N") -> None:
    """Add a project whose global value is edited."""
    start = f"{head}\n" if head else ""
    GROUP.changed(
        f"a global {name}", f"{start}N = {one}\n@cache\ndef f(x):\n    return {use}\n", (f"N = {one}", f"N = {other}")
    )


NUMPY, PANDAS = "import numpy as np", "import pandas as pd"
value("int", "1", "2")
value("int that becomes a float", "1", "1.0")
value("int that becomes a bool", "1", "True")
value("float, by its last bit", "0.1", "0.10000000000000002")
value("float's sign of zero", "0.0", "-0.0")
value("complex", "1j", "2j")
value("text", "'a'", "'b'")
value("bytes", "b'a'", "b'b'")
value("None that becomes a number", "None", "0")
value("tuple", "(1, (2,))", "(1, (3,))")
value("list", "[1, 2]", "[1, 3]")
value("list's order", "[1, 2]", "[2, 1]")
value("list that becomes a tuple", "[1, 2]", "(1, 2)")
value("dict's value", "{'a': [1]}", "{'a': [2]}")
value("dict's key", "{'a': 1}", "{'b': 1}")
value("set", "{1, 2}", "{1, 3}", use="sorted(N)")
value("frozenset", "frozenset('ab')", "frozenset('ac')", use="sorted(N)")
value("range", "range(3)", "range(4)")
value("Path", "Path('a')", "Path('b')", "from pathlib import Path", "str(N)")
value("Decimal", "Decimal('1.1')", "Decimal('1.10')", "from decimal import Decimal")
value("Fraction", "Fraction(1, 3)", "Fraction(2, 3)", "from fractions import Fraction")
value("date", "date(2026, 1, 1)", "date(2026, 1, 2)", "from datetime import date")
value("timedelta", "timedelta(1)", "timedelta(2)", "from datetime import timedelta")
value("deque", "deque([1])", "deque([2])", "from collections import deque")
value("Counter", "Counter('ab')", "Counter('abb')", "from collections import Counter")
value(
    "defaultdict's factory", "defaultdict(list)", "defaultdict(dict)", "from collections import defaultdict", "N['a']"
)
value(
    "OrderedDict's order",
    "OrderedDict(a=1, b=2)",
    "OrderedDict(b=2, a=1)",
    "from collections import OrderedDict",
    "list(N)",
)
value("ChainMap", "ChainMap({'a': 1})", "ChainMap({'a': 2})", "from collections import ChainMap", "N['a']")
value(
    "mappingproxy",
    "MappingProxyType({'a': 1})",
    "MappingProxyType({'a': 2})",
    "from types import MappingProxyType",
    "N['a']",
)
value("bytearray", "bytearray(b'a')", "bytearray(b'b')")
value("array", "np.arange(3)", "np.arange(4)", NUMPY, "N.tolist()")
value("array's dtype", "np.arange(3)", "np.arange(3.0)", NUMPY, "N.tolist()")
value("array's shape", "np.zeros((2, 3))", "np.zeros((3, 2))", NUMPY, "N.shape")
value("numpy scalar", "np.float32(1)", "np.float64(1)", NUMPY, "N.dtype.name")
value("dtype", "np.dtype('f4')", "np.dtype('f8')", NUMPY, "N.name")
value("large array, in one element", "np.zeros(10**6); N[5] = 1", "np.zeros(10**6); N[5] = 2", NUMPY, "N.sum()")
value("DataFrame", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'a': [2]})", PANDAS, "N.a.tolist()")
value("DataFrame's columns", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})", PANDAS, "list(N)")
value("class, as a value", "int", "float", use="N(x)")
value("builtin function, as a value", "min", "max", use="N(x, 5)")
value("module, exchanged", "math", "cmath", "import math, cmath", "N.__name__")
value("standard function", "math.floor", "math.ceil", "import math", "N(x + 0.5)")
value("ufunc", "np.add", "np.subtract", NUMPY, "int(N(x, 1))")
value("random generator's seed", "np.random.default_rng(1)", "np.random.default_rng(2)", NUMPY,
      "float(__import__('copy').deepcopy(N).random())")  # fmt: skip

GROUP.changed(
    "a constant made from another",
    "BASE = 1\nN = BASE * 2\n@cache\ndef f(x):\n    return x + N\n",
    ("BASE = 1", "BASE = 2"),
)
GROUP.changed(
    "a global of a function inside",
    "N = 1\n@cache\ndef f(x):\n    def g():\n        return N\n    return g()\n",
    ("N = 1", "N = 2"),
)
GROUP.changed(
    "a global in a class inside",
    "N = 1\n@cache\ndef f(x):\n    class A:\n        n = N\n    return A.n\n",
    ("N = 1", "N = 2"),
)
GROUP.changed(
    "a global in a comprehension's condition",
    "N = 1\n@cache\ndef f(x):\n    return [i for i in range(x) if i > N]\n",
    ("N = 1", "N = 0"),
)
GROUP.changed(
    "a global that appears",
    "@cache\ndef f(x):\n    try:\n        return N\n    except NameError:\n        return 0\n# here\n",
    ("# here", "N = 1"),
)
GROUP.changed(
    "a global that hides a builtin",
    "# here\n@cache\ndef f(x):\n    return abs(x)\n",
    ("# here", "abs = str"),
)
GROUP.living(
    "a global, rebound", "N = 1\n@cache\ndef f(x):\n    return N\n", ("N = 2", RUN), ("N = 1", HIT), ("N = 1.0", RUN)
)
GROUP.living(
    "a global list, changed in place",
    "N = [1, 2]\n@cache\ndef f(x):\n    return sum(N)\n",
    ("N.append(3)", RUN),
    ("N.pop()", HIT),
    ("N[0] = 5", RUN),
    ("N = [1, 2]", HIT),
)
GROUP.living(
    "a global dict, changed deep inside",
    "N = {'a': {'b': [1]}}\n@cache\ndef f(x):\n    return N['a']['b'][0]\n",
    ("N['a']['b'][0] = 2", RUN),
    ("N['a']['b'][0] = 1", HIT),
)
GROUP.living(
    "a list in a global tuple, changed",
    "N = ([1], 2)\n@cache\ndef f(x):\n    return N[0][0]\n",
    ("N[0][0] = 5", RUN),
)
GROUP.living(
    "a global array, changed in place",
    "import numpy as np\nN = np.zeros(1000)\n@cache\ndef f(x):\n    return float(N.sum())\n",
    ("N[3] = 2", RUN),
    ("N[3] = 0", HIT),
)
GROUP.living(
    "a global of another module, rebound",
    "import tools\n@cache\ndef f(x):\n    return tools.N\n--- tools.py\nN = 1\n",
    ("tools.N = 2", RUN),
    ("tools.N = 1", HIT),
)
GROUP.living(
    "a helper's global, rebound",
    "import tools\n@cache\ndef f(x):\n    return tools.g(x)\n--- tools.py\nN = 1\ndef g(x):\n    return x + N\n",
    ("tools.N = 2", RUN),
    ("tools.N = 1", HIT),
)
GROUP.living(
    "a closed-over number, rebound",
    "def make():\n    n = 1\n    def f(x):\n        return n\n    def change(m):\n        nonlocal n\n        n = m\n"
    "    return cache(f), change\nf, change = make()\n",
    ("change(2)", RUN),
    ("change(1)", HIT),
)
GROUP.living(
    "a closed-over list, changed in place",
    "def make():\n    n = [1]\n    def f(x):\n        return n[0]\n    return cache(f), n\nf, n = make()\n",
    ("n[0] = 2", RUN),
    ("n[0] = 1", HIT),
)
GROUP.acts(
    "a global set of texts under another hash seed",
    "N = {'a', 'b', 'c', 'd', 'e'}\n@cache\ndef f(x):\n    return sorted(N)\n",
    Act(RUN),
    Act(HIT, fresh=True),
    Act(RUN, edits=(("'e'}", "'f'}"),), fresh=True),
)
