"""Results: objects."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Object results")
kept = GROUP.kept

kept("a dataclass", "Point(1, [2])")
kept("a dataclass with an array", "Point(np.arange(3), 'a')", "value.x.tolist()", "value.x.dtype", "value.y")
kept("a dataclass with slots", "Tight(1, 2)")
kept("a frozen dataclass", "Frozen(1, (2,))")
kept("a field that comparisons leave out", "Noted(1, 'a')", "value.note", "value.x")
kept("a class by attrs", "Attrs(1, 2)")
kept("a frozen class by attrs", "FrozenAttrs(1, 2)")
kept("an object", "Plain(a=1, b=[2])")
kept("an object with slots", "Slotted(1, 'a')")
kept("an object with __reduce__", "Reduced([1])")
kept("an object with __getstate__", "Stated([1])")
kept("one object in two places", "twice(Plain(a=1))", "value[0] is value[1]", "value")
kept(
    "objects that refer to each other",
    "then(Plain(a=Plain(n=1)), lambda p: setattr(p.a, 'up', p))",
    "value.a.up is value",
    "value.a.n",
)
kept("enums", "[Color.RED, Level.HIGH, Name.A, Mode.R | Mode.W]", "value", "value[0] is Color.RED")
kept("an exception", "ValueError('a', 1)", "value", "value.args")
kept("a function", "add_one", "value(1)", "value is add_one")
kept("a class", "Plain", "value is Plain")
kept("a partial", "functools.partial(pow, 2)", "value(3)", "value.args")
kept("an estimator", "fitted(StandardScaler(), X)", "value.mean_.tolist()", "value.get_params()")
kept(
    "a pipeline", "fitted(make_pipeline(StandardScaler(), LinearRegression()), X, X[:, 0])", "value.predict(X).tolist()"
)
kept("random.Random", "then(random.Random(1), lambda r: r.random())", "copy.deepcopy(value).random()")
kept("a generic alias", "list[int]", "value")
