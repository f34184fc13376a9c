"""The mixers' contract, held by every registered one."""

from __future__ import annotations

import copy
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphns.mixers.mixer import Mixer
from graphns.objectives.beta_mixture import BetaMixture
from graphns.registry import entries, load
from graphns.streams import Stream

NAMES = [entry.name for entry in entries("mixer") if entry.family != "third party"]
WIDTH, SIZE, BATCH = 4, 12, 6
# what a mixer cannot be made without, and sizes that fit twelve candidates
OPTIONS: dict[str, dict[str, Any]] = {
    "mixgcf": {"k": 3},
    "mochi": {"hardest": 5, "mixed": 4, "with_anchor": 3},
    "mixkg": {"k": 3, "hardest": 5},
    "dens": {"width": WIDTH, "k": 3},
    "progcl-mix": {"mixture": BetaMixture(-1.0, 1.0, (2.0, 6.0), (5.0, 2.0), (0.8, 0.2)), "k": 3, "hardest": 5},
}
DRAWS_NOTHING = {"dens"}  # chooses, and mixes nothing
CONSTANT = {"mochi"}  # its negatives carry no gradient, like a queue's
every_mixer = pytest.mark.parametrize("name", NAMES)


def build(name: str) -> Mixer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = load(name, "mixer")(**OPTIONS[name])
    assert isinstance(made, Mixer)
    return made


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def case(shared: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """anchor, positive, candidates, mask; row 2 has one usable candidate, row 4 none."""
    mask = torch.rand(BATCH, SIZE, generator=torch.Generator().manual_seed(3)) < 0.6
    mask[0] = True
    mask[2] = torch.arange(SIZE) == 7
    mask[4] = False
    if shared:  # a shared candidate is usable somewhere
        mask[1] = True
    candidates = vectors(1 if shared else BATCH, SIZE, WIDTH, seed=2)
    return vectors(BATCH, WIDTH), vectors(BATCH, WIDTH, seed=1), candidates, mask


@every_mixer
@pytest.mark.parametrize("shared", [False, True])
class TestEveryMixer:
    def test_shape_and_dtype(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        mixer = build(name)
        plain = mixer(anchor, positive, candidates, stream=Stream(0))
        masked = mixer(anchor, positive, candidates, mask=mask, stream=Stream(0))
        for made in (plain, masked):
            assert made.dim() == 3 and made.shape[0] == BATCH and made.shape[2] == WIDTH
            assert made.dtype == torch.float32 and bool(torch.isfinite(made).all())
        assert plain.shape == masked.shape
        if not list(mixer.parameters()):
            assert mixer(anchor.double(), positive.double(), candidates.double()).dtype == torch.float64

    def test_same_stream_same_vectors(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        mixer = build(name)
        first, again, other = (mixer(anchor, positive, candidates, mask=mask, stream=Stream(seed))
                               for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (name in DRAWS_NOTHING)

    def test_a_row_keeps_its_vectors_in_any_batch(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        mixer, row = build(name), torch.arange(BATCH) + 100
        whole = mixer(anchor, positive, candidates, mask=mask, stream=Stream(0), row=row)
        at = torch.tensor([5, 1, 2])
        if shared:  # a candidate that no row of the cut may use still lies there
            mask = mask | (torch.arange(BATCH) == 1)[:, None]
            whole = mixer(anchor, positive, candidates, mask=mask, stream=Stream(0), row=row)
        cut = mixer(anchor[at], positive[at], candidates if shared else candidates[at], mask=mask[at],
                    stream=Stream(0), row=row[at])
        torch.testing.assert_close(cut, whole[at])

    def test_masked_candidates_are_used_for_nothing(self, name: str, shared: bool) -> None:
        """Whatever lies there, NaN too: no value changes, no gradient comes."""
        anchor, positive, candidates, mask = case(shared)
        if shared:
            mask[:, 7] = False
            mask[2] = torch.arange(SIZE) == 8
        free = ~mask.any(0, keepdim=True) if shared else ~mask
        mixer = build(name)
        anchor.requires_grad_()
        found = []
        for poison in (0.0, 1e30, torch.nan):
            there = candidates.masked_fill(free[:, :, None], poison).requires_grad_()
            made = mixer(anchor, positive, there, mask=mask, stream=Stream(0))
            found.append(made)
            if name not in CONSTANT:
                grad = torch.autograd.grad(made.sum(), there)[0]
                assert bool(torch.isfinite(grad).all()) and bool((grad[free] == 0).all())
                assert bool((grad != 0).any())
        assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])

    def test_a_row_without_candidates_is_zero(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        made = build(name)(anchor, positive, candidates, mask=mask, stream=Stream(0))
        assert bool((made[4] == 0).all()) and bool((made[[0, 1, 2, 3, 5]] != 0).any(2).all())

    def test_drawing_writes_nothing_and_leaves_generators_alone(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        mixer = build(name)
        before = {key: value.clone() for key, value in mixer.state_dict().items()}
        state = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        mixer(anchor, positive, candidates, mask=mask, stream=Stream(0), epoch=7)
        assert torch.equal(state[0], torch.get_rng_state())
        assert np.array_equal(state[1], np.random.get_state()[1]) and state[2] == random.getstate()
        assert all(torch.equal(value, before[key]) for key, value in mixer.state_dict().items())

    def test_without_a_stream_torchs_seed_governs(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, mask = case(shared)
        mixer, made = build(name), []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            made.append(mixer(anchor, positive, candidates, mask=mask))
        assert torch.equal(made[0], made[1]) and (name in DRAWS_NOTHING or not torch.equal(made[0], made[2]))

    def test_copies_mix_alike(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, _ = case(shared)
        mixer = build(name)
        made = [each(anchor, positive, candidates, stream=Stream(0))
                for each in (mixer, copy.deepcopy(mixer), pickle.loads(pickle.dumps(mixer)))]
        assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])

    def test_one_candidate_and_no_pair(self, name: str, shared: bool) -> None:
        anchor, positive, candidates, _ = case(shared)
        mixer = build(name)
        if hasattr(mixer, "k") and mixer.layered:
            mixer.k = 1  # one group
        assert bool(torch.isfinite(mixer(anchor, positive, candidates[:, :1], stream=Stream(0))).all())
        none = mixer(anchor[:0], positive[:0], candidates if shared else candidates[:0], stream=Stream(0))
        assert none.shape[0] == 0


@every_mixer
def test_refuses(name: str) -> None:
    anchor, positive, candidates, mask = case()
    mixer = build(name)
    for wrong in ((anchor[:2], positive, candidates), (anchor, positive[:, :2], candidates),
                  (anchor, positive, candidates[:3]), (anchor, positive, candidates[0])):
        with pytest.raises(ValueError, match=r"need anchor \[B, d\], positive \[B, d\] and candidates"):
            mixer(*wrong)
    with pytest.raises(ValueError, match=r"need a bool mask \[B, m\] = \(6, 12\)"):
        mixer(anchor, positive, candidates, mask=mask[:, :3])
    with pytest.raises(ValueError, match="need a bool mask"):
        mixer(anchor, positive, candidates, mask=mask.float())
    with pytest.raises(ValueError, match=r"need one int64 row id per pair \[6\]"):
        mixer(anchor, positive, candidates, row=torch.arange(5))
    with pytest.raises(ValueError, match="there is nothing to mix"):
        mixer(anchor, positive, candidates[:, :0])
    for size in ("k", "hardest", "mixed", "warmup"):
        if size in OPTIONS[name] or hasattr(mixer, size):
            with pytest.raises(ValueError, match=f"{size} must be at least 1, got 0"):
                load(name, "mixer")(**(OPTIONS[name] | {size: 0}))


def test_the_answer_is_held_to_the_contract() -> None:
    class Flat(Mixer):
        def mix(self, anchor, positive, candidates, mask, stream, row, epoch):  # type: ignore[no-untyped-def]
            return anchor

    with pytest.raises(TypeError, match=r"Flat.mix gave \(6, 4\); the contract is \[B, k, d\] with B=6"):
        Flat()(*case()[:3])


@every_mixer
def test_has_a_test_and_a_file_of_its_own(name: str) -> None:
    stem = name.replace("-", "_")
    assert (Path(__file__).parent / f"test_{stem}.py").exists()
    assert load(name, "mixer").__module__ == f"graphns.mixers.{stem}"
    assert name in OPTIONS
