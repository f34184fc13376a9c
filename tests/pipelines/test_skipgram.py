"""A step of skip-gram: the loss and gradient of a dense loop, from few rows, whatever draws the negatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphns.base import Model, Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.graph.graph import Graph
from graphns.pipelines.deepwalk import DeepWalk, Node2Vec
from graphns.pipelines.line import Line
from graphns.pipelines.node import fit
from graphns.pipelines.skipgram import Pairs, SkipGram
from graphns.pipelines.skipgram_config import DeepWalkConfig, LineConfig, Node2VecConfig, SkipGramConfig
from graphns.registry import load
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

WALKS: dict[str, Any] = dict(hidden_size=6, walk_length=7, window=2, batch_size=8, k=3, epochs=3, learning_rate=0.05)
SMALL = DeepWalkConfig(**WALKS)
KINDS: dict[str, tuple[type[SkipGram], SkipGramConfig]] = {
    "deepwalk": (DeepWalk, SMALL),
    "shrunk": (DeepWalk, SMALL.replace(shrink_window=True)),
    "tied": (DeepWalk, SMALL.replace(tied=True)),
    "node2vec": (Node2Vec, Node2VecConfig(**WALKS, p=0.5, q=2.0)),
    "first": (Line, LineConfig(hidden_size=6, k=3, batch_size=16, epochs=3, order="first")),
    "second": (Line, LineConfig(hidden_size=6, k=3, batch_size=16, epochs=3, order="second")),
    "both": (Line, LineConfig(hidden_size=6, k=3, batch_size=16, epochs=3, order="both")),
}


def tiny(num_nodes: int = 30) -> NodeData:
    """A random graph without features, whose last node has no edge."""
    edges = torch.randint(num_nodes - 1, (2, 60), generator=torch.Generator().manual_seed(0))
    return NodeData("tiny", torch.zeros(num_nodes, 0), edges, torch.arange(num_nodes) % 3)


def warm(kind: str, data: NodeData, **changes: Any) -> SkipGram:
    """An untrained model whose tables are far from 0, so that nothing is equal by chance."""
    method, config = KINDS[kind]
    model = method.seeded(data, config.replace(**changes))
    generator = torch.Generator().manual_seed(5)
    for table in model.parameters():
        table.data = torch.randn(table.shape, generator=generator)
    return model


def shared(graph: Graph) -> Sampler:
    return Shared(Uniform(Graph.empty((1, graph.num_dst))), graph, exclude="self")


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    """The (anchor, context) pairs of a step, one after the other."""
    inside = torch.ones_like(pairs.context, dtype=torch.bool) if pairs.inside is None else pairs.inside
    return [(int(pairs.anchor[c]), int(pairs.context[c, s])) for c, s in inside.nonzero().tolist()]


def dense_loss(model: SkipGram, pairs: Pairs, negatives: Negatives) -> Tensor:
    """Word2vec's loss, a pair and a negative at a time, from the whole tables."""
    anchors, candidates = model.tables(pairs.order)
    total, ids = torch.zeros(()), negatives.ids.expand(negatives.mask.shape)
    each = listed(pairs)
    for row, (i, j) in enumerate(each):
        total = total - logsigmoid(anchors[i] @ candidates[j])
        for slot in range(ids.shape[1]):
            if negatives.mask[row, slot]:
                total = total - logsigmoid(-(anchors[i] @ candidates[ids[row, slot]]))
    return total / len(each)


