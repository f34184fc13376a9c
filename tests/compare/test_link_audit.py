"""What samplers draw on links: counted against shares that are known, and words for every kind of data."""

import pytest
import torch

from graphns.base import Negatives, Sampler
from graphns.compare import figures, link_audit
from graphns.compare.link_audit import audit_links
from graphns.compare.link_layout import METRICS, link_layout, metric_name
from graphns.compare.link_settings import LinkSettings
from graphns.compare.link_tasks import plan
from graphns.data.link import LinkData, LinkPart
from graphns.data.link_loading import load_links
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform


class Told(Sampler):
    """Draws a held-out neighbour of the anchor in the first slot, where there is one, and the anchor's next id."""

    def __init__(self, graph, num_nodes):
        super().__init__()
        self.graph, self.num_nodes = graph, num_nodes

    def sample(self, query):
        degree = self.graph.degree[query.anchor]
        first = self.graph.indices[self.graph.indptr[query.anchor].clamp(max=self.graph.num_edges - 1)].long()
        ids = torch.stack([first, (query.anchor + 1) % self.num_nodes], 1)
        return Negatives(ids, None, torch.stack([degree > 0, ids[:, 1] != query.positive], 1))


class Vectors(Sampler):
    def __init__(self):
        super().__init__()

    def sample(self, query):
        shape = (query.batch_size, query.k)
        return Negatives(torch.zeros(shape, dtype=torch.int64), None, torch.ones(shape, dtype=torch.bool),
                         vectors=torch.ones(*shape, 4))


@pytest.fixture(scope="module")
def frozen():
    data = load_links("digits")
    config = LinkConfig.preset("digits", hidden_size=8, size=4, decoder="dot", batch_size=1024, k=2, dropout=0.5)
    return LinkModel.seeded(data, config), data, config


def test_uniform_draws_held_out_edges_as_often_as_they_are(frozen, monkeypatch):
    model, data, config = frozen
    monkeypatch.setattr(link_audit, "LEAST_DRAWS", 1_000_000)
    found = audit_links(model, data, Uniform(data.graph), config, epoch=0)
    # an anchor stands as often as it has training edges; all but its neighbours and itself are equally likely
    degree, held = data.graph.degree.double(), data.joined("valid", "test").degree
    share = float((degree * held / (data.num_nodes - 1 - degree)).sum() / degree.sum())
    assert found["draws"] >= 1_000_000
    assert found["false_negatives"] == pytest.approx(share, abs=4 * (share / found["draws"]) ** 0.5)
    assert found["hardness"] == pytest.approx(0.5, abs=0.04) and found["negatives_per_second"] > 0


def test_a_sampler_that_is_told_draws_nothing_else(frozen):
    model, data, config = frozen
    held = data.joined("valid", "test")
    found = audit_links(model, data, Told(held, data.num_nodes), config, epoch=0)
    every = torch.arange(data.num_nodes)
    after = (every + 1) % data.num_nodes
    degree, told = data.graph.degree.double(), (held.degree > 0).double()
    by_chance = held.has_edge(every, after).double()
    next_too = degree - data.graph.has_edge(every, after).double()  # the next id is masked where it is the positive
    share = (degree * told + next_too * by_chance).sum() / (degree * told + next_too).sum()
    assert found["false_negatives"] == pytest.approx(float(share), abs=0.005) and share > 0.4


def test_an_audit_changes_nothing_and_repeats_itself(frozen):
    model, data, config = frozen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one, two = (audit_links(model, data, Uniform(data.graph), config, epoch=0) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(one[key] == two[key] for key in ("false_negatives", "draws", "hardness"))


def test_what_cannot_be_looked_up_is_left_out(frozen):
    model, data, config = frozen
    found = audit_links(model, data, GlobalEdges(data.graph), config, epoch=0)
    assert found["hardness"] is None and found["false_negatives"] < 0.01
    found = audit_links(model, data, Vectors(), config, epoch=0)
    assert [found[key] for key in ("false_negatives", "draws", "hardness")] == [None] * 3
    assert found["negatives_per_second"] > 0


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_its_columns(metric):
    layout = link_layout(metric)
    keys = [column.key for column in layout.columns]
    assert len(set(keys)) == len(keys) and set(METRICS) <= set(keys)
    assert layout.score == metric and layout.title == metric_name(metric)
    assert {column.group for column in layout.columns} == set(layout.groups)
    assert metric not in layout.averaged and {*METRICS} == {metric, *layout.averaged} - {"valid", "epoch"}
    assert layout.captions["metric"][0] == f"{layout.title} on test edges"


def test_words_for_directed_links_with_negatives_of_their_own():
    own = LinkPart(torch.tensor([[0, 1], [3, 4]]), torch.tensor([[[0, 0, 0], [1, 1, 1]], [[2, 4, 5], [0, 3, 5]]]))
    test = LinkPart(torch.tensor([[2], [5]]), torch.tensor([[[2, 2, 2]], [[0, 1, 3]]]))
    data = LinkData("tiny", 6, torch.tensor([[0, 1, 2], [1, 2, 3]]), own, test, undirected=False, metric="mrr",
                    setting="heart")
    found = plan(LinkSettings.make("tiny", samplers="uniform", k=1), data)
    assert found["data"]["negatives"] == "HeaRT's hard negatives: 3 negatives of each test edge's own"
    assert "Of a positive, the destination is replaced" in found["protocol"]["negatives"]
    assert found["protocol"]["metric"].startswith("MRR is what these data are compared by")
    lead = link_layout("mrr").lead(found["data"])
    assert lead == ("6 nodes, 3 training directed edges, 2 for validation, 1 for the test, no features · ranked among "
                    "HeaRT's hard negatives: 3 negatives of each test edge's own")


@pytest.mark.parametrize(("speeds", "few"), [((2.0e5, 5e6), True), ((2.0e5, 5e8), False)])
def test_a_short_axis_of_speeds_has_no_numbers_between(speeds, few):
    rows = [{"name": str(speed), "family": "static", "negatives_per_second": speed, "seconds_per_epoch": 1.0,
             "added_mb": 1.0} for speed in speeds]
    figure = figures.speed(rows, link_layout("auc"))
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    assert not [label for label in axis.get_ticklabels(minor=True) if label.get_text()]
    shown = [label.get_text() for label in axis.get_ticklabels()]
    assert ("1 M" in shown and "300 k" in shown) == few
