"""PBG's chunks: who shares with whom, the last chunk, the limit of one chunk, the density over batches."""

import pytest
import torch

from graphns import Graph, Query, Stream
from graphns.samplers.efficient.chunk_shared import ChunkShared
from graphns.samplers.efficient.mixed import Mixed
from tests.samplers.distribution import ALPHA, SEEDS, chi_square

EDGES = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 5], [3, 4, 3, 3, 4, 0, 3, 1]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=6)


def query_of(at, k, **options):
    anchor, positive = EDGES[:, at]
    return Query(anchor, positive, k, **{"stream": Stream(0), "row": torch.tensor(at)} | options)


def test_pairs_of_a_chunk_have_equal_ids_their_own_positives_and_uniform_ones():
    query = query_of([0, 1, 2, 3, 4, 5, 6], 9)
    negatives = ChunkShared(GRAPH, share=1 / 3)(query)  # chunks of 3: (0 1 2) (3 4 5) (6)
    for chunk in ([0, 1, 2], [3, 4, 5]):
        assert bool((negatives.ids[chunk] == negatives.ids[chunk[0]]).all())
        assert negatives.ids[chunk[0], :3].tolist() == query.positive[chunk].tolist()
    assert not torch.equal(negatives.ids[0, 3:], negatives.ids[3, 3:])
    assert negatives.ids[6, 0] == query.positive[6]
    assert not negatives.mask[6, 1:3].any() and negatives.log_prob[6, 1:3].tolist() == [0.0, 0.0]
    banned = GRAPH.has_edge(query.anchor, negatives.ids) | (negatives.ids == query.anchor[:, None])
    banned |= negatives.ids == query.positive[:, None]
    banned[6, 1:3] = True
    assert torch.equal(negatives.mask, ~banned)


def test_a_chunk_keeps_its_uniform_ids_whatever_the_batch():
    whole = ChunkShared(GRAPH)(query_of([0, 1, 2, 3], 4))
    part = ChunkShared(GRAPH)(query_of([2, 3], 4))
    assert torch.equal(whole.ids[2:], part.ids) and torch.equal(whole.mask[2:], part.mask)


def test_one_chunk_is_mixed_negatives():
    query = query_of([0, 2, 5], 6)
    chunked, mixed = ChunkShared(GRAPH)(query), Mixed(GRAPH)(query)
    assert torch.equal(chunked.ids, mixed.ids.expand(3, 6)) and torch.equal(chunked.mask, mixed.mask)
    torch.testing.assert_close(chunked.log_prob, mixed.log_prob.expand(3, 6))


def test_the_density():
    sampler, popularity = ChunkShared(GRAPH), torch.tensor([1.0, 1, 0, 4, 2, 0]) / 8
    # the chunk of 10 / 2 pairs has two: 2 of its 2 + 5 usable slots
    for k, share in ((4, 0.5), (1, 0.0), (10, 2 / 7)):
        log_prob = sampler.log_prob(query_of([0, 1], k), torch.arange(6)[None])
        torch.testing.assert_close(log_prob.exp(), (share * popularity + (1 - share) / 6).expand(2, 6))


@pytest.mark.parametrize("seed", SEEDS)
def test_over_the_loaders_batches_slots_follow_the_density(seed):
    sampler = ChunkShared(GRAPH)
    generator = torch.Generator().manual_seed(seed)
    counts = torch.zeros(6, dtype=torch.int64)
    for step in range(500):
        at = torch.randint(EDGES.shape[1], (6,), generator=generator).tolist()
        row = torch.arange(6) + 6 * step
        query = query_of(at, 6, stream=Stream(seed, step), row=row)
        ids = sampler(query).ids
        counts += torch.bincount(ids[::3].flatten(), minlength=6)  # each chunk once
    expected = sampler.log_prob(query, torch.arange(6)[None])[0].exp()
    assert chi_square(counts, expected) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shorter_last_chunk_follows_its_own_density(seed):
    """Five pairs in chunks of three: of the last two pairs' usable slots, 2 of 2 + 3 are the chunk's."""
    sampler, counts = ChunkShared(Graph.empty((6, 6)), popularity=GRAPH.in_degree), torch.zeros(6, dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    for step in range(500):
        at = torch.randint(EDGES.shape[1], (5,), generator=generator).tolist()
        query = query_of(at, 6, stream=Stream(seed, step), row=torch.arange(5) + 5 * step)
        ids = sampler(query).ids[4]
        counts += torch.bincount(torch.cat([ids[:2], ids[3:]]), minlength=6)  # slot 2 cannot be filled
    expected = sampler.log_prob(query, torch.arange(6)[None])[4].exp()
    assert chi_square(counts, expected) > ALPHA / len(SEEDS)
    assert float(expected.sum()) == pytest.approx(1) and not torch.equal(expected, sampler.log_prob(
        query, torch.arange(6)[None])[0].exp())


def test_refuses():
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 2"):
        ChunkShared(GRAPH, share=2)
    with pytest.raises(ValueError, match="positives from 3 to 6"):
        ChunkShared(GRAPH)(Query(torch.tensor([0, 1]), torch.tensor([3, 6]), 4))
