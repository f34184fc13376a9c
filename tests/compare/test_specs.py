import pytest

from graphns import Graph, registry
from graphns.base import Negatives, Sampler
from graphns.compare.specs import option_names, parse, parse_list
from graphns.samplers.static.uniform import Uniform


def test_options_are_read_as_what_they_look_like():
    spec = parse("rns:exclude=self:infeasible=raise")
    assert (spec.name, spec.text) == ("uniform", "uniform:exclude=self:infeasible=raise")
    built = spec.build(Graph.empty(5))
    assert isinstance(built, Uniform) and built.exclude == "self" and built.infeasible == "raise"


def test_a_default_yields_to_the_options_and_to_classes_without_it():
    graph = Graph.empty(5)
    assert parse("uniform").build(graph, exclude="self", no_such=3).exclude == "self"
    assert parse("uniform:exclude=neighbors").build(graph, exclude="self").exclude == "neighbors"


@pytest.mark.parametrize(("text", "message"), [
    ("unifrom", "no sampler is called 'unifrom'; did you mean 'uniform'"),
    ("uniform:exclde=self", "uniform has no option 'exclde'; did you mean 'exclude'"),
    ("uniform:qqq=1", "uniform has no option 'qqq'; it has exclude, "),
    ("uniform:self", "write options as name:option=value, not 'self'"),
    ("uniform:exclude=self:exclude=self", "given twice"),
])
def test_mistakes_name_the_cure(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_lists():
    assert [spec.text for spec in parse_list("uniform, uniform:exclude=self,")] == ["uniform", "uniform:exclude=self"]
    with pytest.raises(ValueError, match="'uniform' is named twice"):
        parse_list("uniform,rns")
    with pytest.raises(ValueError, match="at least one sampler"):
        parse_list(" ,")


class Needy(Sampler):
    """A third party's sampler that a graph alone does not make."""

    def __init__(self, graph, table, *, depth=2):
        super().__init__()

    def sample(self, query):
        return Negatives(query.anchor[:, None], None, query.anchor[:, None] > 0)


def test_a_registered_sampler_works_by_name_and_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(registry.Entry("needy", "sampler", f"{__name__}:Needy", "third party", "needs a table"))
    assert option_names(Needy) == ("table", "depth")
    with pytest.raises(ValueError, match=r"needy:depth=3 cannot be built from a graph and options alone: .*table"):
        parse("needy:depth=3").build(Graph.empty(3))


def test_values():
    monkey = {"1": 1, "-2": -2, "0.5": 0.5, "true": True, "No": False, "none": None, "word": "word"}
    for text, value in monkey.items():
        assert parse(f"uniform:exclude={text}").options == {"exclude": value}
