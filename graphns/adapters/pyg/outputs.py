"""A sampled subgraph in PyG's form: `SamplerOutput` or `HeteroSamplerOutput`, directional, bidirectional or induced."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch_geometric.sampler import HeteroSamplerOutput, SamplerOutput
from torch_geometric.sampler.base import SubgraphType

from graphns.adapters.pyg.relations import ONE, Prepared
from graphns.graph.subgraphs import Subgraph, induced_edges
from graphns.kernels.neighbors import taken


def as_output(
    found: Subgraph, prepared: Prepared, owner: Tensor, subgraph_type: SubgraphType, keep_orig_edges: bool = False
) -> SamplerOutput | HeteroSamplerOutput:
    """What PyG's loaders take.

    Args:
        found: of the seeds.
        prepared: the data.
        owner: [T] the example in the batch that each tree belongs to.
        subgraph_type: which edges between the sampled nodes.
        keep_orig_edges: whether a bidirectional output also holds the edges as they were sampled.
    """
    row, col, edge = found.row, found.col, found.edge
    num_nodes: Any = found.num_sampled_nodes
    num_edges: Any = found.num_sampled_edges
    if subgraph_type == SubgraphType.induced:
        row, col, edge = induced_edges(prepared.relations, found.node)
        num_nodes = num_edges = None
    edge = {kind: each if (order := prepared.permutation[kind]) is None else taken(order, each)
            for kind, each in edge.items()}
    node = {kind: each.to(prepared.dtype) for kind, each in found.node.items()}
    row, col = ({kind: each.to(prepared.dtype) for kind, each in part.items()} for part in (row, col))
    owner = owner.to(prepared.dtype)
    batch = None if found.tree is None else {kind: owner[tree] for kind, tree in found.tree.items()}
    if prepared.hetero:
        out = HeteroSamplerOutput(node=node, row=row, col=col, edge=edge, batch=batch, num_sampled_nodes=num_nodes,
                                  num_sampled_edges=num_edges)
    else:
        out = SamplerOutput(
            node=node[ONE], row=row[None], col=col[None], edge=edge[None], batch=None if batch is None else batch[ONE],
            num_sampled_nodes=None if num_nodes is None else num_nodes[ONE],
            num_sampled_edges=None if num_edges is None else num_edges[None])
    if subgraph_type == SubgraphType.bidirectional:
        out = out.to_bidirectional(keep_orig_edges=keep_orig_edges)
    return out
