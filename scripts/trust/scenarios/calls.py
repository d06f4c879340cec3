"""What happens around a call: arguments and results that are changed, exceptions, iterators."""

from __future__ import annotations

from trust.model import ANEW, HIT, OURS, RUN, TOLD, Act, Group

GROUP = Group("Around a call")
LIST = "@cache\ndef f(x):\n    return [x, [x]]\n"
ARRAY = "import numpy as np\n@cache\ndef f(x):\n    return np.arange(x)\n"

GROUP.living("the caller changes a result", LIST, ("f(3).append(5)", HIT), ("f(3)[1].append(5)", HIT))
GROUP.acts("the caller changes the first return", LIST, Act(RUN, call="f(3).append(5)"), Act(HIT), Act(HIT, fresh=True))
GROUP.acts("the caller changes the first array", ARRAY, Act(RUN, call="f(3).fill(9)"), Act(HIT), Act(HIT, fresh=True))
GROUP.living("the caller changes a hit's array", ARRAY, ("f(3)[0] = 9", HIT))
GROUP.acts(
    "the function changes its argument",
    "@cache\ndef f(x):\n    x.append(1)\n    return len(x)\n",
    Act(RUN, call="f([1, 2])"),
    Act(HIT, call="f([1, 2])"),
    Act(RUN, call="f([1, 2, 1])"),
    Act(HIT, call="f([1, 2])", fresh=True),
)
GROUP.acts(
    "the function changes its array",
    "import numpy as np\n@cache\ndef f(x):\n    x += 1\n    return float(x.sum())\n",
    Act(RUN, call="f(np.zeros(3))"),
    Act(HIT, call="f(np.zeros(3))"),
    Act(RUN, call="f(np.ones(3))"),
    Act(HIT, call="f(np.zeros(3))", fresh=True),
)
GROUP.acts(
    "the caller changes an argument between calls",
    "a = [1]\n@cache\ndef f(x):\n    return len(x)\n",
    Act(RUN, call="f(a)"),
    Act(RUN, before="a.append(2)", call="f(a)"),
    Act(HIT, before="a.pop()", call="f(a)"),
)
GROUP.acts(
    "the result is the argument",
    "a = [1]\n@cache\ndef f(x):\n    return x\n",
    Act(RUN, call="f(a)"),
    Act(RUN, before="a.append(2)", call="f(a)"),
    Act(HIT, before="a.pop()", call="f(a)"),
    Act(HIT, call="f([1])", fresh=True),
)
GROUP.acts(
    "the result is a view of the argument",
    "import numpy as np\na = np.arange(4)\n@cache\ndef f(x):\n    return x[:2]\n",
    Act(RUN, call="f(a).tolist()"),
    Act(RUN, before="a[0] = 7", call="f(a).tolist()"),
    Act(HIT, before="a[0] = 0", call="f(a).tolist()"),
)
RAISING = "@cache\ndef f(x):\n    raise ValueError(x)\n"
GROUP.acts("an exception comes through, and is not stored", RAISING, Act(ANEW), Act(ANEW), Act(ANEW, fresh=True))
GROUP.acts(
    "a call after a fixed exception",
    "N = [0]\n@cache\ndef f(x):\n    if N[0] == 0:\n        raise ValueError(x)\n    return x\n",
    Act(ANEW),
    Act(RUN, before="N[0] = 1"),
    Act(HIT),
)
GROUP.acts(
    "cache_errors=: an exception is a result",
    RAISING.replace("@cache", "@cache(cache_errors=ValueError)"),
    Act(RUN),
    Act(HIT),
    Act(HIT, fresh=True),
    tools=OURS,
)
GROUP.acts(
    "cache_errors=: other exceptions are not stored",
    RAISING.replace("@cache", "@cache(cache_errors=(KeyError, OSError))"),
    Act(ANEW),
    Act(ANEW),
    tools=OURS,
)
BAD = """
class Bad(ValueError):
    def __init__(self, n):
        super().__init__({})
        self.n = n
@cache(cache_errors=ValueError)
def f(x):
    raise Bad(x)
def look():
    try:
        f(3)
    except Bad as e:
        return [str(e), e.n]
"""
GROUP.acts(
    "cache_errors=: a subclass with its attributes",
    BAD.format("n"),
    Act(RUN, call="look()"),
    Act(HIT, call="look()"),
    Act(HIT, call="look()", fresh=True),
    tools=OURS,
)
GROUP.acts(
    "cache_errors=: what pickle would not give back is told",
    BAD.format("f'bad {n}'"),
    Act(TOLD, call="look()"),
    Act(TOLD, call="look()", fresh=True),
    tools=OURS,
)
GROUP.acts(
    "a wrong call raises the function's own error",
    LIST + "def caught():\n    try:\n        f(1, 2, 3)\n    except TypeError as e:\n        return str(e)\n",
    Act(HIT, call="caught()"),
)
GROUP.acts("a returned generator is whole", "@cache\ndef f(x):\n    return (i for i in range(x))\n", Act(TOLD, call="list(f(3))"),
           Act(TOLD, call="list(f(3))", fresh=True))  # fmt: skip
