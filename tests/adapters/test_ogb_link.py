"""OGB's format of links, written by OGB's own saver and as its downloads are laid out, read back by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.adapters.ogb import reading
from graphns.adapters.ogb.link import HITS, LEFT_OUT, NAMES, official_figures, read_link
from graphns.data import load_links
from graphns.data.named import DataNotFoundError
from graphns.metrics.links import evaluate_scores
from tests.adapters.ogb_links import NUM_NODES, as_downloaded, tiny, with_own

if not any((Path(each) / "ogb").is_dir() for each in sys.path):  # not imported: ogb asks the network when it is
    pytest.skip("ogb is not installed", allow_module_level=True)

def check_shared(data: Any, parts: dict[str, dict[str, Any]]) -> None:
    assert sorted(map(tuple, data.train.T.tolist())) == sorted(map(tuple, parts["train"]["edge"].tolist()))
    for name in ("valid", "test"):
        assert torch.equal(data.part(name).positive, torch.from_numpy(parts[name]["edge"].T))
        assert torch.equal(data.part(name).negative, torch.from_numpy(parts[name]["edge_neg"].T))


@pytest.mark.parametrize("name, metric", [("ogbl-ddi", "hits@20"), ("ogbl-collab", "hits@50")])
def test_a_download_by_name(tmp_path: Path, name: str, metric: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts = tiny()
    folder = as_downloaded(tmp_path, name, parts)
    data = load_links(name.upper().replace("-", "_"), root=tmp_path)
    check_shared(data, parts)
    assert (data.name, data.metric, data.setting, data.num_nodes) == (name, metric, "ogb", NUM_NODES)
    assert data.undirected and data.graph.num_edges == 160 and data.repeats == (name == "ogbl-collab")
    assert data.num_features == (6 if name == "ogbl-collab" else 0)
    assert load_links(name, root=tmp_path, features=False).num_features == 0
    assert capsys.readouterr().out == "", "results alone go to stdout"
    assert (folder / "processed" / reading.PROCESSED).is_file()


def test_own_negatives(tmp_path: Path) -> None:
    parts = with_own()
    as_downloaded(tmp_path, "ogbl-citation2", parts)
    data = load_links("ogbl-citation2", root=tmp_path)
    assert data.test.negative.shape == (2, 15, 4) and data.test.own and data.metric == "mrr"
    assert torch.equal(data.test.negative[1], torch.from_numpy(parts["test"]["target_node_neg"]))
    assert bool((data.test.negative[0] == data.test.positive[0][:, None]).all())
    assert not data.undirected and data.graph.num_edges == 80, "a citation has a direction"


def test_what_ogbs_saver_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tiny()
    reading.import_ogb("linkproppred")
    from ogb.io import DatasetSaver

    monkeypatch.chdir(tmp_path)
    saver = DatasetSaver("ogbl-tiny", is_hetero=False, version=1)
    with reading.loading(quiet=True):
        saver.save_graph_list([{"edge_index": parts["train"]["edge"].T, "num_nodes": NUM_NODES, "edge_feat": None,
                                "node_feat": np.eye(NUM_NODES, 3, dtype=np.float32)}])
        saver.save_split(parts, split_name="random")
        (tmp_path / "mapping").mkdir()
        (tmp_path / "mapping" / "README.md").write_text("")
        saver.copy_mapping_dir("mapping")
        saver.save_task_info(task_type="link prediction", eval_metric="hits@10")
        saver._save_target_labels_done = True  # OGB asks for labels, and refuses them, where links are predicted
        meta = saver.get_meta_dict()
    found = read_link("ogbl-tiny", tmp_path, meta)
    assert found["train"].T.tolist() == parts["train"]["edge"].tolist() and found["x"].shape == (NUM_NODES, 3)
    for name in ("valid", "test"):
        for tensor, key in zip(found[name], ("edge", "edge_neg"), strict=True):
            assert tensor.T.tolist() == parts[name][key].tolist()
    assert (found["metric"], found["undirected"], found["repeats"]) == ("hits@10", True, False)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for name, reason in LEFT_OUT.items():
        with pytest.raises(ValueError, match=f"{name} cannot be read: {reason}; of OGB there are: {', '.join(NAMES)}"):
            load_links(name, root=tmp_path)
    with pytest.raises(ValueError, match="OGB has no such data set"):
        load_links("ogbl-nothing", root=tmp_path)
    folder = as_downloaded(tmp_path, "ogbl-ddi", {**tiny(), "test": {"head": np.zeros(3), "edge": np.ones((1, 2))}})
    with pytest.raises(ValueError, match="ogbl-ddi has head, edge, and no negatives"):
        load_links("ogbl-ddi", root=tmp_path)
    torch.save({"head": Evil()}, folder / "split" / "target" / "train.pt")
    with pytest.raises(ValueError, match="cannot be read without executing it"):
        load_links("ogbl-ddi", root=tmp_path)
    assert not Path("touched-by-evil").exists()


def test_several_kinds_of_edges(tmp_path: Path) -> None:
    parts = {**tiny(), "valid": {"head": np.zeros(3), "tail": np.zeros(3)}}
    as_downloaded(tmp_path, "ogbl-ddi", parts)
    with pytest.raises(ValueError, match="ogbl-ddi has head, tail and neither 'edge' nor"):
        load_links("ogbl-ddi", root=tmp_path)


def test_missing_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(reading.import_ogb("linkproppred"), "PygLinkPropPredDataset", offline)
    with pytest.raises(DataNotFoundError, match=r"no ogbl-ppa in .*failed.*where DIR/ogb/ogbl_ppa holds what ogb"):
        load_links("ogbl-ppa", root=tmp_path)
    assert not list(tmp_path.iterdir())


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


@pytest.mark.parametrize("name", NAMES)
def test_official_figures(name: str) -> None:
    """Equal to the package's own figures of the same scores, which nothing ties."""
    random = torch.Generator().manual_seed(0)
    own = name == "ogbl-citation2"
    positive, negative = torch.rand(40, generator=random) + 0.1, torch.rand((40, 9) if own else 300, generator=random)
    found = official_figures(name, positive, negative)
    ours = evaluate_scores(positive, negative, ks=HITS.get(name, ())).as_dict()
    assert found == pytest.approx({key: ours[key] for key in found}) and 0 < min(found.values()) < 1
    assert list(found) == [f"hits@{k}" for k in HITS.get(name, ())] or list(found) == ["mrr" if own else "auc"]
    assert official_metric(name) in found


