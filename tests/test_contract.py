"""The contract, held by every registered sampler. One class of tests, one run per name in the registry."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pickle
import pkgutil
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import graphns
from graphns.base import Negatives, Query, Sampler
from graphns.batchers.batcher import Batcher
from graphns.graph.graph import Graph
from graphns.mixers.mixer import Mixer
from graphns.registry import entries
from graphns.streams import Stream
from tests.contract.cases import (
    DRAWS_PAIRS,
    FREE_VECTORS,
    GIVES_EVERYTHING,
    NAMES,
    SHARES_BATCH,
    UNFILTERED,
    Table,
    bipartite_graph,
    build,
    complete_graph,
    feedback_of,
    hub_graph,
    large_graph,
    part_of,
    query_of,
    same,
    state_of,
    step,
    takes,
)
from tests.samplers.distribution import check_distribution

GRAPH = hub_graph()
EXCLUDE = ("neighbors", "self")
every_sampler = pytest.mark.parametrize("name", NAMES)


def known(graph: Graph, query: Query, negatives: Negatives, exclude: str) -> torch.Tensor:
    """Where a drawn pair is forbidden [B, k]: the anchor, the positive, and with "neighbors" every known pair."""
    ids = negatives.ids.expand(negatives.mask.shape)
    anchor = query.anchor[:, None].expand(ids.shape) if negatives.anchor is None else negatives.anchor
    bad = torch.zeros_like(negatives.mask)
    if not graph.bipartite:
        bad |= ids == anchor
    if negatives.anchor is None:
        bad |= ids == query.positive[:, None]
    if exclude == "neighbors":
        bad |= graph.has_edge(anchor.flatten(), ids.flatten()).view(ids.shape)
    return bad


@every_sampler
class TestDraws:
    @pytest.mark.parametrize("k", [1, 5])
    def test_shapes_dtypes_bounds(self, name: str, k: int) -> None:
        query = query_of(GRAPH, k)
        negatives = build(name, GRAPH)(query)
        rows, columns = negatives.ids.shape
        assert rows in (1, query.batch_size)
        assert columns == (GRAPH.num_dst if name in GIVES_EVERYTHING else k)
        assert negatives.ids.dtype == torch.int64 and negatives.mask.dtype == torch.bool
        assert negatives.mask.shape == (query.batch_size, columns)
        assert int(negatives.ids.min()) >= 0 and int(negatives.ids.max()) < GRAPH.num_dst
        assert bool(negatives.mask.any()), "nothing usable was drawn"
        if negatives.log_prob is not None:
            assert negatives.log_prob.dtype == torch.float32
            assert negatives.log_prob.shape in (negatives.ids.shape, negatives.mask.shape)
            assert bool(torch.isfinite(negatives.log_prob).all()) and bool((negatives.log_prob <= 1e-6).all())
        if negatives.anchor is not None:
            assert negatives.anchor.shape == negatives.mask.shape and negatives.anchor.dtype == torch.int64
        if negatives.vectors is not None:
            assert negatives.vectors.dim() == 3 and negatives.vectors.shape[:2] == negatives.ids.shape

    @pytest.mark.parametrize("exclude", EXCLUDE)
    def test_known_positives_are_never_used(self, name: str, exclude: str) -> None:
        if name in FREE_VECTORS:
            pytest.skip("documented: free vectors are no nodes, so nothing is known of them")
        sampler = build(name, GRAPH, exclude=exclude)
        for seed in range(20):
            query = query_of(GRAPH, 8, seed, epoch=seed)
            negatives = sampler(query)
            bad = known(GRAPH, query, negatives, exclude) & negatives.mask
            held = negatives.ids.expand(bad.shape)[bad].tolist()
            assert not bad.any(), f"rows and slots {bad.nonzero().tolist()} hold {held}, seed {seed}"

    def test_a_row_without_candidates_is_masked_and_the_others_are_not(self, name: str) -> None:
        """Node 1 knows every other node; node 0 all but node 19: no loop, no shortfall unsaid."""
        if name in FREE_VECTORS:
            pytest.skip("documented: free vectors are no nodes, so nothing is known of them")
        query = query_of(GRAPH, 4, times=1)
        negatives = build(name, GRAPH)(query)
        if negatives.anchor is not None:
            pytest.skip("the source is drawn too: an anchor's own row decides nothing")
        assert not negatives.mask[1].any()
        used = negatives.ids.expand(negatives.mask.shape)[0][negatives.mask[0]]
        assert set(used.tolist()) <= {19}

    def test_everything_known_masks_everything(self, name: str) -> None:
        if name in FREE_VECTORS:
            pytest.skip("documented: free vectors are no nodes, so nothing is known of them")
        graph = complete_graph()
        query = query_of(graph, 3)
        negatives = build(name, graph)(query)
        assert not negatives.mask.any()
        assert int(negatives.ids.min()) >= 0 and int(negatives.ids.max()) < graph.num_dst
        if negatives.log_prob is not None:
            assert not negatives.log_prob.isnan().any()

    def test_a_graph_without_edges(self, name: str) -> None:
        if name in FREE_VECTORS:
            pytest.skip("documented: free vectors are no nodes, so nothing is known of them")
        graph = Graph.empty(12)
        query = query_of(graph, 3)
        negatives = build(name, graph)(query)
        assert not (known(graph, query, negatives, "neighbors") & negatives.mask).any()

    def test_one_pair(self, name: str) -> None:
        negatives = build(name, GRAPH)(part_of(query_of(GRAPH), torch.tensor([7])))
        assert negatives.mask.shape[0] == 1

    def test_no_pair(self, name: str) -> None:
        negatives = build(name, GRAPH)(part_of(query_of(GRAPH), torch.tensor([], dtype=torch.int64)))
        assert negatives.mask.shape[0] == 0

    def test_pool_of_k(self, name: str) -> None:
        if not takes(name, "pool"):
            assert "pool" not in inspect.signature(type(build(name, GRAPH)).__init__).parameters
            return
        query = query_of(GRAPH, 5)
        negatives = build(name, GRAPH, pool=5)(query)
        assert negatives.mask.shape == (query.batch_size, 5) and bool(negatives.mask.any())

    def test_unknown_options_are_refused(self, name: str) -> None:
        with pytest.raises(TypeError, match="no_such_option"):
            build(name, GRAPH, no_such_option=1)
        with pytest.raises(ValueError, match="exclude"):
            build(name, GRAPH, exclude="nieghbors")

    def test_an_anchor_that_is_no_node_is_refused(self, name: str) -> None:
        if name == "global-edges":
            pytest.skip("draws its own sources: the anchors only say how many")
        query = Query(torch.tensor([GRAPH.num_src]), torch.tensor([0]), 2, Table(40), Stream(0))
        with pytest.raises(ValueError, match=rf"{GRAPH.num_src}"):
            build(name, GRAPH)(query)


@every_sampler
class TestRandomness:
    def test_same_seed_same_draw(self, name: str) -> None:
        sampler = build(name, GRAPH)
        assert same(sampler(query_of(GRAPH, seed=3)), sampler(query_of(GRAPH, seed=3)))
        assert same(sampler(query_of(GRAPH, seed=3)), build(name, GRAPH)(query_of(GRAPH, seed=3)))

    def test_other_seeds_and_steps_differ(self, name: str) -> None:
        if name in GIVES_EVERYTHING:
            pytest.skip("draws nothing")
        sampler = build(name, GRAPH)
        query = query_of(GRAPH)
        draws = [sampler(query_of(GRAPH, stream=stream)) for stream in (query.stream, Stream(1), Stream(0, 1))]
        assert not same(draws[0], draws[1]) and not same(draws[0], draws[2])

    def test_global_generators_are_left_alone(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        sampler(query)
        if sampler.density == "marginal":
            sampler.log_prob(query, torch.arange(GRAPH.num_dst)[None])
        sampler.update(query, sampler(query), feedback_of(query, sampler(query)))
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1]) and before[2] == random.getstate()

    def test_without_a_stream_torchs_seed_governs(self, name: str) -> None:
        sampler = build(name, GRAPH)
        draws = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            random.seed(seed + len(draws))
            np.random.seed(seed + len(draws))
            draws.append(sampler(query_of(GRAPH, stream=None)))
        assert same(draws[0], draws[1])
        assert name in GIVES_EVERYTHING or not same(draws[0], draws[2])

    def test_a_row_keeps_its_draw_in_any_batch(self, name: str) -> None:
        if name in SHARES_BATCH:
            pytest.skip("documented: draws for the batch as a whole")
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        whole = sampler(query)
        at = torch.tensor([31, 4, 17, 0, 22, 39])
        cut = sampler(part_of(query, at))
        assert torch.equal(cut.mask, whole.mask[at])
        assert torch.equal(cut.ids.expand(cut.mask.shape), whole.ids.expand(whole.mask.shape)[at])
        if whole.log_prob is not None and cut.log_prob is not None:
            torch.testing.assert_close(
                cut.log_prob.expand(cut.mask.shape), whole.log_prob.expand(whole.mask.shape)[at], rtol=0, atol=1e-6
            )

    def test_one_and_two_threads(self, name: str) -> None:
        graph = large_graph()
        sampler, query = build(name, graph), query_of(graph, 8, times=2)
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            one = sampler(query)
            torch.set_num_threads(2)
            two = sampler(query)
        finally:
            torch.set_num_threads(before)
        assert torch.equal(one.ids, two.ids) and torch.equal(one.mask, two.mask)


@every_sampler
class TestState:
    def test_drawing_writes_nothing(self, name: str) -> None:
        sampler = build(name, GRAPH)
        for seed in range(2):
            step(sampler, query_of(GRAPH, seed=seed))
        before = state_of(sampler)
        for seed in range(3):
            sampler(query_of(GRAPH, seed=seed, epoch=seed))
        if sampler.density == "marginal":
            sampler.log_prob(query_of(GRAPH), torch.arange(GRAPH.num_dst)[None])
        after = state_of(sampler)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)

    def test_a_checkpoint_continues_bit_for_bit(self, name: str) -> None:
        sampler = build(name, GRAPH)
        for seed in range(4):
            step(sampler, query_of(GRAPH, seed=seed, epoch=seed))
        file = io.BytesIO()
        torch.save(sampler.state_dict(), file)
        file.seek(0)
        fresh = build(name, GRAPH, seed=99)
        fresh.load_state_dict(torch.load(file, weights_only=True))
        for seed in range(4, 7):
            query = query_of(GRAPH, seed=seed, epoch=seed)
            assert same(sampler(query), fresh(query))
            step(sampler, query)
            step(fresh, query)
        first, second = sampler.state_dict(), fresh.state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_stateful_is_said_where_state_is_written(self, name: str) -> None:
        sampler = build(name, GRAPH)
        before = state_of(sampler)
        for seed in range(3):
            query = query_of(GRAPH, seed=seed)
            negatives = sampler(query)
            sampler.update(query, negatives, feedback_of(query, negatives))
        written = any(not torch.equal(before[key], value) for key, value in state_of(sampler).items())
        assert sampler.stateful or not written

    def test_an_update_without_feedback_is_allowed(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        sampler.update(query, sampler(query))
        assert same(sampler(query), sampler(query))

    def test_every_tensor_is_a_parameter_or_a_buffer(self, name: str) -> None:
        sampler = build(name, GRAPH)
        step(sampler, query_of(GRAPH))
        for part_name, part in sampler.named_modules():
            for key, value in vars(part).items():
                if key in ("_parameters", "_buffers", "_modules"):
                    continue
                inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
                loose = [v for v in (value, *inside) if isinstance(v, torch.Tensor)]
                assert not loose, f"{part_name}.{key} is a tensor outside the state: register_buffer it"

    @pytest.mark.parametrize("way", ["pickle", "copy"])
    def test_copies_draw_alike(self, name: str, way: str) -> None:
        sampler = build(name, GRAPH)
        step(sampler, query_of(GRAPH))
        again = pickle.loads(pickle.dumps(sampler)) if way == "pickle" else copy.deepcopy(sampler)
        query = query_of(GRAPH, seed=8)
        assert same(sampler(query), again(query))
        step(again, query)
        assert again is not sampler


@every_sampler
class TestModel:
    def test_no_gradient_reaches_the_model(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        negatives = sampler(query)
        assert isinstance(query.model, Table)
        if negatives.log_prob is not None and negatives.log_prob.requires_grad:
            negatives.log_prob.sum().backward()
            assert any(p.grad is not None for p in sampler.parameters()), "a gradient that leads to no parameter"
        assert query.model.vectors.grad is None

    def test_is_asked_for_where_it_is_needed_and_only_there(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH, model=None)
        if sampler.model_aware:
            with pytest.raises(ValueError, match="model"):
                sampler(query)
        else:
            assert same(sampler(query), sampler(query_of(GRAPH)))

    def test_holds_no_model(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        step(sampler, query)
        assert isinstance(query.model, Table)
        held = [v for part in sampler.modules() for v in vars(part).values() if v is query.model]
        kept = [v for v in state_of(sampler).values() if v.shape == query.model.vectors.shape]
        assert not held and not any(torch.equal(v, query.model.vectors) for v in kept)


@every_sampler
class TestDensity:
    def test_is_one_of_three(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        assert sampler.density in ("marginal", "given-pool", "none")
        drawn = sampler(query).log_prob
        assert (drawn is None) == (sampler.density == "none")

    @pytest.mark.parametrize("exclude", EXCLUDE)
    def test_sums_to_one(self, name: str, exclude: str) -> None:
        sampler, query = build(name, GRAPH, exclude=exclude), query_of(GRAPH)
        everything = torch.arange(GRAPH.num_dst)[None]
        if sampler.density != "marginal":
            with pytest.raises(TypeError, match="marginal"):
                sampler.log_prob(query, everything)
            return
        if name in DRAWS_PAIRS:
            query = query_of(GRAPH, times=1)  # every source once
        log_prob = sampler.log_prob(query, everything)
        assert log_prob.shape == (query.batch_size, GRAPH.num_dst)
        total = log_prob.double().exp().sum(1)
        some = log_prob.isfinite().any(1)
        if name in DRAWS_PAIRS:
            total, some = total.sum()[None], some.any()[None]
        torch.testing.assert_close(total[some], torch.ones_like(total[some]), rtol=0, atol=1e-5)
        assert some.any()
        if name in UNFILTERED:
            return
        if name not in DRAWS_PAIRS:
            assert not (sampler(query).mask.any(1) & ~some).any(), "drew for a row that has no candidate"
        # forbidden ids have no mass
        pretend = Negatives(everything, None, torch.ones_like(log_prob, dtype=torch.bool))
        assert bool((log_prob[known(GRAPH, query, pretend, exclude)] == -torch.inf).all())

    def test_at_the_drawn_ids_is_what_the_draw_says(self, name: str) -> None:
        sampler, query = build(name, GRAPH), query_of(GRAPH)
        if sampler.density != "marginal" or name in DRAWS_PAIRS:
            return  # of pairs, the sampler's own tests ask at the sources that were drawn
        negatives = sampler(query)
        assert negatives.log_prob is not None
        mask = negatives.mask
        again = sampler.log_prob(query, negatives.ids).expand(mask.shape)[mask]
        torch.testing.assert_close(again, negatives.log_prob.expand(mask.shape)[mask], rtol=1e-5, atol=1e-6)

    def test_counts_follow_it(self, name: str) -> None:
        """Chi-square of counts against exp(log_prob), on the graph with extreme rows, at the seeds 0, 1, 2."""
        sampler = build(name, GRAPH)
        if sampler.density != "marginal" or name in DRAWS_PAIRS | UNFILTERED:
            return  # pairs, and slots over batches, are counted in the sampler's own tests
        check_distribution(sampler, query_of(GRAPH, times=1), GRAPH.num_dst, seeds=(0, 1, 2))


@every_sampler
def test_bipartite(name: str) -> None:
    """Users and items: draws stay in the items, known pairs stay out; what cannot be asked is refused by name."""
    graph = bipartite_graph()
    try:
        sampler = build(name, graph)
    except ValueError as refusal:
        assert "bipartite" in str(refusal)
        return
    query = query_of(graph, 4)
    negatives = sampler(query)
    assert int(negatives.ids.max()) < graph.num_dst
    assert bool(negatives.mask.any())
    assert name in FREE_VECTORS or not (known(graph, query, negatives, "neighbors") & negatives.mask).any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_sampler
def test_cuda_draws_the_same_integers(name: str) -> None:
    sampler, query = build(name, GRAPH), query_of(GRAPH)
    there = copy.deepcopy(sampler).to("cuda")
    asked = Query(query.anchor.cuda(), query.positive.cuda(), query.k, Table(GRAPH.num_dst).to("cuda"), query.stream,
                  query.row.cuda())
    here, far = sampler(query), there(asked)
    assert far.ids.is_cuda and torch.equal(here.ids, far.ids.cpu()) and torch.equal(here.mask, far.mask.cpu())
    if here.log_prob is not None and far.log_prob is not None:
        torch.testing.assert_close(here.log_prob, far.log_prob.cpu(), rtol=1e-4, atol=1e-5)


def subclasses(of: type) -> set[type]:
    """Every concrete class under `of` that the package defines, all its modules imported."""
    for module in pkgutil.walk_packages(graphns.__path__, "graphns."):
        if not module.name.startswith(("graphns.dgl", "graphns.pykeen", "graphns.adapters")) \
                and not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def under(cls: type) -> set[type]:
        return {cls} | {found for each in cls.__subclasses__() for found in under(each)}

    # an adapter's private ones stand in for the sampler of a user for a moment, and nobody can ask for them
    return {cls for cls in under(of) if cls.__module__.startswith("graphns.") and not inspect.isabstract(cls)
            and not (cls.__module__.startswith("graphns.adapters.") and cls.__name__.startswith("_"))}


def test_every_sampler_is_registered_and_covered() -> None:
    registered = {entry.load() for entry in entries("sampler") if entry.family != "third party"}
    found = subclasses(Sampler)
    assert not found - registered, f"not in the registry: {sorted(c.__name__ for c in found - registered)}"
    assert not registered - found, f"registered, but no sampler: {sorted(c.__name__ for c in registered - found)}"
    assert set(NAMES) == {entry.name for entry in entries("sampler") if entry.family != "third party"}


@pytest.mark.parametrize("kind", ["mixer", "batcher"])
def test_mixers_and_batchers_are_registered(kind: str) -> None:
    found = subclasses({"mixer": Mixer, "batcher": Batcher}[kind])
    assert found == {entry.load() for entry in entries(kind)}  # type: ignore[arg-type]


@every_sampler
def test_has_tests_and_a_file_of_its_own(name: str) -> None:
    stem = name.replace("-", "_")
    tests = Path(__file__).parent / "samplers" / f"test_{stem}.py"
    assert tests.exists(), f"{tests} is missing"
    cls = build(name, GRAPH).__class__
    assert cls.__module__.rsplit(".", 1)[1] == stem
    assert [c for c in subclasses(Sampler) if c.__module__ == cls.__module__] == [cls]


def test_nobody_overrides_what_is_public() -> None:
    """Abstract or final: authors write sample, log_prob and observe; calling and updating are the contract's."""
    for cls in subclasses(Sampler):
        for method in ("forward", "update", "stateful", "model_aware", "__call__"):
            assert getattr(cls, method) is getattr(Sampler, method), f"{cls.__name__} overrides {method}"
        parents = [base for base in cls.__mro__[1:] if base in subclasses(Sampler)]
        assert not parents, f"{cls.__name__} extends {parents[0].__name__}: put it inside instead"
