"""The bench: that it runs, and that its page has all rows. What it measures is judged by people."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.versionless
BENCH = Path(__file__).parent.parent / "scripts" / "bench"


def run(*options: str) -> str:
    """Run the bench in a process of its own, and return what it prints."""
    words = [sys.executable, str(BENCH / "bench.py"), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(text: str) -> list[str]:
    """Return the names of the rows of all tables between the marks of a page."""
    measured = text.partition("<!-- measured: begin -->")[2].partition("<!-- measured: end -->")[0]
    names = [line.split("|")[1].strip() for line in measured.splitlines() if line.startswith("| ")]
    return [name for name in names if name]


def test_the_bench_measures_the_rows_it_is_asked_for(tmp_path):
    """The bench measures the rows that --only names, copied stores included, and writes a page with these and no others."""
    page = tmp_path / "page.md"
    pattern = r"the same call|find\(f, x=\.\.\.\).*1,200 calls"
    run("--tiny", "--only", pattern, "--place", str(tmp_path), "--write", str(page))
    assert rows_of(page.read_text()) == ["hit, the same call", "find(f, x=...).first(), 1,200 calls"]
    assert "## How it is measured" in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_the_page_of_figures_has_all_rows():
    """The page shows every row that the bench can measure, in its order."""
    assert rows_of((BENCH / "bench.md").read_text()) == run("--list").splitlines()


def test_the_table_of_round_trips_is_true(monkeypatch):
    """What the page says that our hits lose, and what needs a pickle, is what they lose and need."""
    monkeypatch.syspath_prepend(str(BENCH))
    roundtrip = importlib.import_module("roundtrip")

    def ours(text):
        rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ") and "---" not in line]
        return [[cell.strip() for cell in row] for row in rows]

    table = ours(roundtrip.table())
    assert table == ours(roundtrip.PAGE.read_text())
    assert len(table) == len(roundtrip.VALUES) + 1


def test_the_page_of_what_a_hit_pays_to_know_has_all_rows():
    """identity.py measures the rows that identity.md shows."""
    words = [sys.executable, str(BENCH / "identity.py"), "--tiny"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    shown = (BENCH / "identity.md").read_text()

    def first_cells(text: str) -> list[str]:
        return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]

    assert first_cells(printed) == first_cells(shown)


def test_the_page_of_compression_has_all_rows():
    """compressing.py measures the rows that compression.md shows, whoever of the others is installed."""
    words = [sys.executable, str(BENCH / "compressing.py"), "--tiny"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert rows_of(f"<!-- measured: begin -->{printed}") == rows_of((BENCH / "compression.md").read_text())


def test_the_picture_of_growth_shows_what_the_page_says(monkeypatch):
    """The curves are read from the page: three sizes of store for us, each in a panel that the picture has."""
    monkeypatch.syspath_prepend(str(BENCH))
    curves = importlib.import_module("curves")
    found = curves.curves_of((BENCH / "bench.md").read_text())
    assert set(found) == set(curves.PANELS)
    for panel in curves.PANELS:
        assert [count for count, _ in found[panel]["resultstore"]] == [10_000, 100_000, 1_000_000]
    picture = (BENCH / "growth.svg").read_text()
    assert all(panel.split(",")[0].split("(")[0] in picture for panel in curves.PANELS)


def test_the_replay_is_what_a_real_store_does():
    """replay.py prints the rows that replay.md shows, and a real store hits exactly where the replay does."""
    words = [sys.executable, str(BENCH / "replay.py"), "--tiny"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    shown = (BENCH / "replay.md").read_text()
    assert rows_of(f"<!-- measured: begin -->{printed}") == rows_of(shown)
    for text in (printed, shown):
        differ = [line.split("|")[-2].strip() for line in text.splitlines() if line.startswith("| `")]
        assert differ == ["0"] * 5
