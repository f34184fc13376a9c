"""Centralities against networkx, on graphs with sinks, components, trees; refusals."""

from __future__ import annotations

from collections.abc import Callable

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphns.graph.centrality import MEASURES, centrality, degree_centrality, eigenvector_centrality, pagerank
from graphns.graph.graph import Graph


def random_graph(num: int, edges: int, seed: int, both: bool = False) -> Graph:
    pairs = torch.randint(num, (2, edges), generator=torch.Generator().manual_seed(seed))
    return Graph.from_edge_index(torch.cat([pairs, pairs.flip(0)], 1) if both else pairs, num)


def peer(graph: Graph) -> networkx.DiGraph:
    made = networkx.DiGraph()
    made.add_nodes_from(range(graph.num_nodes))
    made.add_edges_from(graph.edge_index.T.tolist())
    return made


def values(found: dict[int, float]) -> Tensor:
    return torch.tensor([found[node] for node in range(len(found))], dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(num=st.integers(1, 25), edges=st.integers(0, 60), seed=st.integers(0, 1000), both=st.booleans(),
       damping=st.sampled_from([0.0, 0.5, 0.85]))
def test_pagerank_is_that_of_networkx(num: int, edges: int, seed: int, both: bool, damping: float) -> None:
    """With sinks, self-loops and isolated nodes among them."""
    graph = random_graph(num, edges, seed, both)
    wanted = values(networkx.pagerank(peer(graph), alpha=damping, tol=1e-13, max_iter=1000))
    found = pagerank(graph, damping=damping)
    torch.testing.assert_close(found, wanted, atol=1e-8, rtol=1e-7)
    assert found.dtype == torch.float64 and bool((found > 0).all())


@pytest.mark.parametrize("seed", range(4))
def test_eigenvector_is_that_of_networkx(seed: int) -> None:
    """Directed and strongly connected, and undirected: a ring is laid through all nodes."""
    ring = torch.stack([torch.arange(30), torch.arange(1, 31) % 30])
    pairs = torch.randint(30, (2, 60), generator=torch.Generator().manual_seed(seed))
    edges = torch.cat([ring, pairs], 1)
    for given_edges in (edges, torch.cat([edges, edges.flip(0)], 1)):
        graph = Graph.from_edge_index(given_edges, 30)
        torch.testing.assert_close(eigenvector_centrality(graph), values(
            networkx.eigenvector_centrality_numpy(peer(graph))), atol=1e-8, rtol=1e-6)


def test_eigenvector_of_a_tree_and_of_equal_components() -> None:
    """A bipartite pattern settles; of two equal stars each gets half; of a lesser component nearly nothing is left."""
    star = torch.tensor([[0, 0, 0], [1, 2, 3]])
    both = torch.cat([star, star.flip(0)], 1)
    three = torch.cat([both, both + 4, torch.tensor([[8, 9], [9, 8]])], 1)
    found = eigenvector_centrality(Graph.from_edge_index(three))
    hub, leaf = 0.5, 0.5 / 3**0.5
    wanted = torch.tensor([hub, leaf, leaf, leaf, hub, leaf, leaf, leaf, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, atol=1e-8, rtol=0)


def test_degree_counts_edges_that_point_at_a_node() -> None:
    assert degree_centrality(random_graph(9, 40, 0)).tolist() == [
        degree for _, degree in sorted(peer(random_graph(9, 40, 0)).in_degree())]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_graph_without_edges_has_no_centre(measure: str) -> None:
    found = centrality(Graph.empty(4), measure)
    assert found.shape == (4,) and bool((found == found[0]).all())


@pytest.mark.parametrize("measure", MEASURES)
def test_same_values_again(measure: str) -> None:
    assert torch.equal(*(centrality(random_graph(40, 100, 1, True), measure) for _ in range(2)))


@pytest.mark.parametrize("call", [degree_centrality, pagerank, eigenvector_centrality])
def test_two_kinds_of_node_are_refused(call: Callable[[Graph], Tensor]) -> None:
    with pytest.raises(ValueError, match="centrality needs one kind of node"):
        call(Graph.empty((2, 3)))


def test_refusals() -> None:
    graph = random_graph(9, 20, 0)
    with pytest.raises(ValueError, match="no centrality is called 'closeness'; there are: degree, pagerank, eigenv"):
        centrality(graph, "closeness")
    with pytest.raises(ValueError, match=r"damping must be in \[0, 1\), got 1\.0"):
        pagerank(graph, damping=1.0)
    with pytest.raises(ValueError, match=r"tolerance must be above 0 and iterations at least 1, got 0\.0 and 1000"):
        pagerank(graph, tolerance=0.0)
    with pytest.raises(ValueError, match="iterations at least 1, got 1e-10 and 0"):
        eigenvector_centrality(graph, iterations=0)


def test_a_chain_too_long_for_the_iterations_says_so() -> None:
    nodes = torch.arange(500)
    chain = torch.stack([nodes[:-1], nodes[1:]])
    with pytest.raises(ValueError, match=r"eigenvector centrality still moves by .* after 50 iterations, more than "
                                         r"tolerance=1e-10: raise either, or take another centrality"):
        eigenvector_centrality(Graph.from_edge_index(torch.cat([chain, chain.flip(0)], 1)), iterations=50)
