"""GRACE: the official loss, every way of drawing, and runs that are the same whenever they are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.data import load
from graphns.data.node import NodeData
from graphns.metrics.probe import linear_probe
from graphns.pipelines.grace import Grace, View, direction_loss, every_node, make_views, train
from graphns.pipelines.grace_config import GraceConfig
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.compose.all import All
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

SMALL = GraceConfig(hidden_size=8, projection_size=6, epochs=6, k=5, learning_rate=0.01)


def tiny(num_nodes: int = 30) -> NodeData:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(num_nodes, (2, 60), generator=generator)
    return NodeData("tiny", torch.rand(num_nodes, 12, generator=generator), edges, torch.arange(num_nodes) % 3)


def official_semi_loss(z1: Tensor, z2: Tensor, tau: float) -> Tensor:
    """As in the authors' repository: matrices in full, exponentials without a shift."""
    def similarity(a: Tensor, b: Tensor) -> Tensor:
        return F.normalize(a) @ F.normalize(b).t()

    reflexive = torch.exp(similarity(z1, z1) / tau)
    between = torch.exp(similarity(z1, z2) / tau)
    return -torch.log(between.diag() / (reflexive.sum(1) + between.sum(1) - reflexive.diag()))


def official_loss(model: Grace, data: NodeData, views: tuple[View, View], tau: float) -> Tensor:
    first, second = (
        model.projector(model.encoder(data.x * view.keep, view.adjacency)) for view in views
    )
    both = official_semi_loss(first, second, tau) + official_semi_loss(second, first, tau)
    return (both * 0.5).mean()


