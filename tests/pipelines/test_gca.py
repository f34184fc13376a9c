"""GCA: rates by the formula, its limits, every measure, resuming, and any family of samplers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from graphns.data.node import NodeData
from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.graph.centrality import MEASURES, centrality
from graphns.graph.graph import Graph
from graphns.pipelines.gca import Gca, GcaConfig, train
from graphns.pipelines.grace import Grace
from graphns.pipelines.grace import train as train_grace
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from graphns.views.adaptive import drop_rates, edge_weights, feature_weights
from tests.pipelines.test_grace import Cut, cut_after, tiny
from tests.pipelines.test_two_views_loss import SAMPLERS

SMALL = GcaConfig(hidden_size=8, projection_size=6, epochs=6, k=5, learning_rate=0.01)


def words(num_nodes: int = 60) -> NodeData:
    """Features few of which are there, of different sizes: held sparse."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(num_nodes, 50, generator=generator) * (torch.rand(num_nodes, 50, generator=generator) < 0.08)
    edges = torch.randint(num_nodes, (2, 150), generator=generator)
    return NodeData("words", x, edges, torch.arange(num_nodes) % 3)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("make", [tiny, words])
def test_views_drop_by_centrality(measure: str, make: object) -> None:
    """Over 400 streams each edge and each column is dropped at its rate; marks count by being there."""
    data = words() if make is words else tiny()
    assert isinstance(data.features, Sparse) == (make is words)
    model = Gca.seeded(data, SMALL.replace(augmentation=measure, drop_edge=(0.3, 0.1), drop_feature=(0.2, 0.5)))
    central = centrality(data.graph, measure)
    edge = edge_weights(data.edge_index, central)
    column = feature_weights(data.x, central, binary=make is words)
    counts = [torch.zeros(len(edge)), torch.zeros(data.num_features)] * 2
    pair = data.edge_index[0] * data.num_nodes + data.edge_index[1]
    for step in range(400):
        for number, view in enumerate(model.views(data, Stream(0, step))):
            left = view.adjacency.matrix.to_sparse_coo().indices()  # row: target, column: source
            there = torch.isin(pair, left[1] * data.num_nodes + left[0])
            counts[2 * number] = counts[2 * number] + there
            counts[2 * number + 1] = counts[2 * number + 1] + view.keep
    wanted = [drop_rates(weights, rate) for rate_pair in zip((0.3, 0.1), (0.2, 0.5), strict=True)
              for weights, rate in zip((edge, column), rate_pair, strict=True)]
    for kept, rates in zip(counts, wanted, strict=True):
        sigma = (400 * rates * (1 - rates)).sqrt()
        assert bool(((400 - kept - 400 * rates).abs() <= 5 * sigma).all())
        assert float(rates.max()) > 2 * float(rates.min())  # they differ, so that a uniform rate would be seen


def test_where_all_nodes_are_alike_it_is_grace() -> None:
    """A ring, with features that every node has: bit for bit."""
    ring = torch.stack([torch.arange(24), torch.arange(1, 25) % 24])
    data = NodeData("ring", torch.eye(24).repeat(1, 2), ring, torch.arange(24) % 2)
    for measure in MEASURES:
        ours = train(data, config=SMALL.replace(augmentation=measure))
        settings = {name: value for name, value in SMALL.to_dict().items() if name not in ("augmentation", "threshold")}
        theirs = train_grace(data, config=Grace.config_class.from_dict(settings))  # type: ignore[arg-type]
        assert ours.losses == theirs.losses and torch.equal(ours.embeddings, theirs.embeddings)


def test_measures_differ() -> None:
    data = words()
    found = [train(data, config=SMALL.replace(augmentation=measure, epochs=2)).losses for measure in MEASURES]
    assert len({tuple(losses) for losses in found}) == 3


