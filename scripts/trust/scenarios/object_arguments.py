"""Arguments: objects of one's own classes, enums, functions, classes, estimators."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Objects, functions, classes")
same, differ = GROUP.same, GROUP.differ

same("a dataclass", "Point(1, [2])", "Point(y=[2], x=1)")
differ("a dataclass's field", "Point(1)", "Point(2)")
differ("a dataclass's field's type", "Point(1)", "Point(1.0)")
differ("a dataclass and its fields", "Point(1, 2)", "(1, 2)")
differ("two dataclasses of the same fields", "Point(1)", "Frozen(1)")
same("a frozen dataclass", "Frozen(1)", "Frozen(1, 0)")
same("a dataclass with slots", "Tight(1)", "Tight(1)")
differ("a dataclass with slots", "Tight(1)", "Tight(2)")
differ("a field that comparisons leave out", "Noted(1, 'a')", "Noted(1, 'b')")
differ("an attribute beside the fields", "Point(1)", "then(Point(1), lambda p: setattr(p, 'z', 1))")
same("a dataclass with an array", "Point(np.arange(3))", "Point(np.arange(3))")
differ("a dataclass with an array", "Point(np.arange(3))", "Point(np.arange(4))")
same("a class by attrs", "Attrs(1)", "Attrs(1, 0)")
differ("a class by attrs", "Attrs(1)", "Attrs(2)")
same("a frozen class by attrs", "FrozenAttrs(1)", "FrozenAttrs(1, 0)")
differ("a frozen class by attrs", "FrozenAttrs(1)", "FrozenAttrs(2)")
same("an object", "Plain(a=1, b=[2])", "Plain(a=1, b=[2])")
same("an object, its attributes set in another order", "Plain(a=1, b=2)", "Plain(b=2, a=1)")
differ("an object's attribute", "Plain(a=1)", "Plain(a=2)")
differ("an object's attribute's name", "Plain(a=1)", "Plain(b=1)")
differ("an object and its heir", "Plain(a=1)", "Heir(a=1)")
differ("an object and its dict", "Plain(a=1)", "{'a': 1}")
same("objects in containers", "[Plain(a=1), {'k': Point(2)}]", "[Plain(a=1), {'k': Point(2)}]")
differ("objects in containers", "[Plain(a=1), {'k': Point(2)}]", "[Plain(a=1), {'k': Point(3)}]")
same(
    "an object that refers to itself",
    "then(Plain(a=1), lambda p: setattr(p, 'me', p))",
    "then(Plain(a=1), lambda p: setattr(p, 'me', p))",
)
differ(
    "an object that refers to itself",
    "then(Plain(a=1), lambda p: setattr(p, 'me', p))",
    "then(Plain(a=2), lambda p: setattr(p, 'me', p))",
)
same("objects that refer to each other", "then(Plain(a=Plain(n=1)), lambda p: setattr(p.a, 'up', p))",
     "then(Plain(a=Plain(n=1)), lambda p: setattr(p.a, 'up', p))")  # fmt: skip
same("an object with slots", "Slotted(1, 'a')", "Slotted(1, 'a')")
differ("an object with slots", "Slotted(1, 'a')", "Slotted(1, 'b')")
same("an object with __reduce__", "Reduced(1)", "Reduced(1)")
differ("an object with __reduce__", "Reduced(1)", "Reduced(2)")
same("an object with __getstate__", "Stated([1])", "Stated([1])")
differ("an object with __getstate__", "Stated([1])", "Stated([2])")
same("an enum's member", "Color.RED", "Color(1)")
differ("an enum's member", "Color.RED", "Color.BLUE")
differ("an enum's member and its value", "Color.RED", "1")
same("an IntEnum's member", "Level.LOW", "Level(1)")
same("a flag", "Mode.R | Mode.W", "Mode(3)")
differ("a flag", "Mode.R", "Mode.R | Mode.W")
same("an enum as a dict's key", "{Color.RED: 1, Color.BLUE: 2}", "{Color.BLUE: 2, Color.RED: 1}")
same("an exception", "ValueError('a', 1)", "ValueError('a', 1)")
differ("an exception", "ValueError('a')", "KeyError('a')")
same("a function", "add_one", "add_one")
differ("a function", "add_one", "add_two")
same("a lambda", "lambda x: x + 1", "lambda x: x + 1")
differ("a lambda", "lambda x: x + 1", "lambda x: x + 2")
same("a closure", "adder(1)", "adder(1)")
differ("a closure", "adder(1)", "adder(2)")
differ("a function's default", "(lambda x, n=1: x)", "(lambda x, n=2: x)")
same("a builtin function", "len", "len")
differ("a builtin function", "min", "max")
same("a standard function", "math.sin", "math.sin")
differ("a standard function", "math.sin", "math.cos")
same("a class", "Plain", "Plain")
differ("a class", "Plain", "Heir")
differ("a class and its instance", "Plain", "Plain()")
same("a builtin class", "int", "int")
differ("a builtin class", "int", "float")
same("a partial", "functools.partial(add_one, 1)", "functools.partial(add_one, 1)")
differ("a partial's arguments", "functools.partial(pow, 1)", "functools.partial(pow, 2)")
differ("a partial's keywords", "functools.partial(pow, exp=1)", "functools.partial(pow, exp=2)")
same("a bound method", "Plain(a=1).method", "Plain(a=1).method")
differ("a bound method's object", "Plain(a=1).method", "Plain(a=2).method")
same("a bound method of a builtin", "'a'.join", "'a'.join")
differ("a bound method of a builtin", "'a'.join", "'b'.join")
same("a callable object", "Callable(1)", "Callable(1)")
differ("a callable object", "Callable(1)", "Callable(2)")
same("itemgetter", "operator.itemgetter(1, 2)", "operator.itemgetter(1, 2)")
differ("itemgetter", "operator.itemgetter(1)", "operator.itemgetter(2)")
differ("attrgetter", "operator.attrgetter('a')", "operator.attrgetter('b')")
same("a list of functions", "[add_one, len, lambda x: x]", "[add_one, len, lambda x: x]")
same("a dict of functions", "{'a': add_one, 'b': add_two}", "{'b': add_two, 'a': add_one}")
differ("a dict of functions", "{'a': add_one}", "{'a': add_two}")
same("a generic alias", "list[int]", "list[int]")
differ("a generic alias", "list[int]", "list[str]")
same("a union of types", "int | None", "int | None")
same("typing.Any", "typing.Any", "typing.Any")
same("an estimator", "StandardScaler(with_mean=False)", "StandardScaler(with_mean=False)")
differ("an estimator's parameter", "StandardScaler(with_mean=False)", "StandardScaler()")
same("a fitted estimator", "fitted(StandardScaler(), X)", "fitted(StandardScaler(), X.copy())")
differ("a fitted estimator and one that is not", "fitted(StandardScaler(), X)", "StandardScaler()")
differ("an estimator fitted to other data", "fitted(StandardScaler(), X)", "fitted(StandardScaler(), X + 1)")
same(
    "a pipeline",
    "make_pipeline(StandardScaler(), LinearRegression())",
    "make_pipeline(StandardScaler(), LinearRegression())",
)
differ(
    "a pipeline's step",
    "make_pipeline(StandardScaler(), LinearRegression())",
    "make_pipeline(StandardScaler(), LinearRegression(positive=True))",
)
same("a fitted regression", "fitted(LinearRegression(), X, X[:, 0])", "fitted(LinearRegression(), X, X[:, 0])")
differ("a fitted regression", "fitted(LinearRegression(), X, X[:, 0])", "fitted(LinearRegression(), X, X[:, 1] * 2)")
