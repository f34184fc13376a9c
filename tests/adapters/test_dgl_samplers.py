"""The negative samplers for DGL, called as a loader calls them: what they draw, how it lies, what they refuse."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.base import InfeasibleError, Query
from graphns.graph.build import from_dgl
from graphns.graph.graph import Graph
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.efficient.frequency import Frequency
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.contract.cases import DRAWS_PAIRS, NAMES, build, hub_graph
from tests.samplers.distribution import ALPHA, SEEDS, chi_square

dgl = pytest.importorskip("dgl", reason="DGL is not installed: it has no wheel above Python 3.11")

from graphns.dgl import GlobalUniform, NegativeSampler, PerSourceUniform, as_negative_sampler  # noqa: E402

N = 12


def graph_with_rows(rows: dict[int, list[int]], num_nodes: int = N, idtype: torch.dtype = torch.int64) -> Any:
    edges = torch.tensor([(u, v) for u, row in rows.items() for v in row]).T
    return dgl.graph((edges[0], edges[1]), num_nodes=num_nodes, idtype=idtype)


def uneven(idtype: torch.dtype = torch.int64) -> Any:
    """Rows of 1, 8 and N - 2 neighbours, a self-loop, a copied edge."""
    return graph_with_rows({0: [1], 1: [0, 2, 3, 4, 5, 6, 7, 8], 2: [i for i in range(N) if i not in (2, 9)],
                            3: [3, 4, 4]}, idtype=idtype)


def test_they_are_dgls_negative_samplers() -> None:
    theirs = dgl.dataloading.negative_sampler
    made = [PerSourceUniform(2), GlobalUniform(2), as_negative_sampler(Uniform(from_dgl(uneven())), 2)]
    assert all(isinstance(each, theirs._BaseNegativeSampler) for each in made)
    assert isinstance(made[2], NegativeSampler)
    for ours, other in ((PerSourceUniform, theirs.PerSourceUniform), (GlobalUniform, theirs.GlobalUniform)):
        known = inspect.signature(other).parameters
        parameters = inspect.signature(ours).parameters
        assert list(parameters)[: len(known)] == list(known)
        assert [parameters[name].default for name in known] == [each.default for each in known.values()]
        assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in parameters if name not in known)


# --- per source


@pytest.mark.parametrize("idtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("options", [{}, {"seed": 1}, {"exclude_edges": False}, {"exclude_edges": False, "seed": 1}])
def test_each_source_k_times_in_a_row(idtype: torch.dtype, options: dict[str, Any]) -> None:
    graph = uneven(idtype)
    eids = torch.tensor([8, 0, 3], dtype=idtype)
    source, destination = PerSourceUniform(4, **options)(graph, eids)
    assert source.dtype == destination.dtype == idtype
    assert torch.equal(source, graph.find_edges(eids)[0].repeat_interleave(4))
    empty = PerSourceUniform(4, **options)(graph, eids[:0])
    assert [each.dtype for each in empty] == [idtype, idtype] and len(empty[0]) == len(empty[1]) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_over_what_is_no_neighbour(seed: int) -> None:
    graph = uneven()
    source, destination = PerSourceUniform(10_000, seed=seed)(graph, torch.tensor([0, 1, 9, 19]))
    for node in (0, 1, 2, 3):
        free = torch.ones(N, dtype=torch.bool)
        free[graph.successors(node)] = False
        free[node] = False
        counts = torch.bincount(destination[source == node], minlength=N)
        assert int(counts[~free].sum()) == 0 and int(counts.sum()) == 10_000
        assert chi_square(counts[free], torch.ones(int(free.sum())) / free.sum()) > ALPHA / 12


@pytest.mark.parametrize("seed", SEEDS)
def test_dgls_own_distribution_on_request(seed: int) -> None:
    """Uniform over all nodes, known edges and the source itself among them: as DGL's own."""
    graph = uneven()
    _, destination = PerSourceUniform(20_000, seed=seed, exclude_edges=False)(graph, torch.tensor([1]))
    assert chi_square(torch.bincount(destination, minlength=N), torch.full((N,), 1 / N)) > ALPHA / 3
    _, theirs = dgl.dataloading.negative_sampler.PerSourceUniform(20_000)(graph, torch.tensor([1]))
    assert bool(graph.has_edges_between(1, theirs.unique()).any())


def test_a_source_joined_to_all_is_named_or_left_out() -> None:
    graph = graph_with_rows({0: [1, 2, 3], 1: [0]}, 4)
    eids = torch.tensor([3, 1])
    with pytest.raises(InfeasibleError, match=r"has 0 of 2 negatives for edge 1 of source 0; .* short='drop'"):
        PerSourceUniform(2)(graph, eids)
    source, destination = PerSourceUniform(2, short="drop")(graph, eids)
    assert source.tolist() == [1, 1] and set(destination.tolist()) <= {2, 3}
    assert len(PerSourceUniform(2, exclude_edges=False)(graph, eids)[0]) == 4


