"""Helpers and values in other files."""

from __future__ import annotations

from trust.model import RUN, Group

GROUP = Group("Other files")
CHANGE = ("x + 1", "x + 2")
TOOLS = "--- tools.py\nN = 1\ndef g(x):\n    return x + 1\ndef other(x):\n    return x - 5\n"
PACKAGE = "--- kit/__init__.py\n{}\n--- kit/deep/__init__.py\n--- kit/deep/tools.py\ndef g(x):\n    return x + 1\n"


def edited(name: str, head: str, body: str, more: str = TOOLS, *edits: tuple[str, str]) -> None:
    """Add a project whose function reaches another file."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    GROUP.changed(name, f"{head}\n@cache\ndef f(x):\n{lines}{more}", *(edits or [CHANGE]))


edited("module.helper", "import tools", "return tools.g(x)")
edited("module.helper, the module renamed on import", "import tools as t", "return t.g(x)")
edited("from module import helper", "from tools import g", "return g(x)")
edited("from module import helper as another", "from tools import g as h", "return h(x)")
edited("from module import *", "from tools import *", "return g(x)")
edited("import inside the function", "", "import tools\nreturn tools.g(x)")
edited("import inside the function under another name", "", "import tools as t\nreturn t.g(x)")
edited("from module import inside the function", "", "from tools import g\nreturn g(x)")
edited("import in a branch", "", "if x:\n    from tools import g\n    return g(x)")
edited("import in a function inside", "", "def h():\n    import tools\n    return tools.g(x)\nreturn h()")
edited("a constant of a module", "import tools", "return tools.N", TOOLS, ("N = 1", "N = 2"))
edited("from module import constant", "from tools import N", "return N", TOOLS, ("N = 1", "N = 2"))
edited("a local import of a constant", "", "from tools import N\nreturn N", TOOLS, ("N = 1", "N = 2"))
edited("package.module.module.helper", "import kit.deep.tools", "return kit.deep.tools.g(x)", PACKAGE.format(""))
edited("from package.module import module", "from kit.deep import tools", "return tools.g(x)", PACKAGE.format(""))
edited("local import of a dotted module", "", "import kit.deep.tools\nreturn kit.deep.tools.g(x)", PACKAGE.format(""))
edited(
    "a name that a package passes on", "from kit import g", "return g(x)", PACKAGE.format("from .deep.tools import g")
)
edited(
    "package.name that the package passes on", "import kit", "return kit.g(x)",
    PACKAGE.format("from kit.deep.tools import g"),
)  # fmt: skip
edited(
    "a helper in a package's __init__",
    "import kit",
    "return kit.g(x)",
    "--- kit/__init__.py\ndef g(x):\n    return x + 1\n",
)
edited(
    "relative imports in a package", "from kit.work import h", "return h(x)",
    "--- kit/__init__.py\n--- kit/work.py\nfrom .tools import g\ndef h(x):\n    return g(x)\n"
    "--- kit/tools.py\ndef g(x):\n    return x + 1\n",
)  # fmt: skip
edited(
    "a relative import of a module", "from kit.work import h", "return h(x)",
    "--- kit/__init__.py\n--- kit/work.py\nfrom . import tools\ndef h(x):\n    return tools.g(x)\n"
    "--- kit/tools.py\ndef g(x):\n    return x + 1\n",
)  # fmt: skip
edited(
    "import with an alternative", "try:\n    from missing_fast import g\nexcept ImportError:\n    from tools import g",
    "return g(x)",
)  # fmt: skip
edited(
    "import by a condition",
    "import sys\nif sys.version_info > (3,):\n    import tools\nelse:\n    tools = None",
    "return tools.g(x)",
)
edited("getattr with a constant name", "import tools", 'return getattr(tools, "g")(x)')
edited("getattr with a computed name", "import tools", 'return getattr(tools, "gh"[:1])(x)')
edited("vars(module)", "import tools", 'return vars(tools)["g"](x)')
edited("importlib.import_module", "import importlib", 'return importlib.import_module("tools").g(x)')
edited("sys.modules", "import sys, tools", 'return sys.modules["tools"].g(x)')
edited("a module that is handed on", "import tools\ndef h(m, x):\n    return m.g(x)", "return h(tools, x)")
edited("a module in a local variable", "import tools", "t = tools\nreturn t.g(x)")
edited("a module in a global container", "import tools\nKIT = {'a': tools}", "return KIT['a'].g(x)")
edited(
    "a helper's helper in its own file", "from tools import h", "return h(x)",
    "--- tools.py\ndef g(x):\n    return x + 1\ndef h(x):\n    return g(x)\n",
)  # fmt: skip
edited(
    "a constant of a helper's file", "from tools import h", "return h(x)",
    "--- tools.py\nN = 1\ndef h(x):\n    return x + N\n", ("N = 1", "N = 2"),
)  # fmt: skip
edited(
    "a constant made from one of a third file", "from tools import N", "return x + N",
    "--- tools.py\nfrom base import B\nN = B * 2\n--- base.py\nB = 1\n", ("B = 1", "B = 2"),
)  # fmt: skip
edited(
    "a helper of three files away", "from a import g", "return g(x)",
    "--- a.py\nfrom b import g as h\ndef g(x):\n    return h(x)\n"
    "--- b.py\nimport c\ndef g(x):\n    return c.g(x)\n--- c.py\ndef g(x):\n    return x + 1\n",
)  # fmt: skip
edited(
    "files that import each other", "import a", "return a.g(x)",
    "--- a.py\nimport b\nN = 1\ndef g(x):\n    return b.h(x)\n"
    "--- b.py\nimport a\ndef h(x):\n    return x + a.N\n", ("N = 1", "N = 2"),
)  # fmt: skip
edited(
    "a module's __getattr__", "import tools", "return tools.g(x)",
    "--- tools.py\ndef _g(x):\n    return x + 1\ndef __getattr__(name):\n    if name == 'g':\n        return _g\n"
    "    raise AttributeError(name)\n",
)  # fmt: skip
edited(
    "another file in its place", "from tools import g", "return g(x)",
    TOOLS + "--- tools2.py\ndef g(x):\n    return x * 9\n", ("from tools import", "from tools2 import"),
)  # fmt: skip
GROUP.changed(
    "a helper in a file that is first run by the function",
    "@cache\ndef f(x):\n    return __import__('tools').g(x)\n" + TOOLS,
    CHANGE,
)
GROUP.living(
    "a helper's file, edited and reloaded",
    "import tools\n\n@cache\ndef f(x):\n    return tools.g(x)\n" + TOOLS,
    ("import caching, importlib\ncaching.edit('tools.py', 'x + 1', 'x + 2')\nimportlib.reload(tools)", RUN),
)
