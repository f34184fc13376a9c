"""The Bloom filter: no known pair is missed, and unknown ones are taken for known at the stated rate, by counting."""

import math

import pytest
import torch
from scipy.stats import binomtest

from graphns import EdgeSet, Graph, Stream
from graphns.graph.bloom import BloomFilter
from graphns.streams import GOLDEN, bounded, mix_tensor, to_signed

SIZE = 1000


def pairs(num, width=1, seed=0):
    """Distinct pairs, and as many unknown ones as there are left."""
    words = Stream(seed).words(torch.arange(num), width + 1)
    table = torch.unique(bounded(words, SIZE), dim=0)
    return table[:, :-1], table[:, -1]


@pytest.mark.parametrize("rate", [0.2, 0.01, 0.001])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rate_by_counting(rate, width, seed):
    anchor, positive = pairs(8000, width, seed)
    known = BloomFilter.from_pairs(anchor, positive, rate, seed=seed)
    assert bool(known.has_edge(anchor, positive).all()), "a known pair was missed"
    exact = EdgeSet.from_pairs(anchor, positive, SIZE)
    asked = torch.unique(anchor, dim=0)[:300]  # each unknown pair counts once
    every = torch.arange(SIZE)[None]
    unknown = ~exact.has_edge(asked, every)
    wrong = int((known.has_edge(asked, every) & unknown).sum())
    assert binomtest(wrong, int(unknown.sum()), known.rate).pvalue > 0.01 / 18
    # what was asked for, within what h, a whole number, allows
    assert known.rate == pytest.approx(rate, rel=0.08)


def test_size_and_hashes_follow_the_formula():
    for n, rate in ((1, 0.5), (1000, 0.01), (12345, 0.0001)):
        known = BloomFilter.from_pairs(torch.arange(n), torch.arange(n), rate)
        assert known.num_bits == math.ceil(-n * math.log(rate) / math.log(2) ** 2)
        assert known.num_hashes == max(1, round(-math.log2(rate)))
        assert len(known.bits) == math.ceil(known.num_bits / 8) and known.bits.dtype == torch.uint8


def test_bits_of_one_pair_by_hand():
    known = BloomFilter.from_pairs(torch.tensor([3]), torch.tensor([5]), 0.01, seed=9)
    key = mix_tensor(Stream(9).row_keys(torch.tensor([3])) + to_signed(6 * GOLDEN))
    places = {int(bounded(mix_tensor(key + to_signed((i + 1) * GOLDEN)), known.num_bits)) for i in range(7)}
    ones = {8 * at + bit for at, byte in enumerate(known.bits.tolist()) for bit in range(8) if byte >> bit & 1}
    assert ones == places and known.num_hashes == 7
    assert known.rate == pytest.approx((len(ones) / known.num_bits) ** 7)


def test_the_seed_is_a_key_and_order_does_not_matter():
    anchor, positive = pairs(500)
    first = BloomFilter.from_pairs(anchor, positive)
    assert torch.equal(first.bits, BloomFilter.from_pairs(anchor.flip(0), positive.flip(0)).bits)
    assert not torch.equal(first.bits, BloomFilter.from_pairs(anchor, positive, seed=1).bits)


def test_blocks_of_pairs_set_the_same_bits(monkeypatch):
    from graphns.graph import bloom

    anchor, positive = pairs(500, 2)
    whole = BloomFilter.from_pairs(anchor, positive)
    monkeypatch.setattr(bloom, "_CHUNK", 7)
    assert torch.equal(whole.bits, BloomFilter.from_pairs(anchor, positive).bits)


def test_of_a_graph_and_of_an_edge_set():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 2], [1, 2, 1]]), num_nodes=4)
    known = BloomFilter.from_graph(graph, 1e-6)
    every = torch.arange(4)[None]
    assert torch.equal(known.has_edge(torch.arange(4), every), graph.has_edge(torch.arange(4), every))
    assert not known.bipartite
    items = BloomFilter.from_graph(Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=(2, 3)))
    assert items.bipartite and bool(items.has_edge(torch.tensor([0]), torch.tensor([2])))
    triples = EdgeSet.from_pairs(torch.tensor([[0, 1], [2, 0]]), torch.tensor([3, 1]), 4)
    wide = BloomFilter.from_graph(triples, 1e-6)
    assert wide.width == 2 and wide.has_edge(triples.anchors, torch.tensor([[3], [3]])).tolist() == [[True], [False]]


def test_of_nothing_knows_nothing():
    known = BloomFilter.from_graph(Graph.empty(5))
    assert not known.has_edge(torch.arange(5), torch.arange(5)[None]).any() and known.rate == 0


def test_follows_its_device_and_keeps_its_answers():
    anchor, positive = pairs(300)
    known = BloomFilter.from_pairs(anchor, positive, bipartite=False, num_src=SIZE)
    assert known.to("cpu") is known
    again = known.map(torch.clone)
    assert torch.equal(again.has_edge(anchor, positive), known.has_edge(anchor, positive))
    assert (again.bipartite, again.num_src, again.rate) == (False, SIZE, known.rate)
    assert repr(known) == f"BloomFilter(num_bits={known.num_bits}, num_hashes=7, width=1)"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_bits_are_the_same_on_cuda():
    anchor, positive = pairs(5000, 2)
    here, there = (BloomFilter.from_pairs(anchor.to(d), positive.to(d)) for d in ("cpu", "cuda"))
    assert torch.equal(here.bits, there.bits.cpu())
    every = torch.arange(SIZE)[None]
    assert torch.equal(here.has_edge(anchor[:50], every), there.has_edge(anchor[:50].cuda(), every.cuda()).cpu())


@pytest.mark.parametrize(("anchor", "positive", "options", "message"), [
    ([0], [1], {"rate": 0.0}, r"rate must be in \(0, 1\), got 0"),
    ([0], [1], {"rate": 1.0}, r"rate must be in \(0, 1\), got 1"),
    ([0, 1], [1], {}, "need anchor"),
    ([0.5], [1], {}, "anchor must hold integer ids"),
    ([0], [True], {}, "positive must hold integer ids"),
    ([-1], [1], {}, "anchor ids must be >= 0, got -1"),
])
def test_refuses(anchor, positive, options, message):
    with pytest.raises(ValueError, match=message):
        BloomFilter.from_pairs(torch.tensor(anchor), torch.tensor(positive), **options)


def test_refuses_anchors_that_it_cannot_know():
    known = BloomFilter.from_graph(Graph.empty(5))
    with pytest.raises(ValueError, match=r"anchor 5 is outside \[0, 5\)"):
        known.has_edge(torch.tensor([5]), torch.tensor([0]))
    with pytest.raises(ValueError, match="anchors of width 1"):
        known.has_edge(torch.tensor([[0, 1]]), torch.tensor([0]))


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32])
def test_ids_of_any_integer_dtype_are_found(dtype):
    anchor, positive = torch.arange(1000), torch.arange(1000) * 7 % 997
    known = BloomFilter.from_pairs(anchor.to(dtype), positive.to(dtype))
    assert torch.equal(known.bits, BloomFilter.from_pairs(anchor, positive).bits)
    assert known.has_edge(anchor.to(dtype), positive.to(dtype)).all()
    assert known.has_edge(anchor.to(dtype), positive[:, None]).all()


def test_wide_anchors_are_no_candidates():
    with pytest.raises(ValueError, match="anchors of width 2 are no candidates"):
        BloomFilter.from_pairs(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), bipartite=False)
