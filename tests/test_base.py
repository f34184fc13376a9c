"""The contract's own objects: what a query refuses, what a sampler's answer is held to, who may write state."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Feedback, InfeasibleError, Model, Negatives, Query, Sampler, TensorData
from graphns.batchers.batcher import Batcher
from graphns.graph.graph import Graph
from graphns.mixers.mixer import Mixer
from graphns.streams import Stream


def query_of(size: int = 3, k: int = 4, **options: Any) -> Query:
    return Query(torch.arange(size), torch.arange(size).flip(0), k, stream=Stream(0), **options)


def negatives_of(query: Query) -> Negatives:
    shape = (query.batch_size, query.k)
    return Negatives(torch.ones(shape, dtype=torch.int64), torch.zeros(shape), torch.ones(shape, dtype=torch.bool))


class Fixed(Sampler):
    """Gives what it is told to give."""

    def __init__(self, answer: Negatives | None = None) -> None:
        super().__init__()
        self.answer = answer

    def sample(self, query: Query) -> Negatives:
        return negatives_of(query) if self.answer is None else self.answer


class Counting(Sampler):
    """Counts the steps it observes."""

    def __init__(self, inner: Sampler | None = None) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def sample(self, query: Query) -> Negatives:
        return negatives_of(query)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        assert isinstance(feedback, Feedback) and not torch.is_grad_enabled()
        self.steps += 1


class Reading(Fixed):
    needs_model = True


class TestQuery:
    def test_fills_in_stream_and_rows(self) -> None:
        query = Query(torch.tensor([3, 1]), torch.tensor([0, 0]), 5)
        assert query.row.tolist() == [0, 1] and isinstance(query.stream, Stream)
        assert (query.batch_size, query.device.type, query.epoch) == (2, "cpu", 0)

    def test_without_a_stream_torchs_seed_governs(self) -> None:
        torch.manual_seed(4)
        first, second = query_without_stream(), query_without_stream()
        torch.manual_seed(4)
        assert query_without_stream().stream == first.stream != second.stream

    def test_with_a_stream_torchs_generator_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        query_of()
        assert torch.equal(before, torch.get_rng_state())

    def test_anchor_may_be_a_row_of_integers(self) -> None:
        assert Query(torch.zeros(3, 2, dtype=torch.int64), torch.arange(3), 1, stream=Stream(0)).batch_size == 3

    def test_an_empty_batch_is_a_batch(self) -> None:
        assert query_of(0).batch_size == 0

    @pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
    def test_narrow_integers_become_int64(self, dtype: torch.dtype) -> None:
        ids = torch.arange(3).to(dtype)
        query = Query(ids, ids, 1, stream=Stream(0), row=ids)
        assert query.anchor.dtype == query.positive.dtype == query.row.dtype == torch.int64

    @pytest.mark.parametrize("k", [0, -3])
    def test_refuses_k(self, k: int) -> None:
        with pytest.raises(ValueError, match=f"k must be at least 1, got {k}"):
            query_of(k=k)

    def test_refuses_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"anchor \(3,\) and positive \(2,\)"):
            Query(torch.arange(3), torch.arange(2), 1)
        with pytest.raises(ValueError, match=r"anchor \(1, 1, 1\)"):
            Query(torch.zeros(1, 1, 1, dtype=torch.int64), torch.arange(1), 1)
        with pytest.raises(ValueError, match=r"one row id per pair \[3\], got row \(2,\)"):
            query_of(3, row=torch.arange(2))

    @pytest.mark.parametrize("name", ["anchor", "positive", "row"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
    def test_refuses_what_is_no_integer(self, name: str, dtype: torch.dtype) -> None:
        fields = {"anchor": torch.arange(2), "positive": torch.arange(2), "row": torch.arange(2)}
        fields[name] = fields[name].to(dtype)
        with pytest.raises(ValueError, match=rf"{name} must hold integer ids, got dtype {dtype}"):
            Query(**fields, k=1)

    def test_child_asks_the_same_with_another_stream(self) -> None:
        query = query_of()
        child = query.child(2, k=9)
        assert child.k == 9 and child.stream == query.stream.child(2) != query.stream
        assert child.row is query.row and child.anchor is query.anchor

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError, match="cannot assign"):
            query_of().k = 3  # type: ignore[misc]

    def test_score_is_without_gradient(self) -> None:
        table = torch.randn(4, 2, requires_grad=True)

        class Dot:
            def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
                return (table[anchor][:, None] * table[ids]).sum(-1)

            def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
                return (table[anchor][:, None] * vectors).sum(-1)

            def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
                return table[ids]

        assert isinstance(Dot(), Model)
        score = query_of(model=Dot()).score(torch.tensor([[0, 1]]))
        assert score.shape == (3, 2) and not score.requires_grad

    def test_says_how_to_give_a_model(self) -> None:
        with pytest.raises(ValueError, match=r"Query\(..., model=model\)"):
            query_of().score(torch.zeros(1, 1, dtype=torch.int64))


def query_without_stream() -> Query:
    return Query(torch.arange(2), torch.arange(2), 1)


class TestNegatives:
    def test_pairs_are_the_usable_edges_row_by_row(self) -> None:
        query = Query(torch.tensor([7, 8]), torch.tensor([0, 0]), 2, stream=Stream(0))
        mask = torch.tensor([[True, False], [True, True]])
        own = Negatives(torch.tensor([[1, 2], [3, 4]]), None, mask)
        assert own.pairs(query).tolist() == [[7, 8, 8], [1, 3, 4]]
        shared = Negatives(torch.tensor([[1, 2]]), None, mask)
        assert shared.pairs(query).tolist() == [[7, 8, 8], [1, 1, 2]]
        both = own._replace(anchor=torch.tensor([[5, 5], [6, 9]]))
        assert both.pairs(query).tolist() == [[5, 6, 9], [1, 3, 4]]

    def test_pairs_need_single_anchors(self) -> None:
        query = Query(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), 2, stream=Stream(0))
        with pytest.raises(ValueError, match="anchors of width 2"):
            negatives_of(query).pairs(query)


class TestFeedback:
    def test_arrives_detached(self) -> None:
        score = torch.ones(2, requires_grad=True)
        feedback = Feedback(positive_score=score * 2, loss=score.sum())
        assert feedback.positive_score is not None and not feedback.positive_score.requires_grad
        assert feedback.loss is not None and not feedback.loss.requires_grad
        assert feedback.negative_score is None and feedback.anchor_vectors is None


class TestSampler:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda n: n._replace(ids=n.ids[:, 0]), r"ids \(3,\)"),
            (lambda n: n._replace(ids=n.ids[:2]), r"\[B\|1, k\] with B=3"),
            (lambda n: n._replace(ids=n.ids.int()), "int32"),
            (lambda n: n._replace(mask=n.mask.float()), "float32"),
            (lambda n: n._replace(mask=n.mask[:1]), r"mask \(1, 4\)"),
            (lambda n: n._replace(log_prob=n.log_prob[:, :2]), r"log_prob \(3, 2\)"),
        ],
    )
    def test_holds_answers_to_the_contract(self, change: Any, words: str) -> None:
        query = query_of()
        with pytest.raises(TypeError, match=rf"Fixed.sample gave .*{words}"):
            Fixed(change(negatives_of(query)))(query)

    def test_shared_answers_are_in_the_contract(self) -> None:
        query = query_of()
        whole = negatives_of(query)
        shared = whole._replace(ids=whole.ids[:1], log_prob=None)
        assert Fixed(shared)(query) is shared

    def test_without_density_log_prob_says_so(self) -> None:
        with pytest.raises(TypeError, match=r"Fixed has density 'none'.*'marginal'"):
            Fixed().log_prob(query_of(), torch.zeros(1, 1, dtype=torch.int64))

    def test_is_abstract(self) -> None:
        for kind in (Sampler, Mixer, Batcher, TensorData):
            with pytest.raises(TypeError, match="abstract"):
                kind()  # type: ignore[abstract]

    def test_update_reaches_every_sampler_inside_once(self) -> None:
        inner = Counting()
        outer = Counting(torch.nn.Sequential(inner, Fixed()))  # type: ignore[arg-type]
        query = query_of()
        outer.update(query, outer(query))
        outer.update(query, outer(query), Feedback(loss=torch.tensor(1.0)))
        assert (int(outer.steps), int(inner.steps)) == (2, 2)

    def test_knows_what_is_inside(self) -> None:
        assert not Fixed().stateful and Counting().stateful and Counting(Fixed()).stateful
        assert Reading().model_aware and not Fixed().model_aware
        wrapped = Counting(Reading())
        assert wrapped.model_aware and wrapped.stateful

    def test_state_has_a_format(self) -> None:
        state = Counting().state_dict()
        fresh = Counting()
        fresh.load_state_dict(state)
        state._metadata[""]["version"] = 99  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="format 99, this graphns reads up to 1: update graphns"):
            fresh.load_state_dict(state)

    def test_graphs_follow_but_are_no_state(self, triangle: Graph) -> None:
        class Holding(Fixed):
            def __init__(self) -> None:
                super().__init__()
                self.graph = triangle

        sampler = Holding()
        assert not sampler.state_dict()
        moved = copy.deepcopy(sampler).to("meta")
        assert moved.graph.indptr.device.type == "meta" and sampler.graph.indptr.device.type == "cpu"
        # half() turns no offset into a float: nothing integer is touched
        assert copy.deepcopy(sampler).half().graph.indptr.dtype == torch.int64

    def test_infeasible_is_a_value_error(self) -> None:
        assert issubclass(InfeasibleError, ValueError)

    def test_pickles_with_its_state(self) -> None:
        sampler = Counting(Counting())
        query = query_of()
        sampler.update(query, sampler(query))
        again = pickle.loads(pickle.dumps(sampler))
        assert int(again.steps) == 1 and int(again.inner.steps) == 1
