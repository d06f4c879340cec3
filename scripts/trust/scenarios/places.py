"""Where code lies and how it is started; and installed distributions."""

from __future__ import annotations

import textwrap

from trust.model import ANEW, HIT, RUN, Act, Group

GROUP = Group("Places, starts, distributions")
CHANGE = ("x + 1", "x + 2")
WHOLE = "import tools\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n    return g(x) + tools.h(x)\n--- tools.py\ndef h(x):\n    return x * 2\n"

GROUP.acts("another working directory", WHOLE, Act(RUN), Act(HIT, elsewhere=True, fresh=True))
GROUP.acts("the project in another folder", WHOLE, Act(RUN), Act(HIT, moved=True, fresh=True))
GROUP.acts("another folder, and an edit", WHOLE, Act(RUN), Act(RUN, (CHANGE,), moved=True, fresh=True))
for entry in ("script", "command", "exec", "notebook 1"):
    GROUP.changed(
        f"the function, started as {entry.partition(' ')[0]}",
        "@cache\ndef f(x):\n    return x + 1\n",
        CHANGE,
        entry=entry,
    )
    GROUP.changed(f"a helper, started as {entry.partition(' ')[0]}", WHOLE, CHANGE, entry=entry)
    GROUP.changed(f"a helper's file, started as {entry.partition(' ')[0]}", WHOLE, ("x * 2", "x * 3"), entry=entry)
GROUP.acts("a script in another folder", WHOLE, Act(RUN), Act(HIT, moved=True, fresh=True), entry="script")
GROUP.acts("a script, then python -c", WHOLE, Act(RUN), Act(HIT, fresh=True, entry="command"), entry="script")
GROUP.acts("a script, then a notebook", WHOLE, Act(RUN), Act(HIT, fresh=True, entry="notebook 1"), entry="script")
GROUP.acts("python -c, with two lambdas", "f, g = cache(lambda x: x + 1), cache(lambda x: x + 2)\n", Act(RUN), Act(RUN, call="g(3)"),
           Act(HIT, fresh=True), Act(HIT, call="g(3)"), entry="command", target="<lambda>")  # fmt: skip
CELLS = "def g(x):\n    return x + 1\n# %%\n@cache\ndef f(x):\n    return g(x)\n"
GROUP.acts(
    "a notebook with other cell numbers", CELLS, Act(RUN), Act(HIT, fresh=True, entry="notebook 40"), entry="notebook 1"
)
GROUP.acts(
    "a notebook's cell that is split",
    CELLS,
    Act(RUN),
    Act(HIT, (("@cache", "K = 5\n# %%\n@cache"),), fresh=True),
    entry="notebook 1",
)
GROUP.changed("a notebook's other cell", CELLS, CHANGE, entry="notebook 1")
CELL = "exec(compile({!r}, '/tmp/ipykernel_7/{}.py', 'exec'))"
GROUP.acts(
    "a notebook's cells, run again and again",
    CELLS,
    Act(RUN),
    Act(RUN, before=CELL.format("def g(x):\n    return x + 2\n", 901)),
    Act(HIT, before=CELL.format("@cache\ndef f(x):\n    return g(x)\n", 902)),
    Act(HIT, before=CELL.format("def g(x):\n    return x + 1\n", 903)),
    Act(RUN, before=CELL.format("@cache\ndef f(x):\n    return -g(x)\n", 904)),
    Act(HIT, before=CELL.format("@cache\ndef f(x):\n    return g(x)\n", 905)),
    entry="notebook 1",
)
GROUP.acts(
    "code without a file, by exec in a dict",
    "space = {'cache': cache, '__name__': 'space'}\nexec('@cache\\ndef f(x):\\n    return x + 1', space)\nf = space['f']\n",
    Act(RUN),
    Act(HIT, fresh=True),
    Act(RUN, (CHANGE,), fresh=True),
)
GROUP.acts(
    "an environment variable that is not read",
    "@cache\ndef f(x):\n    return x + 1\n",
    Act(RUN),
    Act(HIT, before="import os\nos.environ['LANG'] = 'C.UTF-8'", fresh=True),
)
SETS = "N = {'a', 'b', 'c'}\nD = {('a', 1): 'x', 'b': frozenset('xyz')}\n@cache\ndef f(x):\n    return [x in {'p', 'q', 'r'}, len(N), len(D)]\n"
GROUP.acts("texts in sets, under another hash seed", SETS, Act(RUN), Act(HIT, fresh=True), Act(HIT, fresh=True))


