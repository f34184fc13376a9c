"""The registry: every name leads somewhere, wrong names are answered with right ones, others may add theirs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphns import registry
from graphns.base import Sampler
from graphns.batchers.batcher import Batcher
from graphns.mixers.mixer import Mixer
from graphns.registry import Entry, Kind, UnknownNameError, entries, find, load, register

FAMILIES = {"static", "dynamic", "adversarial", "efficient", "compose"}
PLUGIN = '''
from graphns.samplers.static.uniform import Uniform
from graphns.base import Sampler

class Mine(Sampler):
    """A sampler of someone else."""

    @classmethod
    def from_graph(cls, graph, **options):
        made = cls()
        made.inner = Uniform(graph, **options)
        return made

    def sample(self, query):
        return self.inner.sample(query)
'''


@pytest.fixture
def own_rows() -> Iterator[None]:
    """Rows that a test adds are gone after it."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution of somebody else's, with an entry point in the group `graphns.samplers`."""
    (tmp_path / "graphns_plugin_for_test.py").write_text(PLUGIN)
    info = tmp_path / "graphns_plugin_for_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: graphns-plugin-for-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[graphns.samplers]\nmine = graphns_plugin_for_test:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._third_party.cache_clear()
    yield
    monkeypatch.undo()
    registry._third_party.cache_clear()
    sys.modules.pop("graphns_plugin_for_test", None)


@pytest.mark.parametrize("entry", entries(), ids=lambda e: f"{e.kind}-{e.name}")
def test_every_row_leads_to_its_kind(entry: Entry) -> None:
    target = entry.load()
    if entry.kind == "objective":
        assert callable(target)
    else:
        assert issubclass(target, {"sampler": Sampler, "mixer": Mixer, "batcher": Batcher}[entry.kind])
    assert inspect.getdoc(target), f"{entry.target} has no docstring"


@pytest.mark.parametrize("entry", entries(), ids=lambda e: f"{e.kind}-{e.name}")
def test_every_row_is_complete(entry: Entry) -> None:
    assert entry.name == entry.name.lower() and "_" not in entry.name and " " not in entry.name
    assert entry.summary and not entry.summary.endswith(".")
    if entry.kind == "sampler":
        assert entry.family in FAMILIES
        assert f".samplers.{entry.family}." in entry.target


@pytest.mark.parametrize("entry", entries("sampler"), ids=lambda e: e.name)
def test_needs_says_whether_the_model_is_needed(entry: Entry) -> None:
    """To draw, or, where a sampler is trained, for the scores in its feedback."""
    cls = entry.load()
    trained = hasattr(cls, "loss")
    assert ("model" in entry.needs) == (cls.needs_model or trained)


def test_names_and_aliases_are_used_once() -> None:
    for kind in ("sampler", "objective", "mixer", "batcher"):
        names = [name for entry in entries(kind) for name in (entry.name, *entry.aliases)]
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


