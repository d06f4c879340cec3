"""What scikit-learn and scipy have compiled: fitted models, trees, losses and distances as arguments."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import interpolate, sparse, spatial, stats
from scipy.sparse import linalg
from scipy.spatial import transform
from sklearn import ensemble, linear_model, neighbors, tree
from sklearn._loss import _loss
from sklearn.linear_model import _sgd_fast
from sklearn.metrics import DistanceMetric

from resultstore import DigestError, digest


def points(n=60, shift=0.0):
    """Return points, two classes of them, and a number for each."""
    X = np.random.default_rng(0).normal(size=(n, 3)) + shift
    return X, (X[:, 0] > shift).astype(int), X[:, 0] * 2 + X[:, 1]


def fit(name, shift=0.0):
    """Return a model of this kind, fitted."""
    X, classes, numbers = points(shift=shift)
    model = MODELS[name]()
    return model.fit(X, numbers if "Regressor" in type(model).__name__ else classes)


MODELS = {
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0),
    "regression tree": lambda: tree.DecisionTreeRegressor(max_depth=3, random_state=0),
    "forest": lambda: ensemble.RandomForestClassifier(5, random_state=0),
    "isolation": lambda: ensemble.IsolationForest(n_estimators=5, random_state=0),
    "boosting": lambda: ensemble.GradientBoostingRegressor(n_estimators=5, loss="huber", random_state=0),
    "histograms": lambda: ensemble.HistGradientBoostingClassifier(max_iter=3, random_state=0),
    "neighbours": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree"),
    "balls": lambda: neighbors.KNeighborsRegressor(algorithm="ball_tree", metric="manhattan"),
    "density": lambda: neighbors.KernelDensity(),
    "descent": lambda: linear_model.SGDClassifier(random_state=0),
    "tweedie": lambda: linear_model.TweedieRegressor(power=0),
}


GENERATOR = np.random.default_rng(0)
SEEDS_TRAVEL = digest(pickle.loads(pickle.dumps(GENERATOR))) == digest(GENERATOR)
"""Not with numpy 1: a generator, such as one that a model by histograms holds, loses its seeds there."""


@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model_is_what_it_was_fitted_on(name):
    """Equal fits are one argument, also after a prediction and through pickle; a fit on other data is another one."""
    model = fit(name)
    before = digest(model)
    assert digest(fit(name)) == before
    (model.predict if hasattr(model, "predict") else model.score_samples)(points()[0])
    assert digest(model) == before
    if name != "histograms" or SEEDS_TRAVEL:
        assert digest(pickle.loads(pickle.dumps(model))) == before
    assert digest(fit(name, shift=0.5)) != before


def test_a_generator_may_have_its_seed_from_an_array():
    """A seed that is a number of numpy's identifies a generator, as models that take their seed from another one hold."""
    seeded = [np.random.default_rng(seed) for seed in (np.uint64(3), np.uint64(4), 3)]
    assert len({digest(generator) for generator in seeded}) == 3
    assert digest(np.random.default_rng(np.uint64(3))) == digest(seeded[0])


def _first(a, b):
    return float(abs(a[0] - b[0]))


def _second(a, b):
    return float(abs(a[1] - b[1]))


METRICS = [
    ("euclidean", {}), ("manhattan", {}), ("haversine", {}), ("pyfunc", {"func": _first}), ("pyfunc", {"func": _second}),
    ("seuclidean", {"V": [1.0, 2.0]}), ("seuclidean", {"V": [1.0, 3.0]}),
    ("minkowski", {"p": 3}), ("minkowski", {"p": 4}), ("minkowski", {"p": 3, "w": np.array([1.0, 2.0])}),
    ("mahalanobis", {"V": np.diag([1.0, 2.0])}), ("mahalanobis", {"V": np.diag([1.0, 3.0])}),
]  # fmt: skip