@pytest.mark.parametrize("sampler", ["degree", "neighbors", "hardest", "shared"])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_are_those_of_a_dense_loop(kind: str, sampler: str) -> None:
    data = tiny()
    model = warm(kind, data)
    chosen: dict[str, Sampler] = {
        "degree": model.default_sampler(data, model.config), "neighbors": Uniform(data.graph),
        "hardest": Hardest(Uniform(data.graph), pool=6), "shared": shared(data.graph)}
    for number, pairs in enumerate(model.pairs(data, Stream(3))):
        done = model.step(data, pairs, chosen[sampler], Stream(3, number))
        assert done.query is not None and done.negatives is not None
        assert list(zip(done.query.anchor.tolist(), done.query.positive.tolist(), strict=True)) == listed(pairs)
        dense = dense_loss(model, pairs, done.negatives)
        torch.testing.assert_close(done.loss, dense)
        tables = list({id(each): each for each in model.tables(pairs.order)}.values())
        for table, expected in zip(tables, torch.autograd.grad(dense, tables), strict=True):
            table.grad = None
            (found,) = torch.autograd.grad(done.loss, table, retain_graph=True)
            assert found.is_sparse and found.is_coalesced()
            torch.testing.assert_close(found.to_dense(), expected, atol=1e-6, rtol=1e-4)
        if number == 2:
            break


def test_the_loss_of_pyg() -> None:
    """PyG's Node2Vec has one table, one mean over the positives and one over as many negatives. Its module needs a
    package that a plain install has not, its loss does not."""
    from types import SimpleNamespace

    from torch_geometric.nn import Node2Vec as Theirs

    data = tiny()
    model = warm("tied", data, k=1, objective="bce")
    pairs = model.views(data, Stream(0))
    done = model.step(data, pairs, Uniform(data.graph, exclude="self"), Stream(0))
    assert done.query is not None and done.negatives is not None
    table = model.tables("second")[0]
    theirs = SimpleNamespace(embedding=lambda ids: table[ids], embedding_dim=6, EPS=1e-15)
    positive, negative = (torch.stack([done.query.anchor, ids], 1)
                          for ids in (done.query.positive, done.negatives.ids[:, 0]))
    torch.testing.assert_close(done.loss, Theirs.loss(theirs, positive, negative))


def test_a_step_moves_the_rows_that_it_reads_and_no_others() -> None:
    """On a graph much larger than a step: gradient and update hold as many rows as the step names."""
    ring = torch.arange(5000)
    data = NodeData("ring", torch.zeros(5000, 0), torch.stack([ring, (ring + 1) % 5000]), ring % 2)
    for kind in ("deepwalk", "tied", "first", "second"):
        model = warm(kind, data)
        pairs = model.views(data, Stream(0))
        tables = model.tables(pairs.order)
        before = [table.detach().clone() for table in tables]
        optimizer = model.optimizer(model.parameters())
        done = model.step(data, pairs, Degree(data.graph, exclude="self"), Stream(0))
        assert done.query is not None and done.negatives is not None
        done.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        named = [set(done.query.anchor.tolist()),
                 {*pairs.context.flatten().tolist(), *done.negatives.ids.flatten().tolist()}]
        if tables[0] is tables[1]:
            named = [named[0] | named[1]] * 2
        for table, old, rows in zip(tables, before, named, strict=True):
            assert table.grad is not None and table.grad._nnz() == len(rows) < 1000
            moved = (table.detach() != old).any(1).nonzero()[:, 0]
            assert set(moved.tolist()) <= rows and len(moved) > 0.9 * len(rows)


def test_the_model_door() -> None:
    """A sampler sees the scores that the loss has."""
    data = tiny()
    model = warm("node2vec", data)
    seen: list[Model] = []

    class Watching(Sampler):
        needs_model = True

        def sample(self, query: Query) -> Negatives:
            """The same two nodes for all."""
            seen.append(query.require_model())
            ids = torch.tensor([[3, 4]]).expand(query.batch_size, -1)
            return Negatives(ids, None, torch.ones_like(ids, dtype=torch.bool))

        def observe(self, query: Query, negatives: Negatives, feedback: Any) -> None:
            """Reads scores."""

    done = model.step(data, model.views(data, Stream(1)), Watching(), Stream(1), epoch=4)
    assert done.query is not None and done.negatives is not None and done.feedback is not None
    anchors, candidates = model.tables("second")
    query, feedback = done.query, done.feedback
    assert query.epoch == 4
    torch.testing.assert_close(seen[0].score(query.anchor, done.negatives.ids), feedback.negative_score)
    torch.testing.assert_close(seen[0].score(query.anchor, query.positive[:, None])[:, 0], feedback.positive_score)
    assert feedback.anchor_vectors is not None and feedback.positive_vectors is not None
    assert torch.equal(feedback.anchor_vectors, anchors[query.anchor])
    assert torch.equal(feedback.positive_vectors, candidates[query.positive])
    assert not seen[0].embed(torch.tensor([0])).requires_grad and not feedback.anchor_vectors.requires_grad


