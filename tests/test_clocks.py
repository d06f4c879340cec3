"""Wall clocks that are set, by ten years either way: nothing hangs, nothing expires that has no time to live."""

from __future__ import annotations

import pytest

from tests.faults import shim
from tests.test_full_disks import run

pytestmark = pytest.mark.versionless

CODE = """
from tests.faults.shim import Shim
shim = Shim()
TEN_YEARS_S = 3.2e8
with Store(place, size_limit=2_000_000) as store:
    f, timed = store.cache(block), store.cache(science.square, ttl=3600)
    for i in range(6):
        right(f, i)
    timed(3)
    assert right(f, 0)
    with shim.clock({years} * TEN_YEARS_S):
        for i in range(6):
            assert right(f, i), i
        ran = len(science.runs)
        timed(3)
        assert (len(science.runs) > ran) == ({years} > 0)
        assert right(f, 2)
        for i in range(20, 36):
            assert not right(f, i)
            assert right(f, 2)  # the one that is used most stays
    assert right(f, 2) and right(f, 35)
    for i in range(40, 56):
        assert not right(f, i)
        assert right(f, 2)
    once()
    assert not told, told
    assert store.verify() == []
with shim.clock(-{years} * TEN_YEARS_S), Store(place, size_limit=2_000_000) as store:
    f = store.cache(block)
    assert right(f, 2) and right(f, 55)
    assert not right(f, 60)
    assert right(f, 60)
    assert store.verify() == []
"""


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_jumps(tmp_path, tmp_path_factory, monkeypatch, years):
    """Hits stay hits, the one that is used stays under a limit, a result with a ttl expires, or not, by the clock."""
    reason = shim.why_not()
    if reason:
        pytest.skip(reason)
    for name, value in shim.environment(shim.compile_shim(tmp_path_factory.mktemp("shim"))).items():
        monkeypatch.setenv(name, value)
    run(tmp_path / "results", CODE.replace("{years}", str(years)))
