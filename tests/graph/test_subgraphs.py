"""Sampled subgraphs of several kinds, disjoint and in the order of time, against plain loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.neighbors import sample_neighbors
from graphns.graph.subgraphs import Relation, Subgraph, Trees, induced_edges, sample_subgraph
from graphns.kernels.walks import cumulative_weights
from graphns.streams import Stream

SIZES = {"a": 8, "b": 5, "c": 3}
ENDS = {"aa": ("a", "a"), "ab": ("a", "b"), "ba": ("b", "a"), "ca": ("c", "a")}


def relation(source: str, target: str, edges: list[tuple[int, int, int]]) -> Relation:
    """Edges (source, target, time), by target and time."""
    edges = sorted(edges, key=lambda edge: (edge[1], edge[2]))
    columns = torch.tensor(edges, dtype=torch.int64).reshape(-1, 3).T
    indptr = torch.zeros(SIZES[target] + 1, dtype=torch.int64)
    indptr[1:] = torch.bincount(columns[1], minlength=SIZES[target]).cumsum(0)
    return Relation(source, target, indptr, columns[0].contiguous(), None, columns[2].contiguous())


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Relation]:
    found = {}
    for kind, (source, target) in ENDS.items():
        edges = st.tuples(st.integers(0, SIZES[source] - 1), st.integers(0, SIZES[target] - 1), st.integers(0, 9))
        found[kind] = relation(source, target, draw(st.lists(edges, max_size=20)))
    return found


def plain(
    relations: dict[str, Relation], seeds: dict[str, list[int]], fanouts: dict[str, list[int]],
    times: list[int] | None, disjoint: bool, last: bool,
) -> dict[str, Any]:
    """The definition, where nothing is drawn: each hop takes all of the past, or the newest."""
    nodes: dict[str, list[tuple[int, int]]] = {kind: [] for kind in SIZES}
    tree = 0
    for kind, own in seeds.items():
        for node in own:
            nodes[kind].append((tree, node))
            tree += disjoint
    counts = {kind: [len(own)] for kind, own in nodes.items()}
    edges: dict[str, list[tuple[int, int, int]]] = {kind: [] for kind in relations}
    begin = dict.fromkeys(SIZES, 0)
    for hop in range(len(next(iter(fanouts.values())))):
        end = {kind: len(own) for kind, own in nodes.items()}
        for kind, each in relations.items():
            for place in range(begin[each.target], end[each.target]):
                owner, node = nodes[each.target][place]
                past = [at for at in range(int(each.indptr[node]), int(each.indptr[node + 1]))
                        if times is None or int(each.time[at]) <= times[owner]]  # type: ignore[index]
                fanout = fanouts[kind][hop]
                for at in past if fanout == -1 else past[len(past) - min(fanout, len(past)) :] if last else []:
                    name = owner, int(each.indices[at])
                    if name not in nodes[each.source]:
                        nodes[each.source].append(name)
                    edges[kind].append((nodes[each.source].index(name), place, at))
        begin = end
        for kind, own in nodes.items():
            counts[kind].append(len(own) - end[kind])
    return {"nodes": nodes, "edges": edges, "counts": counts}


def assert_plain(found: Subgraph, wanted: dict[str, Any]) -> None:
    for kind, nodes in wanted["nodes"].items():
        assert found.node[kind].tolist() == [node for _, node in nodes]
        if found.tree is not None:
            assert found.tree[kind].tolist() == [tree for tree, _ in nodes]
    for kind, edges in wanted["edges"].items():
        assert list(zip(found.row[kind].tolist(), found.col[kind].tolist(), found.edge[kind].tolist(),
                        strict=True)) == edges
        assert sum(found.num_sampled_edges[kind]) == len(edges)
    assert found.num_sampled_nodes == wanted["counts"]


SEEDS = st.fixed_dictionaries({"b": st.lists(st.integers(0, 4), max_size=4),
                               "a": st.lists(st.integers(0, 7), max_size=4)})


def as_tensors(seeds: dict[str, list[int]]) -> dict[str, Tensor]:
    return {kind: torch.tensor(own, dtype=torch.int64) for kind, own in seeds.items()}


@given(graphs(), SEEDS, st.integers(0, 3), st.booleans())
def test_whole_neighbourhoods(
    relations: dict[str, Relation], seeds: dict[str, list[int]], hops: int, disjoint: bool
) -> None:
    """Everything within reach, kind by kind, in PyG's order; repeated seeds and trees included."""
    fanouts = {kind: [-1] * hops for kind in relations}
    size = sum(map(len, seeds.values()))
    trees = Trees(torch.arange(size)) if disjoint else None
    found = sample_subgraph(relations, SIZES, as_tensors(seeds), fanouts, Stream(0), trees=trees)
    assert_plain(found, plain(relations, seeds, fanouts, None, disjoint, False))


@given(graphs(), SEEDS, st.data(), st.booleans())
def test_the_past_alone(
    relations: dict[str, Relation], seeds: dict[str, list[int]], data: st.DataObject, last: bool
) -> None:
    """No later edge than the seed's time, and with `last` the newest of them."""
    fanouts = {kind: data.draw(st.lists(st.sampled_from([-1, 0, 1, 2] if last else [-1]), min_size=2, max_size=2))
               for kind in relations}
    size = sum(map(len, seeds.values()))
    times = data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    dtype = data.draw(st.sampled_from([torch.int64, torch.float64, torch.int32]))
    found = sample_subgraph(
        relations, SIZES, as_tensors(seeds), fanouts, Stream(0),
        trees=Trees(torch.arange(size), torch.tensor(times, dtype=dtype)), last=last)
    assert_plain(found, plain(relations, seeds, fanouts, times, True, last))