@given(st.data())
def test_whatever_the_graph(data: st.DataObject) -> None:
    num_src, num_dst = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    pair = st.tuples(st.integers(0, num_src - 1), st.integers(0, num_dst - 1))
    edges = data.draw(st.lists(pair, min_size=1, max_size=15))
    ends = torch.tensor(edges).T
    graph = dgl.heterograph({("user", "to", "item"): (ends[0], ends[1])},
                            num_nodes_dict={"user": num_src, "item": num_dst})
    k = data.draw(st.integers(1, 3))
    source, destination = PerSourceUniform(k, short="drop")(graph, torch.arange(len(edges)))
    full = {u for u in range(num_src) if len({v for s, v in edges if s == u}) == num_dst}
    assert source.tolist() == [u for u, _ in edges if u not in full for _ in range(k)]
    assert not set(zip(source.tolist(), destination.tolist(), strict=True)) & set(edges)


# --- any sampler


def test_it_draws_what_the_sampler_draws() -> None:
    """Keyed by the edge id, the edge type and the epoch, as a query of one's own would be."""
    graph = uneven(torch.int32)
    sampler = Degree(from_dgl(graph))
    negative_sampler = as_negative_sampler(sampler, 5, seed=3)
    negative_sampler.set_epoch(7)
    eids = torch.tensor([2, 0, 2], dtype=torch.int32)
    source, destination = graph.find_edges(eids)
    query = Query(source, destination, 5, stream=Stream(3, 7).child(0), row=eids, epoch=7)
    drawn = negative_sampler(graph, eids)[1].view(3, 5)
    assert torch.equal(drawn.long(), sampler(query).ids)
    assert torch.equal(drawn[0], drawn[2])  # an edge that stands twice


def test_parallel_edges_have_negatives_of_their_own() -> None:
    graph = uneven()
    copied = torch.tensor([20, 21])
    assert graph.find_edges(copied)[1].tolist() == [4, 4]
    drawn = as_negative_sampler(Uniform(from_dgl(graph)), 20)(graph, copied)[1].view(2, 20)
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("names", ["names", "triples"])
def test_a_dict_of_samplers(names: str) -> None:
    graph = dgl.heterograph({
        ("user", "buys", "item"): ([0, 1, 1], [2, 0, 1]), ("user", "sees", "item"): ([0, 2], [1, 1]),
        ("user", "knows", "user"): ([0, 1], [1, 2]),
    }, num_nodes_dict={"user": 4, "item": 5})
    samplers = {etype if names == "triples" else etype[1]: Uniform(from_dgl(graph, etype))
                for etype in graph.canonical_etypes if etype[1] != "sees"}
    negative_sampler = as_negative_sampler(samplers, 6)
    drawn = negative_sampler(graph, {"buys": torch.tensor([0, 1]), ("user", "knows", "user"): torch.tensor([0])})
    assert {etype: len(pairs[0]) for etype, pairs in drawn.items()} == {
        ("user", "buys", "item"): 12, ("user", "knows", "user"): 6}
    for etype, pairs in drawn.items():
        assert not bool(graph.has_edges_between(*pairs, etype=etype).any())
    with pytest.raises(ValueError, match=r"no sampler for edges \('user', 'sees', 'item'\); there are samplers for"):
        negative_sampler(graph, {"sees": torch.tensor([0])})
    with pytest.raises(ValueError, match="has 3 edge types, and a sampler has the graph of one: give a dict"):
        as_negative_sampler(samplers[("user", "knows", "user") if names == "triples" else "knows"])(
            graph, {"knows": torch.tensor([0])})


def test_a_name_that_two_types_share_needs_its_triple() -> None:
    graph = dgl.heterograph({("user", "likes", "item"): ([0], [1]), ("user", "likes", "shop"): ([0], [1])},
                            num_nodes_dict={"user": 2, "item": 3, "shop": 3})
    eids = {("user", "likes", "shop"): torch.tensor([0])}
    uniform = Uniform(from_dgl(graph, ("user", "likes", "shop")))
    with pytest.raises(ValueError, match="has several edge types 'likes'; name one of"):
        as_negative_sampler({"likes": uniform})(graph, eids)
    pairs = as_negative_sampler({("user", "likes", "shop"): uniform}, 4)(graph, eids)[("user", "likes", "shop")]
    assert set(pairs[1].tolist()) <= {0, 2}


