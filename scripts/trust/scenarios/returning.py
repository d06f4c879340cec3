"""Versions that come back, branches used in turn, and what a function says of its versions."""

from __future__ import annotations

from trust.model import ANEW, HIT, OURS, RUN, Act, Edit, Group

GROUP = Group("Versions side by side")
AB: Edit = ("x + 1", "x + 2")
BA: Edit = ("x + 2", "x + 1")
OWN = "@cache\ndef f(x):\n    return x + 1\n"
HELPER = "def g(x):\n    return x + 1\n@cache\ndef f(x):\n    return g(x)\n"
VALUE = "N = 1\n@cache\ndef f(x):\n    return x + N\n"


def turns(name: str, text: str, there: Edit, back: Edit) -> None:
    """Add a project that goes from A to B, back to A, and to B again."""
    steps = [Act(RUN), Act(RUN, (there,), fresh=True), Act(HIT, (back,), fresh=True), Act(HIT, (there,), fresh=True)]
    GROUP.acts(name, text, *steps)


turns("A, B, A, B: own code", OWN, AB, BA)
turns("A, B, A, B: a helper", HELPER, AB, BA)
turns("A, B, A, B: a global", VALUE, ("N = 1", "N = 2"), ("N = 2", "N = 1"))
turns(
    "A, B, A, B: a class",
    "class A:\n    def g(self, x):\n        return x + 1\n@cache\ndef f(x):\n    return A().g(x)\n",
    AB,
    BA,
)
turns(
    "A, B, A, B: a module",
    "import tools\n@cache\ndef f(x):\n    return tools.g(x)\n--- tools.py\ndef g(x):\n    return x + 1\n",
    AB,
    BA,
)
turns("A, B, A, B: a default", "@cache\ndef f(x, n=1):\n    return x + n\n", ("n=1", "n=2"), ("n=2", "n=1"))
GROUP.acts(
    "two branches used in turn, with other arguments in each",
    HELPER,
    Act(RUN, call="f(1)"),
    Act(RUN, (AB,), call="f(1)", fresh=True),
    Act(RUN, call="f(2)"),
    Act(HIT, (BA,), call="f(1)", fresh=True),
    Act(RUN, call="f(2)"),
    Act(HIT, (AB,), call="f(2)", fresh=True),
    Act(HIT, (BA,), call="f(2)", fresh=True),
)
GROUP.acts(
    "three versions",
    OWN,
    Act(RUN),
    Act(RUN, (AB,), fresh=True),
    Act(RUN, (("x + 2", "x + 3"),), fresh=True),
    Act(HIT, (("x + 3", "x + 1"),), fresh=True),
)
GROUP.acts(
    "an edit of one function leaves its neighbour's results",
    "@cache\ndef f(x):\n    return x + 1\n@cache\ndef g(x):\n    return x * 5\n",
    Act(RUN, call="[f(3), g(3)]"),
    Act(RUN, (AB,), call="f(3)", fresh=True),
    Act(HIT, call="g(3)", fresh=True),
    target="f",
)
VERSION = "@cache(version='1')\ndef f(x):\n    return x + 1\n"
GROUP.acts(
    "version= keeps results through edits", VERSION, Act(RUN), Act(HIT, (("x + 1", "1 + x"),), fresh=True), tools=OURS
)
GROUP.acts("version= with another label", VERSION, Act(RUN), Act(ANEW, (("'1'", "'2'"),), fresh=True), tools=OURS)
GROUP.acts(
    "version= and back",
    VERSION,
    Act(RUN),
    Act(ANEW, (("'1'", "'2'"),), fresh=True),
    Act(HIT, (("'2'", "'1'"),), fresh=True),
    tools=OURS,
)
GROUP.acts(
    "version= does not stand in for closure values",
    "def make(n):\n    @cache(version='1')\n    def f(x):\n        return x + n\n    return f\nf = make(1)\n",
    Act(RUN),
    Act(RUN, (("make(1)", "make(2)"),), fresh=True),
    tools=OURS,
)
GROUP.acts(
    "was= keeps results through a new name",
    OWN,
    Act(RUN),
    Act(
        HIT,
        files="@cache(was='study.f')\ndef better(x):\n    return x + 1\n",
        call="better(3)",
        target="better",
        fresh=True,
    ),
    tools=OURS,
)
GROUP.acts(
    "was= keeps results through another file",
    OWN,
    Act(RUN),
    Act(
        HIT,
        files="from tools import f\n--- tools.py\nfrom caching import cache\n@cache(was='study.f')\ndef f(x):\n    return x + 1\n",
        fresh=True,
    ),
    tools=OURS,
)
GROUP.acts(
    "was= does not take another code's results",
    OWN,
    Act(RUN),
    Act(
        RUN,
        files="@cache(was='study.f')\ndef better(x):\n    return x + 2\n",
        call="better(3)",
        target="better",
        fresh=True,
    ),
    tools=OURS,
)
GROUP.acts(
    "ignore= leaves an argument out",
    "@cache(ignore=['debug'])\ndef f(x, debug=False):\n    return x + 1\n",
    Act(RUN),
    Act(HIT, call="f(3, debug=True)", fresh=True),
    tools=OURS,
)
GROUP.acts(
    "key= stands in for an argument",
    "@cache(key={'x': lambda x: x % 10})\ndef f(x):\n    return x % 10\n",
    Act(RUN),
    Act(HIT, call="f(13)", fresh=True),
    Act(RUN, call="f(14)"),
    tools=OURS,
)
GROUP.acts(
    "ignore_globals= leaves a global out",
    "N = 1\n@cache(ignore_globals=['N'])\ndef f(x):\n    return x + 1 + 0 * N\n",
    Act(RUN),
    Act(HIT, (("N = 1", "N = 2"),), fresh=True),
    tools=OURS,
)
GROUP.acts(
    "accept takes an older version's results",
    OWN,
    Act(RUN),
    Act(ANEW, (("x + 1", "1 + x"),), fresh=True),
    Act(
        HIT,
        (("1 + x", "x - -1"),),
        before="from caching import store\nif store: store.accept(f, from_version=1, reason='the same sum')",
        fresh=True,
    ),
    Act(HIT, fresh=True),
    tools=OURS,
)