@given(graphs(), SEEDS, st.booleans(), st.booleans())
def test_drawn_neighbourhoods(
    relations: dict[str, Relation], seeds: dict[str, list[int]], disjoint: bool, replace: bool
) -> None:
    """As many edges as the fanout leaves, all of them edges of the graph, no node twice in a tree."""
    fanouts = {kind: [2, 3, 0] for kind in relations}
    size = sum(map(len, seeds.values()))
    trees = Trees(torch.arange(size)) if disjoint else None
    found = sample_subgraph(relations, SIZES, as_tensors(seeds), fanouts, Stream(1), trees=trees, replace=replace)
    for kind, each in relations.items():
        source, target = found.node[each.source], found.node[each.target]
        row, col, edge = found.row[kind], found.col[kind], found.edge[kind]
        assert torch.equal(each.indices[edge], source[row])
        assert bool((each.indptr[target[col]] <= edge).all() and (edge < each.indptr[target[col] + 1]).all())
        if found.tree is not None:
            assert torch.equal(found.tree[each.source][row], found.tree[each.target][col])
        first, start = 0, 0
        for hop, num_edges in enumerate(found.num_sampled_edges[kind]):
            last = first + found.num_sampled_nodes[each.target][hop]
            degree = each.indptr.diff()[target[first:last]]
            wanted = torch.where(degree > 0, fanouts[kind][hop], 0) if replace else degree.clamp(max=fanouts[kind][hop])
            counted = torch.bincount(col[start : start + num_edges], minlength=len(target))
            assert torch.equal(counted[first:last], wanted) and int(counted.sum()) == num_edges
            first, start = last, start + num_edges
    for kind, nodes in found.node.items():
        own = len(seeds.get(kind, []))
        names = nodes if found.tree is None else found.tree[kind] * 99 + nodes
        assert len(names[own:].unique()) == len(names) - own and not bool(torch.isin(names[own:], names[:own]).any())


def test_one_kind_is_sample_neighbors() -> None:
    words = Stream(4).words(torch.arange(2), 200)
    graph = Graph.from_edge_index((words >> 8) % 40)
    seeds = torch.tensor([7, 3, 31])
    wanted = sample_neighbors(graph, seeds, [3, 2, 2], Stream(5))
    one = Relation("", "", graph.indptr, graph.indices)
    found = sample_subgraph({None: one}, {"": 40}, {"": seeds}, {None: [3, 2, 2]}, Stream(5))
    assert torch.equal(found.node[""], wanted.node)
    assert torch.equal(found.row[None], wanted.row) and torch.equal(found.edge[None], wanted.edge)


@pytest.mark.parametrize("weighted", [False, True])
def test_trees_draw_apart_and_with_their_chances(weighted: bool) -> None:
    """3,000 trees of one node: each draws by itself, among the past."""
    times = torch.tensor([1, 2, 3, 4, 5])
    cumulative = cumulative_weights(torch.tensor([0, 5]), torch.tensor([1.0, 2, 0, 3, 4])) if weighted else None
    star = Relation("leaf", "hub", torch.tensor([0, 5]), torch.arange(5), cumulative, times)
    trees = Trees(Stream(3).row_keys(torch.arange(3000)), torch.full((3000,), 4))
    found = sample_subgraph({None: star}, {"leaf": 5, "hub": 1}, {"hub": torch.zeros(3000, dtype=torch.int64)},
                            {None: [1]}, Stream(2), trees=trees)
    counts = torch.bincount(found.edge[None], minlength=5).tolist()
    assert counts[4] == 0  # later
    if weighted:
        assert counts[2] == 0 and chisquare([counts[i] for i in (0, 1, 3)], [500, 1000, 1500]).pvalue > 1e-3
    else:
        assert chisquare(counts[:4]).pvalue > 1e-3


@given(graphs(), SEEDS)
def test_induced_edges(relations: dict[str, Relation], seeds: dict[str, list[int]]) -> None:
    """Every edge between the nodes, also where a node is there twice."""
    node: dict[str, Tensor] = {kind: torch.tensor(seeds.get(kind, [0, 2]), dtype=torch.int64) for kind in SIZES}
    row, col, edge = induced_edges(relations, node)
    for kind, each in relations.items():
        sources = node[each.source].tolist()
        wanted = [(sources.index(int(each.indices[at])), place, at)
                  for place, target in enumerate(node[each.target].tolist())
                  for at in range(int(each.indptr[target]), int(each.indptr[target + 1]))
                  if int(each.indices[at]) in sources]
        assert list(zip(row[kind].tolist(), col[kind].tolist(), edge[kind].tolist(), strict=True)) == wanted


def test_the_first_row_of_a_repeated_seed_for_any_threads() -> None:
    """torch writes repeated places in parallel: messages still start at the row where a seed stands first."""
    seeds = torch.arange(150_000).repeat(2)
    ring = torch.arange(150_000)
    relation = Relation("n", "n", torch.arange(150_001), (ring + 1) % 150_000)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        found = sample_subgraph({"e": relation}, {"n": 150_000}, {"n": seeds}, {"e": [1]}, Stream(0))
        rows, _, _ = induced_edges({"e": relation}, {"n": seeds})
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found.row["e"], ((ring + 1) % 150_000).repeat(2))
    assert torch.equal(rows["e"], ((ring + 1) % 150_000).repeat(2))