def trees():
    """Return trees of every kind, by name."""
    X, classes, _ = points()
    found = {
        "Tree": tree.DecisionTreeClassifier(random_state=0).fit(X, classes).tree_,
        "cKDTree": spatial.cKDTree(X, leafsize=4),
        "KDTree": spatial.KDTree(X, leafsize=4),
        "box": spatial.KDTree(X % 1, leafsize=4, boxsize=[1, 1, 1]),
    }
    for kind in (neighbors.KDTree, neighbors.BallTree):
        found[f"sklearn {kind.__name__}"] = kind(X, leaf_size=4)
        found[f"weighted {kind.__name__}"] = kind(X, leaf_size=4, sample_weight=np.arange(1.0, 61))
    return found


def things():
    """Return one of all that is known by its parts here, by name."""
    found = {name: fit(name) for name in MODELS} | trees()
    for number, (name, options) in enumerate(METRICS):
        found[f"{name} {number}"] = DistanceMetric.get_metric(name, **options)
    for number in (0.25, 0.75):
        found[f"rotation {number}"] = transform.Rotation.from_euler("xyz", [0.1, 0.2, number])
        found[f"rotations {number}"] = transform.Rotation.from_euler("xyz", [[0.1, 0.2, number]])
        for kind in (_loss.CyPinballLoss, _loss.CyHuberLoss, _loss.CyHalfTweedieLoss, _loss.CyHalfTweedieLossIdentity,
                     _sgd_fast.Hinge, _sgd_fast.SquaredHinge, _sgd_fast.EpsilonInsensitive):  # fmt: skip
            found[f"{kind.__name__} {number}"] = kind(number)
    for kind in (_loss.CyHalfSquaredError, _loss.CyAbsoluteError, _loss.CyHalfPoissonLoss, _loss.CyHalfGammaLoss,
                 _loss.CyHalfBinomialLoss, _loss.CyExponentialLoss, _sgd_fast.ModifiedHuber):  # fmt: skip
        found[kind.__name__] = kind()
    return found


def test_no_two_of_them_are_the_same_and_pickle_changes_none():
    """Every kind, metric and parameter has a digest of its own, which a copy through pickle shares."""
    found = {name: digest(value) for name, value in things().items()}
    assert len(set(found.values())) == len(found)
    copies = {name: pickle.loads(pickle.dumps(value)) for name, value in things().items()}
    assert {n for n, c in copies.items() if digest(c) != found[n]} <= (set() if SEEDS_TRAVEL else {"histograms"})


def test_their_digests_are_those_of_every_process():
    """Hash seeds, addresses and what lay in memory before have no say in them."""
    script = (
        "from tests.test_compiled import *\n"
        "for name, value in things().items():\n    if 'pyfunc' not in name: print(name, digest(value).hex())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1", "MALLOC_PERTURB_": "77"}
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    here = [f"{name} {digest(value).hex()}" for name, value in things().items() if "pyfunc" not in name]
    assert told.stdout.splitlines() == here


def changed(array):
    """Yield copies of an array, each with another number in the first or the last entry of one field."""
    for field in array.dtype.names or [None]:
        for place in (0, -1):
            other = array.copy()
            (other if field is None else other[field]).reshape(-1)[place] += 1
            yield other


def put(state, name, part):
    """Return a state with another part."""
    entries = dict(state.items() if isinstance(state, dict) else enumerate(state))
    entries[name] = part
    return entries if isinstance(state, dict) else tuple(entries.values())


@pytest.mark.parametrize("name", trees())
def test_every_array_of_a_trees_state_counts(name):
    """Whatever is changed in an array that pickle restores a tree from, it is another argument."""
    original = trees()[name]
    state, parts = type(original).__getstate__(original), []
    for key, part in state.items() if isinstance(state, dict) else enumerate(state):
        if isinstance(part, np.ndarray) and part.dtype.itemsize > 1:
            parts += [(key, other) for other in changed(part)]
    seen = {digest(original)}
    for key, other in parts:
        function, args, *_ = original.__reduce_ex__(4)
        restored = function(*args)
        restored.__setstate__(put(state, key, other))
        seen.add(digest(restored))
    assert len(seen) == len(parts) + 1 > 7


FIELDS = "split_dim children split start_idx end_idx less greater _less _greater".split()
NODES = np.dtype([(field, "<f8" if field == "split" else "<i8") for field in FIELDS])