def test_views_are_keyed_and_torchs_generator_is_left_alone() -> None:
    data, state = words(), torch.get_rng_state()
    model = Gca.seeded(data, SMALL)
    first, again, other = (model.views(data, Stream(seed)) for seed in (0, 0, 1))
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one.keep, two.keep)
        assert torch.equal(one.adjacency.matrix.values(), two.adjacency.matrix.values())
    assert not torch.equal(first[0].keep, other[0].keep)
    assert torch.equal(torch.get_rng_state(), state)
    nothing = Gca.seeded(data, SMALL.replace(drop_edge=(0.0, 0.0), drop_feature=(0.0, 0.0))).views(data, Stream(0))
    assert all(view.keep.all() for view in nothing)
    assert torch.equal(nothing[0].adjacency.matrix.values(), gcn_adjacency(data.edge_index, 60).matrix.values())


@pytest.mark.parametrize("family", SAMPLERS)
def test_learns_with_every_family(family: str) -> None:
    data = tiny()
    config = SMALL.replace(epochs=30, k=20 if family == "efficient" else 5,
                           batch_size=20 if family == "efficient" else None)
    result = train(data, SAMPLERS[family](data.graph), config)
    assert sum(result.losses[-5:]) < sum(result.losses[:5]) and result.embeddings.shape == (30, 8)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, measure: str) -> None:
    data, config = words(), SMALL.replace(augmentation=measure, objective="hcl")
    whole = train(data, Uniform(data.graph), config)
    with pytest.raises(Cut):
        train(data, Uniform(data.graph), config, folder=tmp_path, checkpoint_every=2, progress=cut_after(5))
    epochs: list[int] = []
    resumed = train(data, Uniform(data.graph), config, folder=tmp_path, progress=lambda done, *_: epochs.append(done))
    assert epochs == [5, 6]
    assert torch.equal(resumed.embeddings, whole.embeddings) and resumed.losses == whole.losses


def test_another_measure_is_another_run(tmp_path: Path) -> None:
    data = words()
    train(data, None, SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .config augmentation='degree', not 'pagerank'"):
        train(data, None, SMALL.replace(augmentation="pagerank"), folder=tmp_path)


def test_other_data_are_refused() -> None:
    model = Gca.seeded(words(), SMALL)
    with pytest.raises(ValueError, match=r"this model was made for a graph of \d+ edges and 50 features, but tiny has"):
        model.views(tiny(), Stream(0))


def test_a_graph_without_edges() -> None:
    data = NodeData("dust", torch.rand(9, 4), torch.empty((2, 0), dtype=torch.int64), torch.arange(9) % 2)
    assert data.graph.num_edges == Graph.empty(9).num_edges == 0
    assert len(train(data, config=SMALL.replace(epochs=2)).losses) == 2


@pytest.mark.parametrize(("change", "message"), [
    ({"augmentation": "closeness"}, "no augmentation is called 'closeness'; there are: degree, pagerank, eigenvector"),
    ({"threshold": 1.0}, r"threshold must be in \(0, 1\), got 1\.0"),
    ({"drop_edge": (0.1, 1.0)}, r"drop_edge must be two rates in \[0, 1\)"),
    ({"temperature": 0.0}, r"temperature must be above 0, got 0\.0"),
    ({"tau": 1}, "GCA has no setting 'tau'; there are: hidden_size"),
])
def test_refusals(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GcaConfig.from_dict(change)


def test_settings_round_trip_and_presets() -> None:
    config = GcaConfig.preset("PubMed", augmentation="eigenvector")
    assert (config.epochs, config.temperature) == (1500, 0.7)
    assert GcaConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert GcaConfig.preset("Photo") == GcaConfig()


@pytest.mark.data
@pytest.mark.parametrize("measure", MEASURES)
def test_cora_step(data_root: Path, measure: str) -> None:
    """At full size: the mean rate is the one asked for, less the cut, and the loss starts where GRACE's does."""
    from graphns.data import load

    data = load("Cora", root=data_root)
    config = GcaConfig.preset("Cora", augmentation=measure, epochs=1)
    model = Gca.seeded(data, config)
    # a word of Cora is nobody's, and is not counted
    for weights in (model.edge_weights, model.feature_weights[data.x.any(0)]):
        assert float(weights.min()) == 0 and float(weights.mean()) == pytest.approx(1)
    assert train(data, None, config).losses[0] == pytest.approx(torch.tensor(2 * 2708 - 1.0).log().item(), abs=0.02)
