"""A Bloom filter of known pairs: a few bits a pair, and a stated chance to take an unknown pair for a known one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from graphns.base import TensorData
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.streams import GOLDEN, Stream, bounded, mix_tensor, to_signed

_CHUNK = 1 << 20  # pairs whose bits are set at once


class BloomFilter(TensorData):
    r"""Known (anchor, positive) pairs as m bits, whatever the ids; asked with `has_edge`, as a `Graph` is.

    .. math:: m = \left\lceil \frac{-n \ln p}{(\ln 2)^2} \right\rceil, \qquad
        h = \operatorname{round}\left(\frac{m}{n} \ln 2\right) \approx -\log_2 p

    Each pair sets h bits, chosen by a keyed hash (splitmix64), so the filter is the same on every device and with every
    number of threads. The error is one-sided: a known pair is always found; a pair that is not known is taken for one
    with probability p, so a sampler that masks by the filter never keeps a known positive and loses a share p of its
    true negatives. With p = 0.01 a pair costs 9.6 bits, in an `EdgeSet` 32 or more. `rate` is the probability for the
    bits as they are: the share of set bits to the power h.

    Make one with `from_pairs` or `from_graph`.

    Args:
        bits: [ceil(m / 8)] uint8.
        num_bits: m.
        num_hashes: h.
        bipartite: whether anchors are no candidates; if not, a sampler masks the anchor itself too.
        width: columns of an anchor.
        num_src: anchors in [0, num_src) may be asked for; None: all >= 0.
        seed: key of the hash.

    Example:
        >>> head_relation, tail = torch.tensor([[0, 0], [0, 0], [3, 1]]), torch.tensor([4, 2, 1])
        >>> known = BloomFilter.from_pairs(head_relation, tail, rate=0.001)
        >>> known.has_edge(head_relation, tail).tolist()
        [True, True, True]
        >>> known.num_bits, known.num_hashes
        (44, 10)

    References:
        Bloom: Space/Time Trade-offs in Hash Coding with Allowable Errors. Communications of the ACM 1970.
    """

    def __init__(self, bits: Tensor, num_bits: int, num_hashes: int, *, bipartite: bool = True, width: int = 1,
                 num_src: int | None = None, seed: int = 0) -> None:
        self.bits = bits
        self.num_bits = num_bits
        self.num_hashes = num_hashes
        self.bipartite = bipartite
        self.width = width
        self.num_src = num_src
        self.seed = seed

    @classmethod
    def from_pairs(cls, anchor: Tensor, positive: Tensor, rate: float = 0.01, *, bipartite: bool = True,
                   num_src: int | None = None, seed: int = 0) -> Self:
        """The filter of the pairs given. A pair given twice costs bits twice, and lowers the rate.

        Args:
            anchor: [n] or [n, a] integers >= 0.
            positive: [n] integers >= 0.
            rate: p, in (0, 1).
            bipartite: whether anchors are no candidates.
            num_src: the number of anchors, where it is known.
            seed: key of the hash.

        Raises:
            ValueError: the rate is out of range, or shapes, dtypes or ids are wrong.
        """
        if not 0 < rate < 1:
            raise ValueError(f"rate must be in (0, 1), got {rate}; 0.01 loses one true negative of 100")
        wide = anchor[:, None] if anchor.dim() == 1 else anchor
        if wide.dim() != 2 or wide.shape[1] < 1 or positive.shape != wide.shape[:1]:
            raise ValueError(f"need anchor [n] or [n, a] and positive [n], got {tuple(anchor.shape)} and "
                             f"{tuple(positive.shape)}")
        if wide.shape[1] > 1 and not bipartite:
            raise ValueError(f"anchors of width {wide.shape[1]} are no candidates: leave bipartite=True")
        for name, values in (("anchor", wide), ("positive", positive)):
            if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
                raise ValueError(f"{name} must hold integer ids, got dtype {values.dtype}; convert it with .long()")
            if values.numel() and int(values.min()) < 0:
                raise ValueError(f"{name} ids must be >= 0, got {int(values.min())}")
        num_bits = max(1, math.ceil(-len(positive) * math.log(rate) / math.log(2) ** 2))
        num_hashes = max(1, round(num_bits / max(len(positive), 1) * math.log(2)))
        found = cls(torch.empty(0, dtype=torch.uint8), num_bits, num_hashes, bipartite=bipartite, width=wide.shape[1],
                    num_src=num_src, seed=seed)
        # a byte a bit while they are set: there is no scattered "or"
        wanted = torch.zeros(-(-num_bits // 8) * 8, dtype=torch.uint8, device=positive.device)
        for first in range(0, len(positive), _CHUNK):
            part = slice(first, first + _CHUNK)
            key = found._keys(wide[part].long(), positive[part].long()[:, None])
            for number in range(num_hashes):
                wanted[found._place(key, number)] = 1
        found.bits = torch.zeros_like(wanted[::8])
        for bit in range(8):
            found.bits |= wanted[bit::8] << bit
        return found

    @classmethod
    def from_graph(cls, graph: Graph, rate: float = 0.01, *, seed: int = 0) -> Self:
        """The filter of the edges of a `Graph`, or of the pairs of an `EdgeSet`.

        Raises:
            ValueError: the rate is not in (0, 1).

        Example:
            >>> known = BloomFilter.from_graph(Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]])))
            >>> known.has_edge(torch.tensor([0, 1]), torch.tensor([[1], [2]])).all().item()
            True
        """
        if isinstance(graph, EdgeSet):
            return cls.from_pairs(*graph.pairs(), rate, seed=seed)
        anchor, positive = graph.edge_index
        return cls.from_pairs(anchor, positive, rate, bipartite=graph.bipartite, num_src=graph.num_src, seed=seed)

    @property
    def rate(self) -> float:
        """The probability that a pair which is not known is taken for a known one: (set bits / m) ** h."""
        ones = sum(int(((self.bits >> bit) & 1).sum()) for bit in range(8))
        return (ones / self.num_bits) ** self.num_hashes

    @property
    def device(self) -> torch.device:
        """Where the bits live."""
        return self.bits.device

    def has_edge(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Whether each (anchor, id) may be known: ids [B] gives [B], ids [B|1, m] gives [B, m]; bool.

        False is certain, True is wrong with probability `rate`.

        Raises:
            ValueError: the anchors are of another width, or none of the graph's.
        """
        # in 64 bits, as the pairs were hashed, whatever the ids' own dtype
        wide, ids = (anchor[:, None] if anchor.dim() == 1 else anchor).long(), ids.long()
        if wide.dim() != 2 or wide.shape[1] != self.width:
            raise ValueError(f"this BloomFilter knows anchors of width {self.width}, got {tuple(anchor.shape)}")
        if self.num_src is not None and wide.numel():
            least, most = int(wide.min()), int(wide.max())
            if least < 0 or most >= self.num_src:
                raise ValueError(f"anchor {least if least < 0 else most} is outside [0, {self.num_src})")
        key = self._keys(wide, ids[:, None] if ids.dim() == 1 else ids)
        found = torch.ones_like(key, dtype=torch.bool)
        for number in range(self.num_hashes):
            place = self._place(key, number)
            found &= ((self.bits[place >> 3] >> (place & 7)) & 1).bool()
        return found[:, 0] if ids.dim() == 1 else found

    def map(self, function: Callable[[Tensor], Tensor]) -> BloomFilter:
        """The filter with `function` applied to its bits."""
        return BloomFilter(function(self.bits), self.num_bits, self.num_hashes, bipartite=self.bipartite,
                           width=self.width, num_src=self.num_src, seed=self.seed)

    def to(self, device: torch.device | str) -> BloomFilter:
        """The filter on another device; itself if it is there already."""
        return self if torch.device(device) == self.device else self.map(lambda tensor: tensor.to(device))

    def _keys(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """One word a pair: [B, m] int64."""
        words = Stream(self.seed).row_keys(anchor[:, 0])
        for column in anchor.T[1:]:
            words = mix_tensor(words + (column + 1) * to_signed(GOLDEN))
        return mix_tensor(words[:, None] + (ids + 1) * to_signed(GOLDEN))

    def _place(self, key: Tensor, number: int) -> Tensor:
        """The bit that a pair's hash of that number chooses: a step of the pair's own splitmix64."""
        return bounded(mix_tensor(key + to_signed((number + 1) * GOLDEN)), self.num_bits)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return f"BloomFilter(num_bits={self.num_bits}, num_hashes={self.num_hashes}, width={self.width})"
