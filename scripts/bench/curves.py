"""Draws growth.svg from the figures of bench.md: what calls cost in stores of ten thousand to a million calls."""

from __future__ import annotations

import os
import re
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE, PICTURE = os.path.join(HERE, "bench.md"), os.path.join(HERE, "growth.svg")
CHAPTER = "### Stores that grow"
PANELS = ("hit", "miss", "open and first hit, fresh process", "find(f, x=...).first()")
COLUMNS = ("resultstore", "joblib", "diskcache", "limit")
COLOURS = {"resultstore": "#1f6f8b", "joblib": "#c8553d", "diskcache": "#8a8d3a", "limit": "#9a9a9a"}
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def curves_of(text: str) -> Curves:
    """Return, for each panel and contender, the wall time of a call by the number of calls in the store."""
    found: Curves = defaultdict(lambda: defaultdict(list))
    for line in text.partition(CHAPTER)[2].partition("\n### ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        named = re.fullmatch(r"(.+), ([\d,]+) calls", cells[0])
        if named is None or named[1] not in PANELS:
            continue
        for column, cell in zip(COLUMNS, cells[1:], strict=False):
            time = re.search(r"([\d.]+) (s|ms|µs) ·", cell)
            if time is not None:
                count = int(named[2].replace(",", ""))
                found[named[1]][column].append((count, float(time[1]) * UNITS[time[2]]))
    return found


def draw(path: str = PICTURE) -> None:
    """Draw the picture of the page's figures."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    with open(PAGE, encoding="utf-8") as file:
        curves = curves_of(file.read())
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(12, 3), sharey=True, layout="constrained")
    for panel, axis in zip(PANELS, axes, strict=True):
        for name, points in curves[panel].items():
            style = "--" if name == "limit" else "-"
            axis.loglog(*zip(*points, strict=True), style, marker="o", markersize=3, color=COLOURS[name], label=name)
        axis.set_title(panel, fontsize=9)
        axis.set_xlabel("calls in the store")
        axis.grid(visible=True, which="major", linewidth=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds a call")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw()
