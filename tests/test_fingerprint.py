"""Fingerprints, scheme 1: own code, defaults and closure values, and nothing of place or form."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import textwrap

import pytest

from resultstore import DigestError, FunctionError, OptionError, Store


def fingerprint(source: str, name: str = "f", **scope: object) -> str:
    """Return the fingerprint of a function defined by a text."""
    namespace: dict[str, object] = {"__name__": "some.module", **scope}
    exec(compile(textwrap.dedent(source), "<text>", "exec"), namespace)
    return Store(None).cache(namespace[name]).fingerprint().hex()  # type: ignore[call-overload]


BASE = "def f(x, n=2):\n    y = x * n\n    return y + 1\n"


@pytest.mark.parametrize(
    "variant",
    [
        "\n\n# a comment\ndef f(x, n=2):\n    # another\n    y = (x *\n         n)\n\n    return y + 1\n",
        "def f(x, n = 2): y = x * n; return y + 1\n",
        "def f(x: int, n: float = 2) -> float:\n    y: float = x * n\n    return y + 1\n",
    ],
)
def test_harmless_edits_are_not_seen(variant):
    """Comments, white space, layout and annotations are no change."""
    assert fingerprint(variant) == fingerprint(BASE)


def test_layout_is_not_seen_around_jumps_and_handlers():
    """Breaking lines differently is no change, in loops and exception handlers either."""
    one = """
    def f(xs, a, b):
        total = 0
        for x in xs:
            try:
                total = total + a * b if x > a else total - b
            except ValueError as error:
                a, b = b, a; print(error)
            finally:
                xs = xs
        return total, a, b
    """
    other = """
    def f(
        xs,
        a,
        b,
    ):
        total = 0
        for x in xs:
            try:
                total = (
                    total
                    + a
                    * b
                    if x
                    > a
                    else total
                    - b
                )
            except ValueError as error:
                a, b = (
                    b,
                    a,
                )
                print(
                    error
                )
            finally:
                xs = xs
        return (
            total,
            a,
            b,
        )
    """
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(one.replace("a, b = b, a", "b, a = b, a"))
    assert fingerprint(one) != fingerprint(one.replace("x > a", "x > b"))


def test_docstrings_are_not_seen():
    """One docstring is as good as another."""
    one = 'def f(x):\n    "One."\n    return x\n'
    other = 'def f(x):\n    """Quite another."""\n    return x\n'
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint('def f(x):\n    return "One."\n') != fingerprint('def f(x):\n    return "Other."\n')


@pytest.mark.parametrize("body", ["x / 2", "x / 2.5", "(x, 'text', 3)", "[x, 1000, 'text', *(2.5, 1000)]"])
def test_adding_a_docstring_is_not_seen(body):
    """A docstring where there was none is no change, whatever constants it pushes aside."""
    plain, told = f"def f(x):\n    return {body}\n", f"def f(x):\n    'Doc.'\n    return {body}\n"
    assert fingerprint(plain) == fingerprint(told)
    assert fingerprint(told) != fingerprint(told.replace("2", "4").replace("text", "other"))


def test_a_docstring_that_is_a_constant_too_is_seen():
    """A text that is returned counts, also if it is the docstring at the same time."""
    one = 'def f(x):\n    "One."\n    return "One."\n'
    assert fingerprint(one) != fingerprint(one.replace("One", "Two"))


def test_the_first_of_many_constants_may_be_a_docstring():
    """With more constants than one byte can number, a docstring is known as well."""
    numbers = ", ".join(f"{n}.5" for n in range(600))
    source = f"def f(x):\n    'Doc.'\n    return [x, {numbers}]\n".replace("[x", "[x + 0.25 + len(str(x)) + x")
    many = source.replace("[", "(x, [").replace("]", "])")
    assert fingerprint(many) == fingerprint(many.replace("Doc.", "Other."))
    assert fingerprint(many) != fingerprint(many.replace("256.5", "256.25"))


@pytest.mark.parametrize(
    "variant",
    [
        "def f(x, n=2):\n    y = x * n\n    return y + 2\n",
        "def f(x, n=2):\n    y = x * n\n    return y + 1.0\n",
        "def f(x, n=2):\n    y = x * n\n    return y + True\n",
        "def f(x, n=3):\n    y = x * n\n    return y + 1\n",
        "def f(x, n=2.0):\n    y = x * n\n    return y + 1\n",
        "def f(x, n=2):\n    y = x + n\n    return y + 1\n",
        "def f(x, *, n=2):\n    y = x * n\n    return y + 1\n",
        "def f(x, n=2):\n    y = len(x) * n\n    return y + 1\n",
        "def f(x, n=2):\n    def g():\n        return x * n\n    return g() + 1\n",
    ],
)
def test_changes_are_seen(variant):
    """Another constant, type of constant, default, operator, parameter or name is another version."""
    assert fingerprint(variant) != fingerprint(BASE)


def test_nested_code_counts():
    """A change inside a nested function or comprehension is a change."""
    one = "def f(x):\n    return [i + 1 for i in x]\n"
    other = "def f(x):\n    return [i + 2 for i in x]\n"
    assert fingerprint(one) != fingerprint(other)


def make(k):
    """Return a function that closes over k."""

    def f(x):
        return x * k

    return f


def test_closures_with_different_values_are_different_functions(store):
    """Two functions of one factory never get each other's results."""
    assert [store.cache(make(2))(10), store.cache(make(3))(10), store.cache(make(2.0))(10)] == [20, 30, 20.0]
    assert len(store.find()) == 3
    assert len({record.version for record in store.find()}) == 3
    assert store.cache(make(2)).check_call_in_cache(10)


