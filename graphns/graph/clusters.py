"""Clusters of nodes: spectral embedding, k-means, then sizes evened out."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph

_BLOCK = 1 << 22  # distances held at once


def clusters(graph: Graph, num_clusters: int, seed: int = 0, *, imbalance: float = 1.5, size: int = 32) -> Tensor:
    """Cut the nodes into clusters of neighbours.

    The leading eigenvectors of the normalised adjacency, directions ignored, place the nodes (randomised SVD);
    scikit-learn's mini-batch k-means cuts them; a cluster above its limit gives its outermost nodes to the nearest
    cluster with room. The same seed gives the same labels on one machine, for any number of threads.

    Args:
        graph: homogeneous; a bipartite graph as `joined(graph)`.
        num_clusters: C, from 1 to N.
        seed: where the randomness comes from.
        imbalance: a cluster holds at most this times N / C nodes, rounded up; at least 1.
        size: eigenvectors, fewer if C or N is smaller.

    Returns:
        [N] int64 labels 0 … C'-1, none of them empty. C' = C, unless nodes of equal place leave fewer: then C' < C.

    Raises:
        ValueError: an argument is out of range, or the graph is bipartite.
        ImportError: scikit-learn is missing.

    Example:
        >>> two = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]])
        >>> found = clusters(Graph.from_edge_index(two), 2).tolist()
        >>> len({*found[:3]}), len({*found[3:]}), len({*found})
        (1, 1, 2)

    References:
        Ng, Jordan, Weiss: On Spectral Clustering: Analysis and an Algorithm. NIPS 2001.
        Sculley: Web-Scale K-Means Clustering. WWW 2010.
    """
    if graph.bipartite:
        raise ValueError("clusters need one kind of node; take joined(graph) of graphns.graph.build, where candidate j "
                         "is node num_src + j")
    if not 1 <= num_clusters <= graph.num_nodes:
        raise ValueError(f"num_clusters must be in [1, {graph.num_nodes}], the number of nodes, got {num_clusters}")
    if not imbalance >= 1:
        raise ValueError(f"imbalance must be at least 1, got {imbalance}")
    if num_clusters == 1:
        return torch.zeros(graph.num_nodes, dtype=torch.int64, device=graph.device)
    try:
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a part of scikit-learn's needs
    except ImportError as error:
        raise ImportError("clusters need scikit-learn: pip install 'graphns[pipelines]'") from error
    with threadpool_limits(limits=1), warnings.catch_warnings():  # one thread: sums in one order
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct places than clusters: stated above
        places = _places(graph, min(size, max(num_clusters, 2), graph.num_nodes - 1), seed)
        means = MiniBatchKMeans(num_clusters, random_state=seed % 2**32, n_init=3, batch_size=4096,
                                reassignment_ratio=0.0)
        labels = means.fit_predict(places)
        limit = int(np.ceil(imbalance * graph.num_nodes / num_clusters))
        labels = _evened(places, means.cluster_centers_, labels, limit)
    _, labels = np.unique(labels, return_inverse=True)
    return torch.from_numpy(labels.astype(np.int64)).to(graph.device)


def _places(graph: Graph, size: int, seed: int) -> np.ndarray:
    """Rows [N, size] of the leading eigenvectors of (1 + D^-1/2 (A + A^T) D^-1/2) / 2, each row of length 1."""
    import scipy.sparse
    from sklearn.utils.extmath import randomized_svd

    nodes = graph.num_nodes
    known = scipy.sparse.csr_array(
        (np.ones(graph.num_edges), graph.indices.cpu().numpy(), graph.indptr.cpu().numpy()), (nodes, nodes))
    both = known + known.T
    degree = np.asarray(both.sum(1)).ravel()
    scale = scipy.sparse.diags_array(1 / np.sqrt(np.maximum(degree, 1)))
    # shifted by the identity, no eigenvalue is negative: singular vectors are eigenvectors, the smoothest first
    shifted = (scale @ both @ scale + scipy.sparse.eye_array(nodes)) * 0.5
    vectors, values, _ = randomized_svd(shifted, size, n_iter=8, random_state=seed % 2**32)
    places = vectors * np.sqrt(values)
    length: np.ndarray = np.linalg.norm(places, axis=1, keepdims=True)
    return np.asarray(places / np.maximum(length, 1e-12))


def _evened(places: np.ndarray, centers: np.ndarray, labels: np.ndarray, limit: int) -> np.ndarray:
    """Labels in which no cluster has more than `limit` nodes: the outermost move to the nearest with room."""
    count = np.bincount(labels, minlength=len(centers))
    distance = np.linalg.norm(places - centers[labels], axis=1)
    leaving = [np.flatnonzero(labels == c) for c in np.flatnonzero(count > limit)]
    leaving = [nodes[np.argsort(distance[nodes], kind="stable")][limit:] for nodes in leaving]
    if not leaving:
        return labels
    movers = np.concatenate(leaving)
    movers = movers[np.argsort(distance[movers], kind="stable")]
    room = np.maximum(limit - count, 0)
    norms = (centers**2).sum(1)
    block = max(1, _BLOCK // len(centers))
    for start in range(0, len(movers), block):
        part = movers[start : start + block]
        nearest = np.argsort(norms - 2 * places[part] @ centers.T, axis=1, kind="stable")
        for node, order in zip(part, nearest, strict=True):
            to = order[np.argmax(room[order] > 0)]
            labels[node] = to
            room[to] -= 1
    return labels
