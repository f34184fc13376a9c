"""The same tasks by the peers, each as its own documentation has it, on what it prepares beforehand."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tasks import Work  # type: ignore[import-not-found]  # beside this script

from graphns.adapters.dgl.library import load_dgl

Measured = tuple[str, str, Callable[[], Any]]


class Peer(NamedTuple):
    """A library: how it is imported, its tasks (key and what is called), and how they are run."""

    module: str
    tasks: tuple[tuple[str, str], ...]
    run: Callable[[Work], Iterator[Measured]]


def pyg(work: Work) -> Iterator[Measured]:
    """PyG: everything from `edge_index` in every call; its weighted negatives may be known positives."""
    from torch_geometric.sampler import NegativeSampling
    from torch_geometric.utils import negative_sampling, structured_negative_sampling

    edges, n = work.edge_index, work.num_nodes

    def pairs() -> Any:
        return negative_sampling(edges, n, work.pairs)

    def structured() -> Any:
        return structured_negative_sampling(edges, n)

    few = work.chosen[: min(1024, work.batch)]
    yield "pairs-call", "negative_sampling", pairs
    yield "pairs", "negative_sampling", pairs
    yield "edges-call", "structured_negative_sampling", structured
    yield "edges", "structured_negative_sampling", structured
    yield "batch", "structured_negative_sampling, then the batch", lambda: structured()[2][few]
    yield "batch", "negative_sampling of as many", lambda: negative_sampling(edges, n, len(few))
    weight = torch.bincount(edges[1], minlength=n).double() ** 0.75
    if n <= 1 << 24:  # torch.multinomial's limit
        sampling = NegativeSampling("triplet", amount=work.k, dst_weight=weight)
        yield "weighted", "NegativeSampling, unverified", lambda: sampling.sample(work.batch * work.k, "dst")


def dgl(work: Work) -> Iterator[Measured]:
    """DGL on a prepared graph: verified pairs by GlobalUniform, unverified ones by PerSourceUniform."""
    library = load_dgl()
    yield from _dgl_one_type(library, work)
    yield from _dgl_two_types(library, work)


def _dgl_one_type(dgl: Any, work: Work) -> Iterator[Measured]:
    source, target = work.edge_index
    graph = dgl.graph((source, target), num_nodes=work.num_nodes)
    graph.create_formats_()
    sampling = dgl.sampling.global_uniform_negative_sampling
    yield "pairs", "global_uniform_negative_sampling", lambda: sampling(graph, work.pairs)
    negative = dgl.dataloading.negative_sampler
    one_side, both_sides = negative.PerSourceUniform(work.k), negative.GlobalUniform(work.k)
    yield "per-source", "PerSourceUniform, unverified", lambda: one_side(graph, work.chosen)
    yield "per-source", "GlobalUniform", lambda: both_sides(graph, work.chosen)
    yield "walks", "sampling.random_walk", lambda: dgl.sampling.random_walk(graph, work.nodes, length=work.length)


def _dgl_two_types(dgl: Any, work: Work) -> Iterator[Measured]:
    source, target = work.edge_index
    both = dgl.heterograph({("user", "to", "item"): (source, target), ("item", "from", "user"): (target, source)},
                           {"user": work.num_nodes, "item": work.num_nodes})
    sampler = dgl.sampling.PinSAGESampler(both, "item", "user", work.traversals, 0.0, work.walks, work.top)
    start = work.nodes[: work.starts]
    yield "visits", "sampling.PinSAGESampler", lambda: sampler(start)


def torch_cluster(work: Work) -> Iterator[Measured]:
    """torch-cluster: the function sorts the edges in every call; the operator under it takes prepared rows."""
    from torch_cluster import random_walk

    graph = work.graph
    column = graph.indices.long()
    operator = torch.ops.torch_cluster.random_walk
    yield ("walks", "the operator, on prepared rows",
           lambda: operator(graph.indptr, column, work.nodes, work.length, 1.0, 1.0))
    source, target = work.edge_index
    yield "walks", "random_walk", lambda: random_walk(source, target, work.nodes, work.length,
                                                      num_nodes=work.num_nodes)


def grape(work: Work) -> Iterator[Measured]:
    """GRAPE on a prepared graph, read from a file; it chooses the walks' starts itself."""
    import pandas
    from ensmallen import Graph

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "edges.tsv"
        for low in range(0, work.edge_index.shape[1], 1 << 22):
            part = pandas.DataFrame(work.edge_index[:, low : low + (1 << 22)].T.numpy())
            part.to_csv(file, sep="\t", header=False, index=False, mode="a")
        graph = Graph.from_csv(
            edge_path=str(file), directed=True, edge_list_header=False, edge_list_separator="\t",
            sources_column_number=0, destinations_column_number=1, verbose=False,
        )
    yield "pairs", "sample_negative_graph", lambda: graph.sample_negative_graph(
        number_of_negative_samples=work.pairs, random_state=next(work.steps), use_scale_free_distribution=False)
    yield "walks", "random_walks", lambda: graph.random_walks(
        walk_length=work.length + 1, quantity=work.batch, random_state=next(work.steps))


PEERS = {
    "PyG": Peer("torch_geometric", (
        ("pairs-call", "negative_sampling"), ("pairs", "negative_sampling"),
        ("edges-call", "structured_negative_sampling"), ("edges", "structured_negative_sampling"),
        ("batch", "structured_negative_sampling, then the batch"), ("batch", "negative_sampling of as many"),
        ("weighted", "NegativeSampling, unverified"),
    ), pyg),
    "DGL": Peer("dgl", (
        ("pairs", "global_uniform_negative_sampling"), ("per-source", "PerSourceUniform, unverified"),
        ("per-source", "GlobalUniform"), ("walks", "sampling.random_walk"), ("visits", "sampling.PinSAGESampler"),
    ), dgl),
    "torch-cluster": Peer("torch_cluster", (
        ("walks", "the operator, on prepared rows"), ("walks", "random_walk"),
    ), torch_cluster),
    "GRAPE": Peer("ensmallen", (("pairs", "sample_negative_graph"), ("walks", "random_walks")), grape),
}


def available(name: str) -> str:
    """An empty text if the library can be imported, else why not."""
    try:
        importlib.import_module(PEERS[name].module)
    except Exception as error:  # a library may fail in any way when it is imported, and the row says how
        return "not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported: {error}"
    return ""
