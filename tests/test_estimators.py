"""scikit-learn: estimators as arguments, and a pipeline that takes a store for its memory."""

from __future__ import annotations

import contextlib
import functools
import io
import subprocess
import sys
import threading
import types
from unittest import mock

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, LatentDirichletAllocation
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import Bunch

from resultstore import CacheWarning, DigestError, Store, digest

CLASS = """
from sklearn.base import BaseEstimator, TransformerMixin
class Base(TransformerMixin, BaseEstimator):
    limits = (0, 1)
    def __init__(self, factor=1):
        super().__init__()
        self.factor = factor
    def fit(self, X, y=None):
        "Learn nothing."
        self.n_ = len(X)
        return self
    @property
    def doubled(self):
        return self.factor * 2
    @staticmethod
    def check(x):
        return x
    def transform(self, X):
        return X * self.factor
class Scale(Base):
    pass
"""


def make_class(text=CLASS):
    """Return a class as a user's module has it, made anew."""
    module = types.ModuleType("users_module")
    exec(compile(text, "users_module.py", "exec"), module.__dict__)
    return module.Scale


def estimators():
    """Return estimators of every make-up."""
    return [
        StandardScaler(),
        PCA(n_components=3, random_state=0),
        SelectKBest(k=3),
        OneHotEncoder(dtype=np.float32),
        FunctionTransformer(np.log1p),
        ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", "passthrough", [2])]),
        Pipeline([("s", StandardScaler()), ("c", LogisticRegression())]),
        make_class()(factor=2),
    ]


def data(n=120):
    """Return two classes of points."""
    X = np.random.default_rng(0).normal(size=(n, 6))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


# -- digests


@pytest.mark.parametrize("estimator", estimators(), ids=lambda e: type(e).__name__)
def test_a_clone_has_the_digest_of_its_original(estimator):
    """Equal parameters, equal digest; another digest once it is fitted."""
    assert digest(estimator) == digest(clone(estimator))
    before = digest(estimator)
    fitted = clone(estimator).fit(*data())
    assert digest(fitted) != before
    assert digest(fitted) == digest(clone(estimator).fit(*data()))


def test_every_parameter_counts():
    """Parameters of the estimator and of those inside it change the digest."""
    several = [
        PCA(2), PCA(3), PCA(2, whiten=True), StandardScaler(), StandardScaler(with_mean=False),
        Pipeline([("p", PCA(2))]), Pipeline([("p", PCA(3))]), Pipeline([("q", PCA(2))]),
        OneHotEncoder(), OneHotEncoder(dtype=np.float32), FunctionTransformer(np.log1p), FunctionTransformer(np.log),
    ]  # fmt: skip
    assert len({digest(e) for e in several}) == len(several)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X * self.factor", "X + self.factor"),
        ("limits = (0, 1)", "limits = (0, 2)"),
        ("self.factor * 2", "self.factor * 3"),
        ("return x\n", "return -x\n"),
        ("class Scale(Base):\n    pass", "class Scale(Base):\n    def transform(self, X):\n        return X"),
        ("def __init__(self, factor=1)", "def __init__(self, factor=2)"),
    ],
)
def test_a_users_class_counts_with_its_code(old, new):
    """A change of a method, a class value, a property, a static method, a default or a base changes the digest."""
    assert old in CLASS
    changed = make_class(CLASS.replace(old, new))
    assert digest(changed(factor=5)) != digest(make_class()(factor=5))


@pytest.mark.parametrize(("old", "new"), [('"Learn nothing."', '"Learn."'), ("class Base", "# text\n\nclass Base"), ("return x\n", "return  x # same\n")])  # fmt: skip
def test_layout_of_a_users_class_does_not_count(old, new):
    """Comments, docstrings and layout leave the digest as it is."""
    assert digest(make_class(CLASS.replace(old, new))(factor=5)) == digest(make_class()(factor=5))


def test_a_bunch_is_a_value():
    """scikit-learn's own dictionaries count with their class and content."""
    assert digest(Bunch(a=1, b=[2])) == digest(Bunch(a=1, b=[2]))
    assert digest(Bunch(a=1)) != digest(Bunch(a=2))
    assert digest(Bunch(a=1)) != digest({"a": 1})