class WholeRows(Sampler):
    """Every other node, row by row: the path of drawn ids at its limit."""

    density: Density = "marginal"

    def __init__(self, num_nodes: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes

    def sample(self, query: Query) -> Negatives:
        """All ids but the anchor's, in order."""
        ids = torch.arange(self.num_nodes - 1).expand(query.batch_size, -1)
        ids = ids + (ids >= query.anchor[:, None])
        return Negatives(ids, self.log_prob(query, ids), torch.ones_like(ids, dtype=torch.bool))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Uniform over the others."""
        each = torch.tensor(1 / (self.num_nodes - 1)).log()
        return torch.where(ids == query.anchor[:, None], -torch.inf, each)


def weights(model: torch.nn.Module) -> list[Tensor]:
    return list(model.parameters())


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("sampler", ["none", "all", "rows"])
def test_every_node_gives_the_official_loss(sampler: str, corrected: bool) -> None:
    """To 1e-5, with its gradient: fused over shared ids, and as drawn ids; the correction of a full draw is nil."""
    data = tiny()
    config = SMALL.replace(corrected=corrected)
    chosen = {"none": every_node(data, config), "all": All(data.graph, exclude="self"), "rows": WholeRows(30)}[sampler]
    model = Grace.seeded(data, config)
    views = make_views(data, config, Stream(0))
    official = official_loss(model, data, views, config.temperature)
    done = model.step(data, views, chosen, Stream(0))
    loss, query = done.loss, done.query
    assert query is not None
    assert loss.item() == pytest.approx(official.item(), abs=1e-5)
    for ours, theirs in zip(torch.autograd.grad(loss, weights(model)), torch.autograd.grad(official, weights(model)),
                            strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    assert query.anchor.tolist() == query.positive.tolist() == list(range(30))
    assert done.num_drawn == 30 * 29 if done.negatives is None else int(done.negatives.mask.sum()) == 30 * 29
    assert (done.negatives is None) == (sampler != "rows")


def test_excluding_neighbours_is_another_loss() -> None:
    data = tiny()
    model, views = Grace.seeded(data, SMALL), make_views(data, SMALL, Stream(0))
    own = model.step(data, views, every_node(data, SMALL), Stream(0)).loss
    done = model.step(data, views, every_node(data, SMALL.replace(exclude="neighbors")), Stream(0))
    assert done.loss < own and done.num_drawn == 30 * 29 - data.graph.num_edges


@pytest.mark.parametrize("exclude", ["self", "neighbors"])
def test_the_streamed_loss_is_that_of_the_listed_ids(exclude: Exclude) -> None:
    """Of a batch of anchors too; with its gradient."""
    data, config = tiny(), SMALL.replace(batch_size=11, exclude=exclude)
    model, views = Grace.seeded(data, config), make_views(data, config, Stream(0))
    sampler = every_node(data, config)
    done = model.step(data, views, sampler, Stream(3))
    assert done.query is not None and done.query.batch_size == 11
    first, second = (model(data.features, view.adjacency, view.keep) for view in views)
    negatives = sampler(done.query)
    listed = (direction_loss(first, second, sampler, done.query, negatives, config)
              + direction_loss(second, first, sampler, done.query, negatives, config)) / 2
    torch.testing.assert_close(done.loss, listed)
    assert done.num_drawn == int(negatives.mask.sum())
    for ours, theirs in zip(torch.autograd.grad(done.loss, weights(model)), torch.autograd.grad(listed, weights(model)),
                            strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_a_drawn_id_is_a_negative_in_both_views() -> None:
    """One anchor, two draws, by hand."""
    u, v = (F.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)), dim=1) for seed in (0, 1))
    query = Query(torch.tensor([2]), torch.tensor([2]), k=2)
    negatives = Negatives(torch.tensor([[0, 3]]), None, torch.ones(1, 2, dtype=torch.bool))
    config = GraceConfig(temperature=0.5)
    terms = [torch.exp(u[2] @ table[j] / 0.5) for table in (v, u) for j in (0, 3)]
    positive = torch.exp(u[2] @ v[2] / 0.5)
    wanted = -torch.log(positive / (positive + sum(terms)))
    sampler = Uniform(tiny().graph)
    torch.testing.assert_close(direction_loss(u, v, sampler, query, negatives, config), wanted)


def test_corrected_draws_estimate_the_sum_over_all() -> None:
    """exp(loss) - 1 of one anchor is its sum over all candidates, divided by the positive: unbiased when corrected."""
    data = tiny()
    config = SMALL.replace(corrected=True, k=4, temperature=1.0)
    u, v = (F.normalize(torch.randn(30, 8, generator=torch.Generator().manual_seed(seed)), dim=1) for seed in (0, 1))
    sampler = Uniform(data.graph, exclude="self")
    anchor = torch.tensor([7])
    everyone = Query(anchor, anchor, 1)
    full = direction_loss(u, v, every_node(data, config), everyone, every_node(data, config)(everyone),
                          config.replace(corrected=False)).exp() - 1
    estimates = []
    for seed in range(600):
        query = Query(anchor, anchor, config.k, stream=Stream(seed))
        estimates.append(direction_loss(u, v, sampler, query, sampler(query), config).exp() - 1)
    drawn = torch.stack(estimates)
    error = drawn.std() / len(drawn) ** 0.5
    assert abs(drawn.mean() - full) < 4 * error
    assert error / full < 0.02  # sharp enough to tell: without the two sums of k draws each it is off by half


def test_correction_needs_a_density() -> None:
    data = tiny()
    config = SMALL.replace(corrected=True, epochs=1)
    with pytest.raises(ValueError, match="Adversarial has density 'given-pool'; a correction needs 'marginal'"):
        train(data, Adversarial.from_graph(data.graph, exclude="self"), config)


def test_two_ended_negatives_are_refused() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="GlobalEdges gives negatives that are no nodes of their anchor"):
        train(data, GlobalEdges(data.graph), SMALL)


# training


def test_learns_and_reports() -> None:
    data, seen = tiny(), []
    result = train(data, Uniform(data.graph, exclude="self"), SMALL.replace(epochs=30),
                   progress=lambda *each: seen.append(each))
    # views and draws differ by epoch, so the losses scatter
    assert sum(result.losses[-5:]) < sum(result.losses[:5])
    assert [each[:2] for each in seen] == [(epoch, 30) for epoch in range(1, 31)]
    assert [each[2] for each in seen] == result.losses
    assert len(result.epoch_seconds) == len(result.sample_seconds) == 30
    assert all(0 < drawing < whole for drawing, whole in zip(result.sample_seconds, result.epoch_seconds, strict=True))
    assert result.num_drawn == 30 * 30 * 5
    assert result.embeddings.shape == (30, 8) and not result.embeddings.requires_grad
    assert torch.equal(result.embeddings, result.model.embed(data))


def test_same_seed_same_run_and_generators_left_alone() -> None:
    data = tiny()
    state = torch.get_rng_state()
    first, second = (train(data, Uniform(data.graph), SMALL) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.embeddings, second.embeddings) and first.losses == second.losses
    other = train(data, Uniform(data.graph), SMALL.replace(seed=1))
    assert not torch.equal(first.embeddings, other.embeddings)


def test_sampled_negatives_of_one_batch() -> None:
    """A batch of anchors: keyed, without repetition, another one each epoch."""
    data, config = tiny(), SMALL.replace(batch_size=10)
    model, views = Grace.seeded(data, config), make_views(data, config, Stream(0))
    anchors = [model.step(data, views, Uniform(data.graph), Stream(0, epoch)).query.anchor  # type: ignore[union-attr]
               for epoch in (0, 0, 1)]
    assert all(len(each.unique()) == 10 for each in anchors)  # type: ignore[no-untyped-call]
    assert torch.equal(anchors[0], anchors[1]) and not torch.equal(anchors[0], anchors[2])


def test_adversary_learns_in_the_same_run() -> None:
    data = tiny()
    sampler = Adversarial.from_graph(data.graph, exclude="self")
    before = {name: value.clone() for name, value in sampler.state_dict().items()}
    train(data, sampler, SMALL)
    after = sampler.state_dict()
    assert not torch.equal(after["candidate_table"], before["candidate_table"])
    assert int(after["num_observed"]) == SMALL.epochs


class Cut(Exception):
    """The power goes out."""


def cut_after(epochs: int) -> Any:
    def progress(done: int, total: int, loss: float) -> None:
        if done == epochs:
            raise Cut

    return progress


@pytest.mark.parametrize("kind", ["uniform", "adversarial", "all"])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, kind: str) -> None:
    data = tiny()

    def sampler() -> Sampler | None:
        if kind == "all":
            return None
        return (Uniform if kind == "uniform" else Adversarial).from_graph(data.graph, exclude="self")

    whole = train(data, sampler(), SMALL)
    with pytest.raises(Cut):
        train(data, sampler(), SMALL, folder=tmp_path, checkpoint_every=2, progress=cut_after(5))
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]
    epochs: list[int] = []
    resumed = train(data, sampler(), SMALL, folder=tmp_path, progress=lambda done, *_: epochs.append(done))
    assert epochs == [5, 6]  # epoch 5 again: the last checkpoint was of 4
    assert torch.equal(resumed.embeddings, whole.embeddings)
    assert resumed.losses == whole.losses and resumed.num_drawn == whole.num_drawn
    finished = train(data, sampler(), SMALL, folder=tmp_path, progress=cut_after(1))  # nothing left to do
    assert torch.equal(finished.embeddings, whole.embeddings)


def test_a_longer_run_goes_on_from_a_shorter(tmp_path: Path) -> None:
    data = tiny()
    train(data, None, SMALL, folder=tmp_path)
    longer = train(data, None, SMALL.replace(epochs=9), folder=tmp_path)
    assert torch.equal(longer.embeddings, train(data, None, SMALL.replace(epochs=9)).embeddings)


def test_a_run_of_other_options_is_refused(tmp_path: Path) -> None:
    data = tiny()
    train(data, Uniform(data.graph, exclude="self"), SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .options exclude='self', not 'neighbors'"):
        train(data, Uniform(data.graph), SMALL, folder=tmp_path)


def test_a_diverged_run_stops() -> None:
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at epoch \d+: lower learning_rate=1e\+30"):
        train(tiny(), None, SMALL.replace(learning_rate=1e30))


def test_mixed_precision_is_near_full() -> None:
    data = tiny()
    full, mixed = (train(data, Uniform(data.graph), SMALL, precision=each) for each in ("32-true", "bf16-mixed"))
    assert mixed.embeddings.dtype == torch.float32
    assert mixed.losses == pytest.approx(full.losses, rel=0.02) and mixed.losses != full.losses
    with pytest.raises(ValueError, match="precision must be one of 32-true, bf16-mixed, 16-mixed, got '64-true'"):
        train(data, None, SMALL, precision="64-true")


def test_digits_by_preset() -> None:
    """A few epochs of the default data: the probe finds most classes."""
    data = load("digits")
    result = train(data, Uniform(data.graph, exclude="self"), GraceConfig.preset("digits", epochs=3))
    assert linear_probe(result.embeddings, data) > 0.8


@pytest.mark.data
def test_cora_step(data_root: Path) -> None:
    """At full size the fused loss starts where theory says: every score alike, log(2N - 1)."""
    data = load("Cora", root=data_root)
    result = train(data, None, GraceConfig.preset("Cora", epochs=1))
    assert result.losses[0] == pytest.approx(torch.tensor(2 * 2708 - 1.0).log().item(), abs=0.02)
    assert result.num_drawn == 2708 * 2707


# mini-batches


def batched(**changes: Any) -> GraceConfig:
    return SMALL.replace(batch_size=8, num_neighbors=(-1, -1, -1), drop_edge=(0.0, 0.0), drop_feature=(0.0, 0.0),
                         **changes)


def test_an_epoch_of_mini_batches_goes_over_every_anchor_once() -> None:
    data, config = tiny(), batched()
    model = Grace.seeded(data, config)
    steps = list(model.steps(data, Uniform(data.graph), Stream(0), 0))
    assert [done.query.batch_size for done in steps if done.query] == [8, 8, 8, 6]
    anchors = torch.cat([done.query.anchor for done in steps if done.query])
    assert sorted(anchors.tolist()) == list(range(30))
    assert all(bool((~data.graph.has_edge(done.query.anchor, done.negatives.ids))[done.negatives.mask].all())
               for done in steps if done.query and done.negatives)


def test_a_mini_batch_with_every_neighbour_has_the_loss_of_the_whole_graph() -> None:
    """Nothing dropped and one hop more than layers: the embeddings of anchors and negatives are exact."""
    data, config = tiny(), batched()
    model = Grace.seeded(data, config)
    done = next(iter(model.steps(data, Uniform(data.graph), Stream(0), 0)))
    assert done.query is not None and done.negatives is not None
    whole = model(data.features, data.adjacency)
    wanted = direction_loss(whole, whole, Uniform(data.graph), done.query, done.negatives, config)
    torch.testing.assert_close(done.loss, wanted)


@pytest.mark.parametrize("kind", ["uniform", "all"])
def test_mini_batches_resume_bit_for_bit(tmp_path: Path, kind: str) -> None:
    data = tiny()
    config = SMALL.replace(batch_size=8, num_neighbors=(3, 2), epochs=4)

    def sampler() -> Sampler | None:
        return None if kind == "all" else Uniform(data.graph)

    whole = train(data, sampler(), config)
    with pytest.raises(Cut):
        train(data, sampler(), config, folder=tmp_path, checkpoint_every=1, progress=cut_after(2))
    resumed = train(data, sampler(), config, folder=tmp_path)
    assert torch.equal(resumed.embeddings, whole.embeddings) and resumed.losses == whole.losses
    assert resumed.num_drawn == whole.num_drawn > 0


def test_what_mini_batches_cannot_serve_is_refused() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="num_neighbors needs batch_size"):
        SMALL.replace(num_neighbors=(3, 3))
    with pytest.raises(ValueError, match=r"num_neighbors must be a number above 0, or -1 for all, for each hop"):
        SMALL.replace(num_neighbors=(0,), batch_size=4)
    with pytest.raises(ValueError, match="corrected=True with num_neighbors"):
        SMALL.replace(num_neighbors=(2,), batch_size=4, corrected=True)
    with pytest.raises(ValueError, match="Adversarial"):
        train(data, Adversarial.from_graph(data.graph, exclude="self"), batched())