def test_pairs_have_names_of_their_own() -> None:
    """Within an epoch no two pairs share a random sequence."""
    data = tiny()
    for kind in ("deepwalk", "second"):
        model = warm(kind, data, **({"walks_per_node": 2} if kind == "deepwalk" else {}))
        rows = [done.query.row for done in model.steps(data, Uniform(data.graph), Stream(0), 0) if done.query]
        flat = torch.cat(rows)
        assert len(flat) == len(flat.unique())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("objective", ["bce", "infonce", "bpr", "jsd", "self-adversarial"])
def test_other_objectives(objective: str) -> None:
    data = tiny()
    model = warm("second", data, objective=objective)
    pairs = model.views(data, Stream(0))
    done = model.step(data, pairs, Uniform(data.graph), Stream(0))
    assert done.query is not None and done.negatives is not None
    anchors, candidates = model.tables("second")
    vectors = anchors[done.query.anchor]
    positive = (vectors * candidates[done.query.positive]).sum(1)
    negative = torch.einsum("bd,bkd->bk", vectors, candidates[done.negatives.ids])
    torch.testing.assert_close(done.loss, load(objective, "objective")(positive, negative, done.negatives.mask))


def test_corrected_draws_estimate_the_loss_of_all() -> None:
    """With the correction, degree and uniform draws have the same expected loss; without, they have not."""
    data = tiny()

    def mean(sampler: Sampler, corrected: bool) -> tuple[float, float]:
        model = warm("second", data, k=100, corrected=corrected)
        for table in model.parameters():
            table.data *= 0.5
        pairs = model.views(data, Stream(0))
        with torch.no_grad():
            losses = torch.stack([model.step(data, pairs, sampler, Stream(seed)).loss for seed in range(200)])
        return float(losses.mean()), float(losses.std() / len(losses) ** 0.5)

    # smoothed: a node without edges can be drawn as well
    popular = Degree(data.graph, 2.0, smoothing=1.0, exclude="self")
    uniform, error = mean(Uniform(data.graph, exclude="self"), True)
    corrected, other = mean(popular, True)
    plain, _ = mean(popular, False)
    # self-normalised weights leave a bias of the order of 1/k
    assert abs(corrected - uniform) < 4 * (error + other) + 0.01 * uniform
    assert abs(plain - uniform) > 3 * abs(corrected - uniform)


def test_refusals() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="GlobalEdges gives negatives that are no nodes of their anchor; DeepWalk"):
        fit(DeepWalk, data, GlobalEdges(data.graph), SMALL)
    with pytest.raises(ValueError, match="Adversarial has density 'given-pool'; a correction needs 'marginal'"):
        fit(DeepWalk, data, Adversarial.from_graph(data.graph), SMALL.replace(corrected=True))
    with pytest.raises(ValueError, match=r"id \d+ is outside the table's \[0, 30\)"):
        fit(DeepWalk, data, Uniform(Graph.empty(10**6), exclude="self"), SMALL)
    bare = NodeData("bare", torch.zeros(4, 0), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    for method, config in KINDS.values():
        with pytest.raises(ValueError, match="an epoch of bare has no step: it has no anchors"):
            fit(method, bare, Uniform(bare.graph), config)
        with pytest.raises(ValueError, match="bare has no edges: there is no pair to learn from"):
            method.seeded(bare, config).views(bare, Stream(0))
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at epoch \d: lower learning_rate=1e\+30"):
        fit(DeepWalk, data, None, SMALL.replace(learning_rate=1e30))
