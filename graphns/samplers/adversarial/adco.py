"""AdCo: a bank of free vectors that climbs the loss which the encoder descends."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.pool import check_temperature


class AdCo(Sampler):
    r"""Give vectors of a trained bank, moved against the encoder (adversarial contrast).

    .. math:: n_k \leftarrow \frac{n_k + \Delta_k}{\lVert n_k + \Delta_k \rVert}, \qquad
        \Delta_k = \frac{\eta}{B \tau} \sum_q p(n_k; q)\, q, \qquad
        p(n_k; q) = \frac{e^{q \cdot n_k / \tau}}{e^{q \cdot q^+ / \tau} + \sum_l e^{q \cdot n_l / \tau}}

    where q are the step's anchor vectors and q+ their positives'. :math:`\Delta_k / \eta` is the gradient of InfoNCE in
    n_k, in closed form: the encoder goes down the loss, the bank up. ``update`` makes the step, from
    `Feedback.anchor_vectors` and `Feedback.positive_vectors`, of the vectors that were drawn; without
    positive_vectors, p is a softmax over the drawn vectors alone. The vectors are taken as they come: give them as
    they are scored, of length 1 in the paper. For the symmetric loss, update once a view.

    The batch shares k vectors of the bank, at random by the stream alone, or all of them in order for k from `size` on,
    as in the paper; slots beyond are masked. They are no nodes: nothing is known of them and nothing excluded. ids are
    slot numbers modulo the number of candidates, valid and of no meaning; score ``model.score_vectors(anchor,
    negatives.vectors)``. The density is "none": what is drawn is chosen by place, and not from a law over candidates.

    Args:
        num_candidates: rows of the candidate table, for valid ids.
        dim: width of the vectors.
        size: K, vectors in the bank.
        rate: eta > 0, of the ascent.
        temperature: tau of the ascent, lower than the encoder's own in the authors' code (0.02 and 0.12).
        seed: of the first vectors, random directions; no global generator is touched.

    Returns:
        On call, ids [1, k], mask [B, k] and vectors [1, k, dim], all of length 1; no log_prob.

    Raises:
        ValueError: a size, the rate or the temperature is out of range; feedback vectors of another width.

    Example:
        >>> from graphns import Stream
        >>> sampler = AdCo(10, 2, size=2, rate=1.0, temperature=1.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
        >>> towards, before = torch.tensor([[0.0, 1.0]]), sampler(query).vectors[0, :, 1]
        >>> sampler.update(query, sampler(query), Feedback(anchor_vectors=towards, positive_vectors=-towards))
        >>> bool((sampler(query).vectors[0, :, 1] > before).all())
        True

    References:
        Hu, Wang, Hu, Qi: AdCo: Adversarial Contrast for Efficient Learning of Unsupervised Representations from
        Self-Trained Negative Adversaries. CVPR 2021.
    """

    bank: Tensor

    def __init__(
        self, num_candidates: int, dim: int, *, size: int = 1024, rate: float = 3.0, temperature: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("num_candidates", num_candidates), ("dim", dim), ("size", size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not rate > 0:
            raise ValueError(f"rate must be above 0, got {rate}")
        self.num_candidates = num_candidates
        self.rate = rate
        self.temperature = check_temperature(temperature)
        drawn = torch.randn(size, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("bank", normalize(drawn, dim=1))
        self.graph: Graph | None = None

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", dim: int = 128, **options: Any) -> Self:
        """A bank beside a graph's candidates. `exclude` changes nothing: free vectors are nobody's neighbours."""
        check_choice(exclude, ("neighbors", "self"), "exclude")
        made = cls(graph.num_dst, dim, **options)
        made.graph = graph  # only to refuse anchors that it does not have
        return made

    def _slots(self, query: Query) -> Tensor:
        """Which rows of the bank a query draws [min(k, size)]: by the stream alone, the same in `observe`."""
        every = torch.arange(len(self.bank), device=self.bank.device)
        if query.k >= len(every):
            return every
        # the holders of the k lowest lots
        return query.stream.words(every, 1)[:, 0].argsort(stable=True)[: query.k]

    def sample(self, query: Query) -> Negatives:
        """Choose slots of the bank."""
        if self.graph is not None:
            self.graph.rows(query.anchor)
        slots = self._slots(query)
        place = torch.arange(query.k, device=slots.device)
        mask = (place < len(slots)).expand(query.batch_size, -1)
        slots = slots[place.clamp(max=len(slots) - 1)]
        return Negatives(slots[None] % self.num_candidates, None, mask, None, self.bank[slots][None])

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Climb the loss by one step; a step without anchor vectors teaches nothing."""
        anchors, positives = feedback.anchor_vectors, feedback.positive_vectors
        if anchors is None or len(anchors) == 0:
            return
        for name, vectors in (("anchor_vectors", anchors), ("positive_vectors", positives)):
            if vectors is not None and vectors.shape != (query.batch_size, self.bank.shape[1]):
                raise ValueError(f"need {name} [{query.batch_size}, {self.bank.shape[1]}] for this bank, got "
                                 f"{tuple(vectors.shape)}; make AdCo with the model's dim")
        slots = self._slots(query)
        drawn = self.bank[slots]
        anchors = anchors.to(drawn.dtype)
        logits = anchors @ drawn.T
        if positives is not None:
            logits = torch.cat([logits, (anchors * positives).sum(1, keepdim=True)], 1)
        chance = (logits / self.temperature).softmax(1)[:, : len(slots)]
        ascent = chance.T @ anchors / (len(anchors) * self.temperature)
        self.bank[slots] = normalize(drawn + self.rate * ascent, dim=1)