def test_shared_draws_are_given_to_each_edge() -> None:
    """Masked pairs are refused, or left out; what is left is row by row."""
    graph = uneven()
    sampler = Shared.from_graph(from_dgl(graph))
    with pytest.raises(InfeasibleError, match=r"Shared has \d+ of 30 negatives for edge"):
        as_negative_sampler(sampler, 30)(graph, torch.arange(22))
    source, destination = as_negative_sampler(sampler, 30, short="drop")(graph, torch.arange(22))
    assert 0 < len(source) < 22 * 30 and not bool(graph.has_edges_between(source, destination).any())
    assert torch.equal(source.unique_consecutive(), torch.tensor([0, 1, 2, 3]))
    sets = [set(destination[source == u].tolist()) for u in (0, 1)]
    assert sets[0] & sets[1]


def test_both_ends_of_pairs() -> None:
    graph = uneven()
    source, destination = as_negative_sampler(GlobalEdges(from_dgl(graph)), 9)(graph, torch.tensor([0, 4]))
    assert len(set(zip(source.tolist(), destination.tolist(), strict=True))) == 18
    assert not bool(graph.has_edges_between(source, destination).any()) and len(source.unique()) > 2


@pytest.mark.parametrize("make, why", [
    (lambda graph: Hardest(Uniform(graph), pool=4), "Hardest reads the model, and a loader draws before"),
    (lambda graph: Adversarial(Uniform(graph), num_anchors=N, num_candidates=N), "Adversarial keeps state"),
    (lambda graph: Frequency(graph), "Frequency keeps state"),
    (lambda graph: graph, "sampler must be a sampler, such as Uniform\\(graph\\), got Graph"),
])
def test_what_no_loader_can_hold_is_refused(make: Any, why: str) -> None:
    graph = from_dgl(uneven())
    with pytest.raises(ValueError, match=why):
        as_negative_sampler(make(graph))
    with pytest.raises(ValueError, match=why):
        as_negative_sampler({"_E": make(graph)})


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_is_served_or_refused(name: str) -> None:
    """Of the whole catalogue: what is served gives nodes of the graph, row by row, and no known edge."""
    known = hub_graph()
    sampler = build(name, known)
    if sampler.stateful or sampler.model_aware or sampler.trainable:
        with pytest.raises(ValueError, match=f"{type(sampler).__name__} (reads|keeps|learns)"):
            as_negative_sampler(sampler)
        return
    source, destination = known.edge_index
    graph = dgl.graph((source, destination), num_nodes=known.num_nodes)
    negative_sampler = as_negative_sampler(sampler, 3, short="drop")
    pairs = torch.stack(negative_sampler(graph, torch.arange(len(source))))
    assert pairs.shape[1] > 0 and 0 <= int(pairs.min()) <= int(pairs.max()) < known.num_nodes
    assert not bool(graph.has_edges_between(*pairs).any())
    assert torch.equal(torch.stack(negative_sampler(graph, torch.arange(len(source)))), pairs)
    if name not in DRAWS_PAIRS:
        assert bool((pairs[0].diff() >= 0).all())  # the edges are sorted by source


def test_bad_input_is_refused() -> None:
    graph = uneven()
    for make in (PerSourceUniform, GlobalUniform, lambda k: as_negative_sampler(Uniform(from_dgl(graph)), k)):
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            make(0)
    with pytest.raises(ValueError, match="short must be one of 'raise', 'drop', got 'pad'"):
        PerSourceUniform(1, short="pad")
    other = as_negative_sampler(Uniform(Graph.empty((N, 10**6))), 3)
    with pytest.raises(ValueError, match=r"drew node \d+ of type '_N', of which the DGL graph has 12"):
        other(graph, torch.tensor([0]))
    far = as_negative_sampler(Uniform(Graph.empty((N, 2**40))), 3)  # ids that an int32 graph cannot hold
    with pytest.raises(ValueError, match=r"drew node \d{10,} of type '_N'"):
        far(uneven(torch.int32), torch.tensor([0], dtype=torch.int32))


def test_importing_the_short_name_does_not_import_dgl() -> None:
    code = ("import sys, graphns.dgl\nassert 'dgl' not in sys.modules\ngraphns.dgl.PerSourceUniform\n"
            "assert 'dgl' in sys.modules\ntry:\n    graphns.dgl.PerSource\nexcept AttributeError as e:\n    print(e)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "has no attribute 'PerSource'" in done.stdout


def test_a_missing_dgl_is_named_with_its_cure() -> None:
    code = ("import sys\nsys.modules['dgl'] = None\nfrom graphns.dgl import as_negative_sampler\n"
            "try:\n    from graphns.dgl import PerSourceUniform\nexcept ImportError as error:\n    print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "pip install 'graphns[dgl]' on Python 3.11" in done.stdout
