"""The benchmark of link loaders: both make the same batches' worth, and the ratio is theirs over ours."""

import pytest

pytest.importorskip("dgl", reason="the peer is not installed")


@pytest.mark.filterwarnings("ignore:Dataloader CPU affinity opt is not enabled")
def test_rows_side_by_side(load_script):
    script = load_script("link_loader.py", "link_loader_script")
    ours, theirs = script.measure("tiny", 2, 2, 1)
    assert ours["batches"] == theirs["batches"] == 2 and ours["ratio_wall"] == ours["ratio_cpu"] == 1
    assert theirs["ratio_wall"] == pytest.approx(theirs["wall_ms"] / ours["wall_ms"], rel=0.02)
    assert ours["fastest_ms"] <= ours["wall_ms"] <= ours["slowest_ms"]
    assert 1500 < ours["nodes"] <= 2000 and 1500 < theirs["nodes"] <= 2000  # two hops reach most of 2,000 nodes
    assert set(ours) == set(script.COLUMNS)
