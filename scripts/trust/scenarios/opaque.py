"""Things without content: locks, loggers, files, memo dicts. They must not break caching, nor make each call a miss."""

from __future__ import annotations

from trust.model import HIT, OURS, RUN, TOLD, Act, Group

GROUP = Group("Things without content")


def opaque(name: str, head: str, body: str) -> None:
    """Add a project whose function uses something that has no content to be known by."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    text = f"{head}\n@cache\ndef f(x):\n{lines}"
    GROUP.acts(name, text, Act(RUN), Act(HIT), Act(HIT, fresh=True), Act(RUN, call="f(4)"), Act(HIT, fresh=True))


opaque("a lock", "import threading\nL = threading.Lock()", "with L:\n    return x + 1")
opaque("a reentrant lock", "import threading\nL = threading.RLock()", "with L:\n    return x + 1")
opaque("a condition", "import threading\nL = threading.Condition()", "with L:\n    return x + 1")
opaque("a semaphore", "import threading\nL = threading.Semaphore(2)", "with L:\n    return x + 1")
opaque("an event", "import threading\nE = threading.Event()", "E.set()\nreturn x + 1")
opaque("a logger", "import logging\nlog = logging.getLogger(__name__)", "log.debug('x = %s', x)\nreturn x + 1")
opaque("a logger with a handler", "import logging\nlog = logging.getLogger('a')\nlog.addHandler(logging.NullHandler())",
       "log.info('x')\nreturn x + 1")  # fmt: skip
opaque("standard output", "import sys\nout = sys.stderr", "out.write('')\nreturn x + 1")
opaque("an open file", "import os\nlog = open(os.devnull, 'w')", "log.write('x')\nreturn x + 1")
opaque("a binary file", "import os\nlog = open(os.devnull, 'wb')", "log.write(b'x')\nreturn x + 1")
opaque("a sentinel", "MISSING = object()", "y = MISSING if x == 0 else x\nreturn 0 if y is MISSING else y + 1")
opaque("thread-local data", "import threading\nT = threading.local()", "T.x = x\nreturn T.x + 1")
opaque("a memo dict that the function fills", "MEMO = {}", "if x not in MEMO:\n    MEMO[x] = x + 1\nreturn MEMO[x]")
opaque(
    "a memo dict that a helper fills",
    "MEMO = {}\ndef g(x):\n    if x not in MEMO:\n        MEMO[x] = x + 1\n    return MEMO[x]",
    "return g(x)",
)
opaque("a memo dict that a recursion fills",
       "MEMO = {}\ndef fib(n):\n    if n in MEMO:\n        return MEMO[n]\n    r = n if n < 2 else fib(n - 1) + fib(n - 2)\n    MEMO[n] = r\n    return r",
       "return fib(x) + 1")  # fmt: skip
opaque("a memo dict by setdefault", "MEMO = {}", "return MEMO.setdefault(x, x + 1)")
opaque("a memo dict by get", "MEMO = {}", "y = MEMO.get(x)\nif y is None:\n    y = MEMO[x] = x + 1\nreturn y")
opaque(
    "a memo dict of a helper's default",
    "def g(x, memo={}):\n    if x not in memo:\n        memo[x] = x + 1\n    return memo[x]",
    "return g(x)",
)
opaque("a list that the function adds to", "SEEN = []", "SEEN.append(x)\nreturn x + 1")
opaque("a counter that the function counts", "COUNT = 0", "global COUNT\nCOUNT += 1\nreturn x + 1")
opaque("a singleton, made when it is first needed",
       "_table = None\ndef table():\n    global _table\n    if _table is None:\n        _table = {'n': 1}\n    return _table", "return x + table()['n']")  # fmt: skip
opaque("a singleton of a class, made when it is first needed",
       "class A:\n    one = None\n    @classmethod\n    def get(cls):\n        if cls.one is None:\n            cls.one = cls()\n        return cls.one\n"
       "    def g(self, x):\n        return x + 1", "return A.get().g(x)")  # fmt: skip
opaque("an object that caches in itself",
       "from functools import cached_property\nclass A:\n    n = 1\n    @cached_property\n    def m(self):\n        return self.n + 0\na = A()",
       "return x + a.m")  # fmt: skip
opaque("a weak dictionary", "import weakref\nW = weakref.WeakValueDictionary()", "W.get(x)\nreturn x + 1")
opaque(
    "an executor",
    "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)",
    "return pool.submit(abs, x).result() + 1",
)
opaque("a context variable", "import contextvars\nV = contextvars.ContextVar('V', default=1)", "return x + V.get()")
opaque(
    "a warning filter",
    "import warnings",
    "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    return x + 1",
)
opaque("a module used as a handle", "import sys", "sys.getsizeof(x)\nreturn x + 1")
opaque("a timer", "import time", "start = time.perf_counter()\ny = x + 1\ntime.perf_counter() - start\nreturn y")
opaque("lru_cache", "import functools\n@functools.lru_cache\ndef g(x):\n    return x + 1", "return g(x)")

GROUP.acts(
    "a memo dict's function is edited",
    "MEMO = {}\n@cache\ndef f(x):\n    if x not in MEMO:\n        MEMO[x] = x + 1\n    return MEMO[x]\n",
    Act(RUN),
    Act(HIT, fresh=True),
    Act(RUN, (("x + 1", "x + 2"),), fresh=True),
)
GROUP.acts(
    "a dict that others fill is no memo",
    "T = {3: 1}\ndef put(v):\n    T[3] = v\n@cache\ndef f(x):\n    return T[x]\n",
    Act(RUN),
    Act(RUN, before="put(2)"),
    Act(HIT, before="put(1)"),
)
GROUP.acts(
    "a generator in a global is told of",
    "G = (i for i in range(100))\n@cache\ndef f(x):\n    return [x, next(G, None) is not None]\n",
    Act(TOLD),
    Act(TOLD, fresh=True),
)
GROUP.acts(
    "a generator in a global, with on_mutable='allow'",
    "G = (i for i in range(100))\n@cache(on_mutable='allow')\ndef f(x):\n    return [x, next(G, None) is not None]\n",
    Act(RUN),
    Act(HIT, fresh=True),
    tools=OURS,
)
GROUP.acts(
    "a generator in a global, with ignore_globals=",
    "G = (i for i in range(100))\n@cache(ignore_globals='G')\ndef f(x):\n    return [x, next(G, None) is not None]\n",
    Act(RUN),
    Act(HIT, fresh=True),
    tools=OURS,
)
