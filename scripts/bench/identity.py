"""What does it cost a hit to know that nothing has changed that the function depends on?

For functions of several kinds, three figures, each the median of interleaved rounds: the check alone
(``f.fingerprint()`` while all stands), a whole hit, and the first look of a fresh process. A function
without dependencies is what hits cost before helpers and globals were followed. With --tiny one round,
to see that it runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from resultstore import Store

TINY = "--tiny" in sys.argv
ROUNDS, CALLS, STARTS = (1, 2, 1) if TINY else (15, 400, 5)

PREAMBLE = "import math\nimport numpy as np\n"
KINDS = {
    "no dependencies": "def f(x):\n    return x + 1\n",
    "1 helper, 1 number": "K = 2\ndef h(x):\n    return x + K\ndef f(x):\n    return h(x)\n",
    "10 helpers": "".join(f"def h{i}(x):\n    return x + {i}\n" for i in range(10))
    + f"def f(x):\n    return {' + '.join(f'h{i}(x)' for i in range(10))}\n",
    "50 helpers": "".join(f"def h{i}(x):\n    return x + {i}\n" for i in range(50))
    + f"def f(x):\n    return {' + '.join(f'h{i}(x)' for i in range(50))}\n",
    "a class of 10 methods": "class C:\n"
    + "".join(f"    def m{i}(self, x):\n        return x + {i}\n" for i in range(10))
    + "def f(x):\n    return C().m0(x)\n",
    "5 names of numpy and math": "def f(x):\n    return float(np.sum(np.abs(np.ones(3)))) + math.sqrt(x) + np.e\n",
    "a table of 10 functions": "def h(x):\n    return x\nT = {f'k{i}': h for i in range(10)}\n"
    "def f(x):\n    return T['k1'](x)\n",
    "a list of 1,000 numbers": "L = list(range(1000))\ndef f(x):\n    return L[x]\n",
    "a dict of 1,000 numbers": "D = {str(i): i for i in range(1000)}\ndef f(x):\n    return D[str(x)]\n",
    "an array of 1 MB": "A = np.ones(125_000)\ndef f(x):\n    return float(A[x])\n",
}


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    store = Store(folder / "store")
    functions = {}
    sys.path.insert(0, str(folder))
    for i, (name, text) in enumerate(KINDS.items()):
        (folder / f"kind{i}.py").write_text(PREAMBLE + textwrap.dedent(text))
        functions[name] = store.cache(__import__(f"kind{i}").f)
        functions[name](1)
    checks: dict[str, list[float]] = {name: [] for name in KINDS}
    hits: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(ROUNDS):
        for name, f in functions.items():
            checks[name].append(per_call(f.fingerprint))
            hits[name].append(per_call(lambda f=f: f(1)))
    print("| the function reaches | check, us | hit, us | first look, ms |\n|---|--:|--:|--:|")
    for i, name in enumerate(KINDS):
        first = statistics.median(first_look(folder, i) for _ in range(STARTS))
        check, hit = (statistics.median(samples[name]) * 1e6 for samples in (checks, hits))
        print(f"| {name} | {check:.3g} | {hit:.3g} | {first * 1e3:.2g} |")


def per_call(call) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS


def first_look(folder: Path, i: int) -> float:
    """Return how long the first fingerprint of a fresh process takes, in seconds."""
    code = (
        f"import sys, time; sys.path.insert(0, {str(folder)!r}); import kind{i}; from resultstore import Store\n"
        f"f = Store({str(folder / 'store')!r}).cache(kind{i}.f); t = time.perf_counter(); f.fingerprint()\n"
        "print(time.perf_counter() - t)"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


main()