GROUP.acts("a returned iterator of a list is whole", "@cache\ndef f(x):\n    return iter([1, x])\n", Act(TOLD, call="list(f(3))"),
           Act(TOLD, call="list(f(3))", fresh=True))  # fmt: skip
GROUP.acts("a returned map is whole", "@cache\ndef f(x):\n    return map(abs, [1, x])\n", Act(TOLD, call="list(f(3))"),
           Act(TOLD, call="list(f(3))", fresh=True))  # fmt: skip
GROUP.acts("iterators='list': a generator becomes a list", "@cache(iterators='list')\ndef f(x):\n    return (i for i in range(x))\n",
           Act(RUN, call="list(f(3))"), Act(HIT, call="list(f(3))"), Act(HIT, call="list(f(3))", fresh=True), tools=OURS)  # fmt: skip
GROUP.acts("iterators='list': a map becomes a list", "@cache(iterators='list')\ndef f(x):\n    return map(abs, [-1, x])\n",
           Act(RUN, call="list(f(3))"), Act(HIT, call="list(f(3))", fresh=True), tools=OURS)  # fmt: skip
EAT = "@cache\ndef f(x):\n    return list(x)\n"
GROUP.acts(
    "an iterator as an argument is not eaten", EAT, Act(TOLD, call="f(iter([1, 2]))"), Act(TOLD, call="f(iter([1, 2]))")
)
GROUP.acts(
    "a generator as an argument is not eaten",
    EAT,
    Act(TOLD, call="f(i for i in 'ab')"),
    Act(TOLD, call="f(i for i in 'cd')"),
)
GROUP.acts(
    "an open file as an argument is not eaten",
    EAT,
    Act(TOLD, call="len(f(open(__file__)))"),
    Act(TOLD, call="len(f(open(__file__)))"),
)
GROUP.acts("None is a result", "@cache\ndef f(x):\n    return None\n", Act(RUN), Act(HIT), Act(HIT, fresh=True))
GROUP.acts("False is a result", "@cache\ndef f(x):\n    return False\n", Act(RUN), Act(HIT), Act(HIT, fresh=True))
GROUP.acts(
    "NotImplemented is a result",
    "@cache\ndef f(x):\n    return NotImplemented\n",
    Act(RUN),
    Act(HIT),
    Act(HIT, fresh=True),
)
GROUP.acts(
    "no arguments at all", "@cache\ndef f():\n    return 5\n", Act(RUN), Act(HIT), Act(HIT, fresh=True), call="f()"
)
GROUP.acts("*args and **kwargs", "@cache\ndef f(*a, **k):\n    return [a, sorted(k)]\n", Act(RUN, call="f(1, 2, b=3, a=4)"),
           Act(HIT, call="f(1, 2, a=4, b=3)"), Act(RUN, call="f(1, a=4, b=3)"), Act(HIT, call="f(1, 2, b=3, a=4)", fresh=True))  # fmt: skip
GROUP.acts("positional-only parameters", "@cache\ndef f(x, /, **k):\n    return [x, k]\n", Act(RUN, call="f(1, x=2)"),
           Act(RUN, call="f(2, x=1)"), Act(HIT, call="f(1, x=2)", fresh=True))  # fmt: skip
GROUP.acts("a parameter called self", "@cache\ndef f(self, args=1):\n    return [self, args]\n", Act(RUN), Act(RUN, call="f(3, args=2)"),
           Act(HIT, call="f(self=3)", fresh=True))  # fmt: skip
GROUP.acts("the results of threads", "import threading\n@cache\ndef f(x):\n    return x + 1\ndef all_of():\n    out = []\n"
           "    ts = [threading.Thread(target=lambda i=i: out.append(f(i))) for i in range(3)]\n    [t.start() for t in ts]\n    [t.join() for t in ts]\n"
           "    return sorted(out)\n", Act(RUN, call="[f(0), f(1), f(2)]"), Act(HIT, call="all_of()"), Act(HIT, call="all_of()", fresh=True))  # fmt: skip