@pytest.mark.parametrize(
    "value",
    [object(), iter([1]), (x for x in ()), io.StringIO(), sys.stdout, FunctionTransformer(threading.Lock()),
     FunctionTransformer(kw_args={"x": iter([1])})],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_what_is_not_known_is_not_guessed(value):
    """Bare objects, iterators, files, and estimators that hold them have no digest."""
    with pytest.raises(DigestError):
        digest(value)


# -- a pipeline


def search(memory, n_jobs, *, estimator=None):
    """Search a grid whose steps repeat, and return the best score."""
    steps = [("scale", StandardScaler()), ("pca", PCA(random_state=0)), ("model", LogisticRegression())]
    if estimator is not None:
        steps.insert(1, ("own", estimator))
    grid = {"pca__n_components": [2, 3], "model__C": [0.1, 1.0, 10.0]}
    pipeline = Pipeline(steps, memory=memory)
    return GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(*data()).best_score_


@pytest.mark.filterwarnings("ignore:Persisting input arguments:UserWarning")  # joblib's, on a busy machine
def test_a_pipeline_fits_no_more_than_with_joblib(store, tmp_path, capfd):
    """Cold, as many fits as with joblib.Memory; warm, none; and the same score as without memory."""
    capfd.readouterr()
    theirs = search(joblib.Memory(tmp_path / "joblib", verbose=1), 1)
    fits = capfd.readouterr().out.count("[Memory] Calling")
    assert fits == 11  # three folds with one scaler and two reductions each, and the whole with one each
    ours = search(store, 1)
    assert ours == theirs == search(None, 1)
    cold = store.stats()
    assert cold.misses <= fits
    assert search(store, 1) == ours
    assert store.stats().misses == cold.misses


def test_a_model_that_keeps_a_generator_when_it_is_fitted_is_cached(store):
    """A generator that fitting has put into the estimator is part of the result; nobody had it before the call."""
    pipeline = Pipeline([("a", LatentDirichletAllocation(2, random_state=0, max_iter=2)), ("b", StandardScaler())])
    for _ in range(2):
        clone(pipeline).set_params(memory=store).fit(np.abs(data()[0]))
    assert (store.stats().hits, store.stats().misses) == (1, 1)


def test_a_search_in_two_processes(store):
    """Two workers share the store: as many distinct calls as one, and nothing is fitted on a warm one."""
    score = search(store, 2)
    cold = store.stats()
    assert cold.calls == 11
    assert search(store, 2) == score
    warm = store.stats()
    assert warm.misses == cold.misses
    assert warm.hits > cold.hits


class Logged(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A user's transformer that says in a file when it is fitted."""

    def __init__(self, path=""):
        self.path = path

    def fit(self, X, y=None):
        """Write a line."""
        with open(self.path, "a") as file:
            file.write("fit\n")
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        """Take off the mean."""
        return X - self.mean_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_users_transformer_is_fitted_once(store, tmp_path, n_jobs):
    """A transformer of the user's own is fitted no more often than with joblib on a cold store, and never on a warm one."""
    counts = []
    for name, memory in (("ours", store), ("theirs", joblib.Memory(tmp_path / "joblib", verbose=0))):
        path = tmp_path / name
        search(memory, n_jobs, estimator=Logged(str(path)))
        cold = path.read_text().count("fit")
        search(memory, n_jobs, estimator=Logged(str(path)))
        counts.append((cold, path.read_text().count("fit") - cold))
    ours, theirs = counts
    assert ours[0] <= theirs[0]
    assert ours[1] == 0


def _plus(X, it):
    return X + 1


def test_an_estimator_that_cannot_be_keyed_runs_uncached(store):
    """A parameter without a digest costs the caching of that step, with one warning, never the result."""
    pipeline = Pipeline(
        [("f", FunctionTransformer(kw_args={"it": iter([1])}, func=_plus)), ("s", StandardScaler()), ("p", PCA(2))],
        memory=store,
    )
    X, y = data()
    with pytest.warns(CacheWarning, match="runs uncached"):
        first = pipeline.fit_transform(X, y)
    assert np.array_equal(first, clone(pipeline).set_params(memory=None).fit_transform(X, y))


def test_a_store_is_taken_for_a_memory(folder):
    """scikit-learn's own check takes a store as it is, and cloning a pipeline copies it by its place."""
    from sklearn.utils.validation import check_memory

    store = Store(folder, verbose=0)
    assert check_memory(store) is store
    assert clone(Pipeline([("p", PCA())], memory=store)).memory == store


class Forgets(BaseEstimator):  # type: ignore[misc]
    """An estimator that does not tell all of itself."""

    def __init__(self, factor=1):
        self.factor = factor
        self.lock = threading.Lock()

    def __getstate__(self):
        return {}


class OwnWay(Forgets):
    """An estimator that says for itself how it is restored."""

    def __reduce__(self):
        return (OwnWay, ())


@pytest.mark.parametrize("kind", [Forgets, OwnWay])
def test_what_an_estimator_does_not_tell_counts_too(kind):
    """What a state of one's own leaves out is part of the value, but for locks and the like."""
    assert digest(kind(1)) == digest(kind(1))
    assert digest(kind(1)) != digest(kind(2))


def test_attributes_of_methods_count():
    """A value that hangs on a method is part of what the class does."""
    one, other = make_class(), make_class()
    one.fit.limit = other.fit.limit = 3
    assert digest(one()) == digest(other())
    other.fit.limit = 4
    assert digest(one()) != digest(other())


class CallableThing:
    """A callable object of the user's own."""

    def __call__(self, X):
        return X


def _typed_in(original):
    """Return a wrapper as it is typed at a prompt: without a file, and with the original's names."""
    scope = {"original": original, "functools": functools, "__name__": "__main__"}
    code = compile("@functools.wraps(original)\ndef f(self, X):\n    return X", "<stdin>", "exec")
    exec(code, scope)
    return scope["f"]


def test_a_patched_class_is_not_vouched_for(monkeypatch):
    """A method that somebody put into an installed class, or an installed function replaced, changes the digest."""
    before = digest(StandardScaler())
    monkeypatch.setattr(StandardScaler, "transform", lambda self, X: X)
    assert digest(StandardScaler()) != before
    for patch in (
        mock.MagicMock(),
        functools.partialmethod(lambda self, X: X),
        CallableThing(),
        _typed_in(StandardScaler.transform),
    ):
        monkeypatch.setattr(StandardScaler, "transform", patch)
        with contextlib.suppress(DigestError):  # refused: as good
            assert digest(StandardScaler()) != before
    import sklearn.feature_selection._univariate_selection as module

    plain = digest(SelectKBest(module.f_classif))

    @functools.wraps(module.f_classif)
    def mine(X, y):
        return X[0]

    monkeypatch.setattr(module, "f_classif", mine)
    with contextlib.suppress(DigestError):  # refused: as good
        assert digest(SelectKBest(mine)) != plain


def test_a_module_that_hides_one_of_pythons_is_the_users(tmp_path):
    """A class in a user's chunk.py counts with its code, though Python has a module of that name."""
    (tmp_path / "run.py").write_text(
        "import chunk, sys\nfrom resultstore import digest\nprint(digest(chunk.Scale(3)).hex())\n"
    )
    seen = set()
    for factor in (2, 3):
        (tmp_path / "chunk.py").write_text(
            "from sklearn.base import BaseEstimator\nclass Scale(BaseEstimator):\n    def __init__(self, k=1):\n"
            f"        self.k = k\n    def transform(self, X):\n        return X * {factor}\n"
        )
        done = subprocess.run(
            [sys.executable, "-B", "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        seen.add(done.stdout)
    assert len(seen) == 2


class Held:
    """A base that holds the class cell of its own."""

    factor = 2

    def predict(self, X):
        return X * __class__.factor


class Borrower(BaseEstimator):  # type: ignore[misc]
    """An estimator that borrows a method from a class it does not inherit."""

    predict = Held.predict


def test_a_method_borrowed_with_another_class_in_it_counts_or_is_refused(monkeypatch):
    """A method that speaks of a class that is no part of the estimator depends on that class."""
    with contextlib.suppress(DigestError):
        before = digest(Borrower())
        monkeypatch.setattr(Held, "factor", 3)
        assert digest(Borrower()) != before
