"""Knowledge graphs: both layouts, ids and names, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphns.data.knowledge_graph import NAMES, KnowledgeGraph, load_knowledge_graph
from graphns.data.named import DataNotFoundError
from graphns.graph.triples import Triples

TEXT = {"train.txt": "b\tlikes\ta\nc\tsees\tb\n", "valid.txt": "a\tlikes\tc\n", "test.txt": "c\tlikes\tnew one\n"}
OPENKE = {"train2id.txt": "2\n1 0 0\n2 1 1\n", "valid2id.txt": "1\n0\t2\t0\n", "test2id.txt": "1\n2 3 0\n",
          "entity2id.txt": "4\na\t0\nb\t1\nc\t2\nnew one\t3\n", "relation2id.txt": "2\nlikes\t0\nsees\t1\n"}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def facts_of(part: Triples) -> list[list[int]]:
    return torch.stack([part.head, part.relation, part.tail], 1).tolist()


def check(graph: KnowledgeGraph) -> None:
    assert graph.entities == ("a", "b", "c", "new one") and graph.relations == ("likes", "sees")
    assert facts_of(graph.train) == [[1, 0, 0], [2, 1, 1]]
    assert facts_of(graph.valid) == [[0, 0, 2]] and facts_of(graph.test) == [[2, 0, 3]]
    assert (graph.train.num_entities, graph.test.num_relations) == (4, 2)
    assert bool(graph.known().has_edge(torch.tensor([[3, 2], [2, 0]]), torch.tensor([2, 3])).all())


@pytest.mark.parametrize("files", [TEXT, OPENKE], ids=["text", "openke"])
def test_both_layouts_give_the_same(tmp_path: Path, files: dict[str, str]) -> None:
    graph = load_knowledge_graph(write(tmp_path / "mine", files))
    check(graph)
    assert graph.name == "mine"
    check(graph.to("cpu"))


@pytest.mark.parametrize("inside", ["kg/Nations", "Nations", "kg/Nations/raw", "Nations/openke"])
def test_named_graphs_lie_under_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    write(tmp_path / inside, TEXT)
    check(load_knowledge_graph("nations", root=tmp_path))
    monkeypatch.setenv("GRAPHNS_DATA", str(tmp_path))
    check(load_knowledge_graph("NATIONS"))


def test_other_endings_and_line_ends(tmp_path: Path) -> None:
    files = {name.replace("valid", "dev").replace("txt", "tsv"): "\n" + text.replace("\n", "\r\n\r\n")
             for name, text in TEXT.items()}
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    check(load_knowledge_graph(folder))


def test_dict_files_give_the_ids(tmp_path: Path) -> None:
    files = TEXT | {"entities.dict": "2\ta\n0\tb\n1\tc\n3\tnew one\n4\tunused\n",
                    "relations.dict": "1\tlikes\n0\tsees\n"}
    graph = load_knowledge_graph(write(tmp_path, files))
    assert graph.entities == ("b", "c", "a", "new one", "unused") and graph.relations == ("sees", "likes")
    assert facts_of(graph.train) == [[0, 1, 2], [1, 0, 0]]


def test_openke_names_may_be_parted_by_blanks(tmp_path: Path) -> None:
    files = OPENKE | {"entity2id.txt": OPENKE["entity2id.txt"].replace("\t", "  ")}
    check(load_knowledge_graph(write(tmp_path, files)))


# refusals


@pytest.mark.parametrize(("wrong", "near"), [("umlss", "UMLS"), ("FB15k", "FB15k-237"), ("wn18", "WN18RR"),
                                             ("codex", "CoDEx-")])
def test_wrong_names_get_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no knowledge graph is called '{wrong}'; did you mean '{near}"):
        load_knowledge_graph(wrong)


def test_a_name_like_no_other_gets_all() -> None:
    with pytest.raises(ValueError, match=r"there are: UMLS, Nations, WN18RR, .* Or give the path of a folder"):
        load_knowledge_graph("zzzzzz")


def test_missing_data_say_where_they_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"no WN18RR in .*: put its train.txt.*kg/WN18RR.*GRAPHNS_DATA"):
        load_knowledge_graph("wn18rr", root=tmp_path)


@pytest.mark.parametrize(("files", "match"), [
    ({"facts.csv": "a,b,c"}, r"holds neither train.txt.*it holds facts.csv"),
    (TEXT | {"train.txt": "a\tlikes\tb\na likes b\n"}, r"train.txt, line 2 is 'a likes b'; it needs three fields, sep"),
    (TEXT | {"valid.txt": "a\tlikes\tb\t1\n"}, r"valid.txt, line 1 is .*it needs three fields"),
    (TEXT | {"test.txt": "a\t\tb\n"}, r"test.txt, line 1 is"),
    (TEXT | {"train.txt": "\n"}, r"train.txt holds no facts"),
    (TEXT | {"entities.dict": "0\ta\n1\tb\n2\tc\n"}, r"test.txt, line 1 names 'new one', which .*entities.dict"),
    (TEXT | {"entities.dict": "0\ta\n5\tb\n"}, r"entities.dict, line 2 has '5' where an id from 0 to 1 is needed"),
    (TEXT | {"relations.dict": "0\ta\n0\tb\n"}, r"relations.dict gives an id or a name twice"),
    (OPENKE | {"valid2id.txt": "1\n0 9 0\n"}, r"valid2id.txt, line 2 has '9' where an id from 0 to 3 is needed"),
    (OPENKE | {"valid2id.txt": "7\n0 2 0\n"}, r"valid2id.txt begins with '7', and 1 lines follow"),
    (OPENKE | {"test2id.txt": "1\n0 2\n"}, r"test2id.txt, line 2 is '0 2'; it needs three fields"),
    (OPENKE | {"entity2id.txt": "2\na\t0\na\t1\n"}, r"entity2id.txt gives an id or a name twice"),
    ({name: text for name, text in OPENKE.items() if "relation" not in name}, r"but no relation2id.txt"),
])
def test_wrong_files_name_file_and_line(tmp_path: Path, files: dict[str, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load_knowledge_graph(write(tmp_path, files))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, TEXT)
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"train\.txt is not a text file in UTF-8"):
        load_knowledge_graph(tmp_path)


def test_parts_must_share_their_sizes() -> None:
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1]]))
    with pytest.raises(ValueError, match="train has 2 entities and 1 relations, the names are of 3 and 1"):
        KnowledgeGraph("x", facts, facts, facts, ("a", "b", "c"), ("r",))


# the real ones

SIZES = {"UMLS": (135, 46, 5216, 652, 661), "Nations": (14, 55, 1592, 199, 201),
         "WN18RR": (40943, 11, 86835, 3034, 3134), "FB15k-237": (14541, 237, 272115, 17535, 20466),
         "CoDEx-S": (2034, 42, 32888, 1827, 1828), "CoDEx-M": (17050, 51, 185584, 10310, 10311)}


@pytest.mark.data
@pytest.mark.parametrize("name", SIZES)
def test_published_sizes(data_root: Path, name: str) -> None:
    graph = load_knowledge_graph(name, root=data_root)
    assert name in NAMES
    assert (graph.num_entities, graph.num_relations, len(graph.train), len(graph.valid), len(graph.test)) == SIZES[name]


@pytest.mark.data
def test_openke_and_raw_hold_the_same_facts(data_root: Path) -> None:
    """By name, since the ids differ."""
    raw, numbered = (load_knowledge_graph(data_root / "kg" / "WN18RR" / inside) for inside in ("raw", "openke"))

    def named(graph: KnowledgeGraph, part: str) -> set[tuple[str, str, str]]:
        return {(graph.entities[h], graph.relations[r], graph.entities[t])
                for h, r, t in facts_of(getattr(graph, part))}

    for part in ("train", "valid", "test"):
        assert named(raw, part) == named(numbered, part)