@pytest.mark.parametrize("field", [*FIELDS[:5], "_less"])
def test_every_number_of_a_scipy_trees_nodes_counts(field):
    """A node's number, or its halves changed for each other, make another tree; where the nodes lie in memory does not."""
    original = spatial.cKDTree(points()[0], leafsize=4)
    state = original.__getstate__()
    nodes = state[0].view(NODES).copy()
    nodes["less"] = nodes["greater"] = 1
    restored = spatial.cKDTree.__new__(spatial.cKDTree)
    restored.__setstate__(put(state, 0, nodes.view(state[0].dtype)))
    assert digest(restored) == digest(original)
    if field == "_less":
        nodes["_less"][0], nodes["_greater"][0] = nodes["_greater"][0], nodes["_less"][0]
    else:
        nodes[field][0] = (nodes[field][0] + 1) % 3
    restored.__setstate__(put(state, 0, nodes.view(state[0].dtype)))
    assert digest(restored) != digest(original)


def test_how_a_tree_was_built_counts():
    """The same points in leaves of another size, or halved in another way, are another tree: ties come in its order."""
    X = points()[0]
    options = [{}, {"leafsize": 3}, {"balanced_tree": False}, {"compact_nodes": False}, {"boxsize": [9, 9, 9]}]
    built = {digest(spatial.cKDTree(X - X.min(), **option)) for option in options}
    built |= {digest(neighbors.KDTree(X, **option)) for option in ({}, {"leaf_size": 3}, {"metric": "chebyshev"})}
    assert len(built) == len(options) + 3


@pytest.mark.parametrize("name", [name for name in trees() if name not in ("Tree", "cKDTree")])
def test_what_a_tree_was_asked_does_not_count_and_what_it_was_given_does(name):
    """Counters and views that questions leave behind are no part of a tree; attributes are."""
    asked = trees()[name]
    before = digest(asked)
    asked.query(points()[0][:5] % 1, k=2)
    assert getattr(asked, "tree", None) is not asked  # scipy keeps the view
    assert digest(asked) == before
    asked.unit = "km"
    assert digest(asked) != before


class Nearest(spatial.KDTree):  # type: ignore[misc]
    """A tree that may hold anything."""


class Near(neighbors.KDTree):  # type: ignore[misc]
    """Another one."""


@pytest.mark.parametrize("kind", [Nearest, Near])
def test_a_tree_of_ones_own_kind_is_refused(kind):
    """A subclass may keep more than the library's class is known to keep."""
    with pytest.raises(DigestError, match="it derives from KDTree"):
        digest(kind(points()[0]))


@pytest.mark.parametrize("kind", [spatial.KDTree, neighbors.KDTree])
def test_a_patched_tree_is_refused(kind, monkeypatch):
    """A method that somebody has put into the library's class is nothing that its version vouches for."""
    monkeypatch.setattr(kind, "query", lambda self, x: x, raising=False)
    with pytest.raises(DigestError, match="a method of its class was replaced"):
        digest(kind(points()[0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda X: spatial.Delaunay(X), lambda X: interpolate.LinearNDInterpolator(X, X[:, 0]),
        lambda X: linalg.splu(sparse.csc_matrix(np.eye(3))), lambda X: stats.ttest_ind(X[:, 0], X[:, 1]),
    ],
)  # fmt: skip
def test_what_is_said_to_have_no_digest_has_none(make):
    """Compiled classes that do not tell what they hold are refused, as the page on arguments says."""
    value = make(points()[0])
    with pytest.raises(DigestError):
        digest(value)


def test_a_call_with_a_model_is_a_hit(store):
    """A function of a fitted model computes once for equal fits, and again for another one."""
    runs = []

    @store.cache(version=1, ignore=["runs"])
    def score(model, runs):
        runs.append(1)
        return len(model.estimators_)

    assert score(fit("forest"), runs) == score(fit("forest"), runs) == 5
    assert len(runs) == 1
    score(fit("forest", shift=1.0), runs)
    assert len(runs) == 2