def test_lambdas_on_one_line_are_told_apart(store):
    """Lambdas are known by their code, not by their line."""
    f, g = store.cache(lambda x: x + 1), store.cache(lambda x: x + 2)
    assert (f(1), g(1)) == (2, 3)


def test_a_closure_value_that_changes_is_seen_at_the_next_call(store):
    """A rebound cell and a list changed in place are looked at again at every call."""
    factor, offsets = 2, [1]

    def f(x):
        return x * factor + sum(offsets)

    g = store.cache(f)
    assert g(10) == 21
    factor = 3
    assert g(10) == 31
    offsets.append(5)
    assert g(10) == 36
    factor, offsets = 2, [1]
    assert g(10) == 21
    assert len(store.find(g)) == 3


def test_code_swapped_in_place_is_seen(store):
    """A reloader that keeps the function object and replaces its code makes another version."""

    def f(x):
        return x + 1

    def new(x, y=5):
        return x + y

    g = store.cache(f)
    assert g(1) == 2
    f.__code__, f.__defaults__ = new.__code__, new.__defaults__
    assert g(1) == 6
    assert g(1, y=7) == 8


def test_closed_over_functions_count(store):
    """A function in the closure counts with its own code and closure; recursion has an end."""

    def outer(k):
        def helper(x):
            return x + k

        def f(x, n=3):
            return helper(x) if n == 0 else f(x, n - 1) + 1

        return f

    one, other = store.cache(outer(1)), store.cache(outer(2))
    assert (one(1), other(1)) == (5, 6)
    assert one.fingerprint() == store.cache(outer(1)).fingerprint()
    assert one.fingerprint() != other.fingerprint()


def test_cached_functions_in_closures_stand_for_themselves(store):
    """A cached function that is closed over counts as the function that it caches."""
    inner = store.cache(make(2))

    def f(x):
        return inner(x) + 1

    def g(x):
        return plain(x) + 1

    plain = make(2)
    assert store.cache(f)(1) == 3
    assert store.cache(f).fingerprint() != store.cache(make(3)).fingerprint()
    inner = store.cache(make(5))
    assert store.cache(f)(1) == 6


def test_what_cannot_be_keyed_runs_uncached(store):
    """A closure over what has no digest warns once, runs each time, and says so when asked for a key."""
    handle = iter("abc")
    runs = []

    def f(x):
        runs.append((x, handle))
        return x

    g = store.cache(f)
    with pytest.warns(match=r"f closure variable handle: a builtins.str_ascii_iterator has no digest"):
        g(1)
    g(1)
    assert len(runs) == 2
    with pytest.raises(DigestError):
        g.key(1)


