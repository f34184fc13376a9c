"""The options that are listed for a sampler are those that building takes: no more, and no fewer."""

from __future__ import annotations

import re

import pytest
import torch

from graphns import Graph, Query, Stream, registry
from graphns.base import Negatives, Sampler
from graphns.compare.options import option_names
from graphns.compare.specs import parse
from graphns.samplers.static.uniform import Uniform

SAMPLERS = [entry for entry in registry.entries("sampler") if entry.family != "third party"]
EVERY = sorted({name for entry in SAMPLERS for name in option_names(entry.load())}
               | {"adversary", "base", "device", "events", "features", "known", "no_such", "num_candidates", "prior"})
UNKNOWN = re.compile(r"unexpected keyword argument|multiple values for (keyword )?argument")


def takes(cls: type[Sampler], graph: Graph, name: str) -> bool:
    """Whether building gets as far as to look at the value of an option."""
    try:
        cls.from_graph(graph, **{name: object()})
    except TypeError as error:
        return UNKNOWN.search(str(error)) is None
    except Exception:  # the value was looked at, and is nonsense
        return True
    return True


@pytest.mark.parametrize("entry", SAMPLERS, ids=lambda entry: entry.name)
def test_the_options_listed_are_those_that_building_takes(entry):
    ring = torch.arange(8)
    graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]))
    cls = entry.load()
    assert set(option_names(cls)) == {name for name in EVERY if takes(cls, graph, name)}


@pytest.mark.parametrize(("text", "message"), [
    ("srns:infeasible=raise", "srns has no option 'infeasible'"),
    ("irgan:infeasible=raise", "irgan has no option 'infeasible'"),
    ("nscaching:replace=false", "nscaching has no option 'replace'; it has exclude, size, fresh, lazy, seed$"),
    ("gdcl:replace=false", "gdcl has no option 'replace'"),
    ("ance:pool=8", "ance has no option 'pool'; it has exclude, top, every, warm_up, search$"),
    ("temporal:events=3", "temporal has no option 'events'"),
    ("popularity:smoothing=1", "popularity has no option 'smoothing'"),
])
def test_what_a_class_does_not_hand_on_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_what_reaches_the_sampler_inside_works():
    graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=5)
    for text in ("hardest:infeasible=raise", "filtered:infeasible=raise", "kbgan:infeasible=raise"):
        assert parse(text).build(graph).base.infeasible == "raise"
    assert parse("popularity:infeasible=raise").build(graph).degree.infeasible == "raise"
    query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
    half = parse("mixture:power=2:smoothing=1").build(graph)  # half uniform, half as (degree + 1)^2: 3 and 4 are left
    assert half.log_prob(query, torch.tensor([[3, 4]])).exp().allclose(torch.tensor([0.5, 0.5]))
    shared = parse("shared:power=2:smoothing=1:exclude=self").build(graph)  # 2 has an edge; 3 and 4 have none
    assert shared.log_prob(query, torch.tensor([[2, 3, 4]])).exp().allclose(torch.tensor([4, 1, 1]) / 6)


@pytest.mark.parametrize("text", ["hardest:pool=word", "clustered:labels=3", "kbgan:seed=word"])
def test_a_value_of_another_kind_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=f"^{text} cannot be built") as refusal:
        parse(text).build(Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]])))
    assert "\n" not in str(refusal.value)


class _Base(Sampler):
    def sample(self, query):
        return Negatives(query.anchor[:, None], None, query.anchor[:, None] > 0)


class Plain(_Base):
    """Built as every sampler is: the graph, then the constructor's options."""

    def __init__(self, graph, depth, *, width=2):
        super().__init__()


class Wrapper(_Base):
    """Hands on to two samplers, and to a class method; gives one argument itself."""

    def __init__(self, base, other, *, seed=0):
        super().__init__()

    @classmethod
    def from_graph(cls, graph, *, pool=3, **more):
        return cls(Uniform(graph, exclude="self", **more), Plain.from_graph(graph, width=1, **more))


class Roundabout(_Base):
    """Hands on by a way that cannot be followed."""

    def __init__(self, graph, *, depth=2):
        super().__init__()

    @classmethod
    def from_graph(cls, graph, **more):
        return (lambda **rest: cls(graph, **rest))(**more)


class Bare(_Base):
    """No constructor of its own."""


class Broken(_Base):
    """A bug, and not the user's."""

    def __init__(self, graph, *, depth=2):
        super().__init__()
        raise RuntimeError("broken")


def test_third_parties():
    assert option_names(Plain) == ("depth", "width")
    assert option_names(Wrapper) == ("pool", "replace", "infeasible", "positives", "depth")
    assert option_names(Roundabout) == ("depth",)
    assert option_names(Bare) == ()


def test_without_source_the_constructors_options_are_listed():
    made: dict = {"Plain": Plain, "_Base": _Base}
    exec("class Typed(_Base):\n"
         "    def __init__(self, graph, *, depth=2):\n"
         "        super().__init__()\n"
         "    @classmethod\n"
         "    def from_graph(cls, graph, **more):\n"
         "        return cls(graph, **more)\n", made)
    assert option_names(made["Typed"]) == ("depth",)


def test_a_bug_is_shown_whole(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(registry.Entry("broken", "sampler", f"{__name__}:Broken", "third party", "for a test"))
    with pytest.raises(RuntimeError, match=r"^broken$"):
        parse("broken").build(Graph.empty(3))