def official_metric(name: str) -> str:
    metric: str = reading.evaluator("linkproppred", name).eval_metric
    return {"rocauc": "auc"}.get(metric, metric)


def test_an_evaluator_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.arange(40.0)
    before = official_figures("ogbl-ddi", scores, scores)

    def never(*_: Any) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(reading.import_ogb("linkproppred"), "Evaluator", never)
    assert official_figures("ogbl-ddi", scores, scores) == before == {"hits@10": 0.225, "hits@20": 0.475,
                                                                     "hits@30": 0.725}
    assert reading.evaluator("linkproppred", "ogbl-ddi").K == 20, "left as OGB made it"


def test_what_has_no_figure() -> None:
    with pytest.raises(ValueError, match="there are no figures of 'ogbl-biokg'; of OGB there are: ogbl-ddi"):
        official_figures("ogbl-biokg", torch.rand(2), torch.rand(2))
    with pytest.raises(ValueError, match=r"ogbl-ddi ranks scores \[P\] among \[n\], none empty, got \(2,\) and \(2, 2"):
        official_figures("ogbl-ddi", torch.rand(2), torch.rand(2, 2))
    with pytest.raises(ValueError, match=r"ogbl-citation2 ranks scores \[P\] among \[P, n\], .* \(2,\) and \(3, 2\)"):
        official_figures("ogbl-citation2", torch.rand(2), torch.rand(3, 2))
    with pytest.raises(ValueError, match=r"none empty, got \(0,\) and \(2,\)"):
        official_figures("ogbl-ppa", torch.rand(0), torch.rand(2))
    with pytest.raises(ValueError, match="a negative has the score NaN"):
        official_figures("ogbl-ppa", torch.rand(2), torch.tensor([0.0, float("nan")]))