def test_strict_stores_raise_instead(open_store):
    """With strict=True a call that cannot be cached raises."""
    f = open_store(strict=True).cache(lambda x: x)
    with pytest.raises(DigestError, match=r"argument 'x': a builtins\.object"):
        f(object())


def test_versions_live_side_by_side(store):
    """A, then B, then A again hits A."""
    runs = []

    def version(n):
        namespace = {"__name__": "m", "runs": runs}
        exec(f"def f(x):\n    runs.append({n})\n    return x + {n}", namespace)
        return store.cache(namespace["f"])

    assert [version(n)(1) for n in (1, 2, 1, 2, 1)] == [2, 3, 2, 3, 2]
    assert runs == [1, 2]
    assert [record.version for record in store.find("m.f")] == [2, 1]


class Holder:
    """A place for what cannot be cached."""

    def method(self):
        """Do nothing."""

    @classmethod
    def for_class(cls):
        """Do nothing."""

    def __call__(self):
        """Do nothing."""


async def async_generator():
    """Do nothing."""
    yield


@pytest.mark.parametrize(
    ("func", "why"),
    [
        (property(make), "a property"),
        (Holder, "a class cannot"),
        (functools.lru_cache(make), "a callable object of type _lru_cache_wrapper"),
        (async_generator, "an async generator"),
        ([].append, "no module with a version"),
        (3, "not a function"),
    ],
)
def test_unsupported_kinds_are_refused_by_name(func, why):
    """What cannot be cached is refused when it is decorated, saying why, never half-cached."""
    with pytest.raises(FunctionError, match=why):
        Store(None).cache(func)


def test_main_functions_share_by_code_not_by_place(folder, tmp_path):
    """Equal code in two scripts shares results; f.clear() in one leaves other versions of the other's f alone."""
    script = (
        "import sys\nfrom resultstore import Store\nstore = Store(sys.argv[1])\n@store.cache\ndef f(x):\n"
        "    print('ran')\n    return x + {n}\nprint(f(1))\nif len(sys.argv) > 2: print(f.clear())\n"
    )
    for name, n in (("one.py", 1), ("two.py", 2), ("same.py", 1)):
        (tmp_path / name).write_text(script.format(n=n))

    def run(*args: object) -> str:
        return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, check=True).stdout

    assert run(tmp_path / "one.py", folder) == "ran\n2\n"
    assert run(tmp_path / "two.py", folder) == "ran\n3\n"
    assert run(tmp_path / "same.py", folder) == "2\n"
    assert run(tmp_path / "two.py", folder, "clear") == "3\n1\n"
    assert run(tmp_path / "one.py", folder) == "2\n"
    assert math.isclose(len(Store(folder).find("__main__.f")), 1)


def test_scripts_are_told_apart_where_they_are_asked_about(folder, tmp_path):
    """A record says which script its version ran in first, and clearing by name alone says which scripts there are."""
    script = "import sys\nfrom resultstore import Store\n@Store(sys.argv[1]).cache\ndef f(x):\n    return x + {n}\nf(1)"
    scripts = [tmp_path / "one.py", tmp_path / "two.py"]
    for n, path in enumerate(scripts):
        path.write_text(script.format(n=n))
        subprocess.run([sys.executable, path, folder], check=True)
    with Store(folder) as store:
        assert [record.place for record in store.find("__main__.f")] == [str(path) for path in reversed(scripts)]
        store.cache(abs)(-1)
        assert [record.place for record in store.find(abs)] == [""]
        with pytest.raises(
            OptionError, match=r"were made in .*two\.py, .*one\.py: pass one of them as place='.*two\.py'"
        ):
            store.clear_function("__main__.f")
        assert store.clear_function("__main__.f", place=str(scripts[1])) == 1
        with pytest.raises(OptionError, match=r"were made in .*one\.py: pass place='.*one\.py'"):
            store.clear_function("__main__.f")
        assert store.clear_function("__main__.f", fingerprint=bytes(32)) == 0
        assert store.clear_function("__main__.f", place=str(scripts[0])) == 1
        assert store.clear_function("__main__.f") == store.clear_function("__main__.g") == 0
        renamed = store.cache(abs, was="__main__.f")
        assert renamed.clear() == 1