def installed(name: str, version: str, code: str, direct: str = "") -> str:
    """Return the files of a distribution that is installed in ``site``."""
    info = f"site/{name}-{version}.dist-info"
    files = {
        f"site/{name}/__init__.py": textwrap.dedent(code),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "pip\n",
        f"{info}/top_level.txt": f"{name}\n",
    }
    if direct:
        files[f"{info}/direct_url.json"] = direct
    record = [f"{path.removeprefix('site/')},," for path in [*files, f"{info}/RECORD"]]
    files[f"{info}/RECORD"] = "\n".join(record)
    return "".join(f"--- {path}\n{text.rstrip()}\n" for path, text in files.items())


G1, G2 = "def g(x):\n    return x + 1\n", "def g(x):\n    return x + 2\n"
USES = "import kit\n@cache\ndef f(x):\n    return kit.g(x)\n"
SITE = {"path": ("site",)}


def distribution(name: str, before: str, after: str, expected: str, **options: object) -> None:
    """Add a project with distributions before and after."""
    GROUP.acts(name, before, Act(RUN), Act(HIT, fresh=True), Act(expected, files=after, fresh=True), **SITE, **options)


distribution(
    "a distribution's new version", USES + installed("kit", "1.0", G1), USES + installed("kit", "2.0", G2), RUN
)
distribution(
    "a distribution's new version with the same code",
    USES + installed("kit", "1.0", G1),
    USES + installed("kit", "2.0", G1),
    ANEW,
)
distribution("from distribution import function", USES.replace("import kit", "from kit import g").replace("kit.g", "g") + installed("kit", "1.0", G1),
             USES.replace("import kit", "from kit import g").replace("kit.g", "g") + installed("kit", "2.0", G2), RUN)  # fmt: skip
LOCAL = "@cache\ndef f(x):\n    import kit\n    return kit.g(x)\n"
distribution(
    "a distribution imported in the function",
    LOCAL + installed("kit", "1.0", G1),
    LOCAL + installed("kit", "2.0", G2),
    RUN,
)
HELPER = "from tools import h\n@cache\ndef f(x):\n    return h(x)\n--- tools.py\nimport kit\ndef h(x):\n    return kit.g(x)\n"
distribution(
    "a distribution that a helper uses", HELPER + installed("kit", "1.0", G1), HELPER + installed("kit", "2.0", G2), RUN
)
CLASS1 = "class B:\n    def g(self, x):\n        return x + 1\n"
BASE = "import kit\nclass A(kit.B):\n    pass\n@cache\ndef f(x):\n    return A().g(x)\n"
distribution(
    "a base from a distribution",
    BASE + installed("kit", "1.0", CLASS1),
    BASE + installed("kit", "2.0", CLASS1.replace("1", "2")),
    RUN,
)
OBJECT = "import kit\na = kit.B()\n@cache\ndef f(x):\n    return a.g(x)\n"
distribution("an object of a distribution's class", OBJECT + installed("kit", "1.0", CLASS1),
             OBJECT + installed("kit", "2.0", CLASS1.replace("1", "2")), RUN)  # fmt: skip
CONST = "import kit\n@cache\ndef f(x):\n    return kit.N\n"
distribution(
    "a distribution's constant",
    CONST + installed("kit", "1.0", "N = 1\n"),
    CONST + installed("kit", "2.0", "N = 2\n"),
    RUN,
)
BOTH = USES.replace("import kit", "import kit, rest")
distribution("a distribution that is imported and not used", BOTH + installed("kit", "1.0", G1) + installed("rest", "1.0", G1),
             BOTH + installed("kit", "1.0", G1) + installed("rest", "2.0", G2), HIT)  # fmt: skip
distribution("a distribution that is there and not imported", USES + installed("kit", "1.0", G1) + installed("rest", "1.0", G1),
             USES + installed("kit", "1.0", G1) + installed("rest", "2.0", G2), HIT)  # fmt: skip
distribution("a distribution that comes to be installed", USES + installed("kit", "1.0", G1),
             USES + installed("kit", "1.0", G1) + installed("rest", "2.0", G2), HIT)  # fmt: skip
EDITABLE = '{"url": "file:///src/kit", "dir_info": {"editable": true}}'
distribution(
    "an editable distribution's code, edited",
    USES + installed("kit", "1.0", G1, EDITABLE),
    USES + installed("kit", "1.0", G2, EDITABLE),
    RUN,
)
distribution("an editable distribution's unused code", USES + installed("kit", "1.0", G1 + "M = 1\n", EDITABLE),
             USES + installed("kit", "1.0", G1 + "M = 2\n", EDITABLE), HIT)  # fmt: skip
distribution("code of one's own beside distributions", USES + installed("rest", "1.0", G1) + "--- site/kit.py\n" + G1,
             USES + installed("rest", "1.0", G1) + "--- site/kit.py\n" + G2, RUN)  # fmt: skip