WORDS = {
    "sampler": {
        "type-constrained": "type-constrained", "pseudo-typed": "pseudo-typed", "positional": "positional",
        "sans": "hop-ring", "k-hop": "hop-ring", "rw-sans": "sans-walks", "log": "popularity", "power": "popularity",
        "external-ids": "candidate-lists", "historical": "temporal", "inductive": "temporal", "dgb": "temporal",
        "softmax-rho": "softmax-rho", "aobpr": "aobpr", "wsabie": "warp", "spotlight": "adaptive-hinge",
        "pinsage": "random-walk", "pinsage-recipe": "walk-curriculum", "mcns": "mcns", "metropolis": "mcns",
        "srns": "srns", "adasir": "adasir", "bns": "bns", "ahns": "ahns", "simans": "simans", "cnce": "ring",
        "percentiles": "ring", "semi-hard": "semi-hard", "facenet": "semi-hard",
        "distance-weighted": "distance-weighted", "ance": "ance", "range_min": "window", "range_max": "window",
        "max_score": "window", "absolute": "window", "relative": "window", "topk-percpos": "window",
        "mine-hard-negatives": "window", "cuco": "cuco", "curriculum": "scheduled", "gdcl": "gdcl",
        "near-miss": "nearest", "embedding space": "nearest", "bootea": "nearest", "global-perm": "global-perm",
        "kbgan": "kbgan", "irgan": "irgan", "ace": "ace", "self-adversarial": "tempered", "graphgan": "graphgan",
        "adco": "adco", "kgpolicy": "kg-policy", "shared": "shared", "pbg": "chunk-shared", "mns": "mixed",
        "streaming": "frequency", "logq": "frequency", "queue": "moco", "instdisc": "memory-bank",
        "cross-batch-memory": "xbm", "cbns": "cbns", "nscaching": "nscaching", "simkgc-pre-batch": "prebatch",
        "self-negatives": "self-negative", "exact-filter": "filtered", "bloom": "bloom-filtered",
        "accidental hits": "in-batch", "dns": "hardest", "dns-mn": "hardest", "full": "all",
    },
    "objective": {
        "self-adversarial": "self-adversarial", "dcl": "dcl", "debiased": "dcl", "hcl": "hcl", "progcl": "progcl",
        "pris": "importance-weighted", "simplex": "ccl", "jensen-shannon": "jsd", "dgi": "jsd", "warp": "warp",
        "plnlp": "hinge-auc", "1vsall": "full-softmax", "directau": "alignment-uniformity", "logq": "sampled-softmax",
        "bgrl": "bgrl", "cca-ssg": "cca-ssg", "g-bt": "barlow-twins", "no negatives": "barlow-twins",
    },
    "mixer": {"mixgcf": "mixgcf", "mochi": "mochi", "mixkg": "mixkg", "dens": "dens", "progcl": "progcl-mix"},
    "batcher": {"bern": "bern", "depth-first": "dfs", "batchsampler": "proximity"},
}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words])
def test_a_method_is_found_by_the_word_of_its_paper(kind: Kind, word: str) -> None:
    """In what `graphns list` shows of a row."""
    row = find(WORDS[kind][word], kind)
    assert word in " ".join([row.name, *row.aliases, row.summary]).lower()


def test_finds_by_alias_and_by_loose_spelling() -> None:
    assert find("rns") is find("uniform")
    assert find(" Hop_Ring ") is find("hop-ring")
    assert load("uniform").__name__ == "Uniform"
    assert find("infonce", "objective").family == "objective"


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no sampler is called 'unifrom'; did you mean 'uniform'"):
        find("unifrom")
    with pytest.raises(UnknownNameError, match="no objective is called 'zzz'; there are: infonce"):
        find("zzz", "objective")
    assert issubclass(UnknownNameError, ValueError)


@pytest.mark.parametrize(("name", "kind", "answer"), [
    ("bern", "sampler", "no sampler is called 'bern'; bern is a batcher: graphns.batchers.bern.Bern"),
    ("Hinge_AUC", "sampler", "hinge-auc is an objective: graphns.objectives.hinge_auc.hinge_auc"),
    ("rns", "mixer", "rns is a sampler: graphns.samplers.static.uniform.Uniform"),  # an alias
    ("warp", "batcher", "warp is a sampler: graphns.samplers.dynamic.warp.WARP; "
                        "warp is an objective: graphns.objectives.warp.warp"),
])
def test_a_name_of_another_kind_is_answered_with_what_it_is(name: str, kind: Kind, answer: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find(name, kind)
    assert str(caught.value).endswith(answer)


@pytest.mark.usefixtures("own_rows")
def test_registers_a_row_and_refuses_a_taken_name() -> None:
    target = "graphns.samplers.static.uniform:Uniform"
    register(Entry("ours", "sampler", target, "static", "for this test", aliases=("our-alias",)))
    assert load("our-alias") is load("uniform")
    for name, aliases in (("ours", ()), ("our-alias", ()), ("other", ("rns",))):
        with pytest.raises(ValueError, match="is taken; choose another"):
            register(Entry(name, "sampler", target, "static", "again", aliases=aliases))
    # the same name in another kind is free
    register(Entry("ours", "objective", "graphns.objectives.infonce:infonce", "objective", "for this test"))


@pytest.mark.usefixtures("plugin")
def test_third_parties_register_by_entry_point() -> None:
    entry = find("mine")
    assert (entry.family, entry.summary) == ("third party", "from graphns-plugin-for-test")
    assert issubclass(entry.load(), Sampler) and entry in entries("sampler")


def test_without_the_plugin_its_name_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="'mine'"):
        find("mine")
