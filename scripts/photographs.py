"""A small pipeline of cached functions over real photographs and handwritten digits, swept over parameters."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from resultstore import Store

Image = npt.NDArray[np.float32]

store = Store(sys.argv[1], size_limit="6 MB" if sys.argv[2] == "cap" else "200 MB")


@store.cache
def photograph(name: str) -> Image:
    """Return a photograph that scikit-learn ships: height x width x 3, from 0 to 1."""
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image(name), np.float32) / 255


@store.cache
def denoise(image: Image, size: int) -> Image:
    """Return the median of every neighbourhood of size x size pixels."""
    from scipy.ndimage import median_filter

    return np.stack([median_filter(image[..., channel], size) for channel in range(3)], axis=-1)


@store.cache
def palette(image: Image, colours: int, seed: int = 0) -> dict[str, Any]:
    """Return the main colours of a photograph, how much each covers, and which pixel has which."""
    from sklearn.cluster import KMeans

    pixels = image.reshape(-1, 3)
    rng = np.random.default_rng(seed)
    means = KMeans(colours, n_init=4, random_state=seed).fit(pixels[rng.choice(len(pixels), 20_000, replace=False)])
    labels = means.predict(pixels).astype(np.uint8).reshape(image.shape[:2])
    shares = np.bincount(labels.ravel(), minlength=colours) / labels.size
    return {"colours": means.cluster_centers_, "shares": shares.tolist(), "labels": labels}


@store.cache
def embed_digits(components: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the 1797 handwritten digits in few dimensions, and what they are."""
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    digits = load_digits()
    return PCA(components, random_state=0).fit_transform(digits.data), digits.target


@store.cache(ignore=["verbose"])
def accuracy(
    points: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], gamma: float, verbose: bool = False
) -> float:
    """Return how well a support vector machine tells the digits, in five-fold cross-validation."""
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    score = float(cross_val_score(SVC(gamma=gamma), points, labels, cv=5).mean())
    if verbose:
        print(f"  gamma={gamma}: {score:.3f}")
    return score


def sweep() -> None:
    """Sweep the parameters of both pipelines."""
    started = time.perf_counter()
    for name in ("china.jpg", "flower.jpg"):
        image = photograph(name)
        for size in (1, 5, 9):
            smooth = denoise(image, size)
            for colours in (4, 8):
                found = palette(smooth, colours)
        print(f"{name}: the largest of {colours} colours covers {max(found['shares']):.0%}")
    best = max(
        (accuracy(*embed_digits(components), gamma), components, gamma)
        for components in (5, 10, 20)
        for gamma in (0.0005, 0.001, 0.002)
    )
    print(f"digits: {best[0]:.1%} right with {best[1]} components and gamma={best[2]}")
    elapsed = time.perf_counter() - started
    store.close()
    stats = store.stats()
    print(
        f"{elapsed:.2f} s; in this store's life {stats.misses} calls computed, {stats.hits} answered from the store "
        f"(that saved {stats.seconds_saved:.1f} s), {stats.nbytes / 1e6:.1f} MB on the disk"
    )


def ask() -> None:
    """Ask the index: these queries open no payload and need none of the functions."""
    print(">>> store.find(palette, colours=8)")
    print(store.find(palette, colours=8))
    print("\n>>> store.find('__main__.accuracy', gamma=0.001)")
    print(store.find("__main__.accuracy", gamma=0.001))
    print("\n>>> store.find(denoise, image=photograph('china.jpg'), size=9).first().load().shape")
    record = store.find(denoise, image=photograph("china.jpg"), size=9).first()
    print(record.load().shape if record is not None else "not there")


def cap() -> None:
    """Work under a small budget."""
    sweep()  # closing the store in the end, it brings it below its limit
    states = [record.state for record in store.find()]
    print(f"{states.count('stored')} results stored, {states.count('evicted')} evicted and still on record; e.g.")
    print(store.find(denoise)[:3])
    print(f"verify: {store.verify() or 'all is well'}")


{"sweep": sweep, "ask": ask, "cap": cap}[sys.argv[2]]()
