"""Knowledge graphs by name or from a folder of text files; read line by line, never executed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from graphns.data.named import DataNotFoundError, default_root
from graphns.graph.known import EdgeSet
from graphns.graph.triples import Triples

NAMES = ("UMLS", "Nations", "WN18RR", "FB15k-237", "CoDEx-S", "CoDEx-M", "CoDEx-L")
_SPLITS = {"train": ("train",), "valid": ("valid", "dev", "validation"), "test": ("test",)}
_ENDINGS = (".txt", ".tsv")


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """Facts in three parts, over the same entities and relations.

    Args:
        name: as the user typed it.
        train: what may be learned from.
        valid: what chooses settings and epochs.
        test: what is reported.
        entities: the name of each entity id.
        relations: the name of each relation id.

    Raises:
        ValueError: the parts do not share the sizes that the names have.

    Example:
        >>> facts = [Triples.from_tensor(torch.tensor([[0, 0, t]]), 3, 1) for t in (1, 2, 0)]
        >>> KnowledgeGraph("tiny", *facts, ("a", "b", "c"), ("likes",))
        KnowledgeGraph('tiny', entities=3, relations=1, train=1, valid=1, test=1)
    """

    name: str
    train: Triples
    valid: Triples
    test: Triples
    entities: tuple[str, ...]
    relations: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the sizes once, at the door."""
        wanted = (len(self.entities), len(self.relations))
        for part in ("train", "valid", "test"):
            facts = getattr(self, part)
            if (facts.num_entities, facts.num_relations) != wanted:
                raise ValueError(f"{part} has {facts.num_entities} entities and {facts.num_relations} relations, the "
                                 f"names are of {wanted[0]} and {wanted[1]}")

    @property
    def num_entities(self) -> int:
        """N."""
        return len(self.entities)

    @property
    def num_relations(self) -> int:
        """R; an inverse relation is r + R."""
        return len(self.relations)

    def known(self) -> EdgeSet:
        """The facts of all parts, asked from both sides: what a filtered ranking leaves out."""
        return self.train.known() | self.valid.known() | self.test.known()

    def to(self, device: torch.device | str) -> KnowledgeGraph:
        """The graph with its facts on another device."""
        parts = (self.train, self.valid, self.test)
        train, valid, test = (part.map(lambda tensor: tensor.to(device)) for part in parts)
        return KnowledgeGraph(self.name, train, valid, test, self.entities, self.relations)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return (f"KnowledgeGraph({self.name!r}, entities={self.num_entities}, relations={self.num_relations}, "
                f"train={len(self.train)}, valid={len(self.valid)}, test={len(self.test)})")


def load_knowledge_graph(name: str | Path, root: str | Path | None = None) -> KnowledgeGraph:
    """A knowledge graph.

    A folder holds either of two layouts:

    * `train.txt`, `valid.txt` and `test.txt` (or `.tsv`; `dev` and `validation` are taken for valid), a line a fact:
      head, relation and tail, separated by tabs. So do PyG's raw folders, PyKEEN's data and most repositories. Ids are
      those of `entities.dict` and `relations.dict` (id, tab, name) if they are there, else the rank of a name among all
      names of the three files, sorted.
    * OpenKE's: `train2id.txt`, `valid2id.txt`, `test2id.txt`, a count and then *head tail relation* by id, and
      `entity2id.txt`, `relation2id.txt`, a count and then name and id.

    Facts are kept as they stand, repeated ones and those with entities that train has not.

    Args:
        name: one of `NAMES`, in any case; or the path of a folder.
        root: where named graphs lie: root/kg/NAME or root/NAME, or its raw or openke folder. None: the folder in the
            environment variable GRAPHNS_DATA, else ~/.cache/graphns/data.

    Raises:
        DataNotFoundError: the files of a named graph are not there.
        ValueError: an unknown name (the message gives the nearest), or a file that is not what it should be; the
            message names file and line.
    """
    wanted = str(name).strip()
    known = {_plain(each): each for each in NAMES}
    if _plain(wanted) in known:
        found = known[_plain(wanted)]
        base = default_root() if root is None else Path(root).expanduser()
        places = [base / "kg" / found, base / found]
        for place in (each / inside for each in places for inside in ("", "raw", "openke")):
            if _layout(place):
                return _read(found, place)
        raise DataNotFoundError(f"no {found} in {base}: put its train.txt, valid.txt and test.txt (head, relation and "
                                f"tail, separated by tabs) into {places[0]}, or pass root=DIR or set GRAPHNS_DATA=DIR")
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        if not _layout(folder):
            raise ValueError(f"{folder} holds neither train.txt, valid.txt and test.txt nor OpenKE's train2id.txt, "
                             f"valid2id.txt and test2id.txt; it holds {_names_in(folder)}")
        return _read(folder.name, folder)
    near = difflib.get_close_matches(_plain(wanted), known, n=1, cutoff=0.5)
    hint = f"did you mean {known[near[0]]!r}?" if near else f"there are: {', '.join(NAMES)}."
    raise ValueError(f"no knowledge graph is called {wanted!r}; {hint} Or give the path of a folder")


class _Text(NamedTuple):
    """A line of a file, cut into fields, and what an error calls it."""

    where: str
    fields: list[str]


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _names_in(folder: Path) -> str:
    return ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"


def _layout(folder: Path) -> str:
    if all(_split_file(folder, split) for split in _SPLITS):
        return "text"
    return "openke" if all((folder / f"{split}2id.txt").is_file() for split in _SPLITS) else ""


def _split_file(folder: Path, split: str) -> Path | None:
    paths = (folder / f"{stem}{ending}" for stem in _SPLITS[split] for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def _read(name: str, folder: Path) -> KnowledgeGraph:
    if _layout(folder) == "text":
        rows, entities, relations = _labelled(folder)
    else:
        rows, entities, relations = _numbered(folder)
    train, valid, test = (Triples.from_tensor(each, len(entities), len(relations)) for each in rows)
    return KnowledgeGraph(name, train, valid, test, entities, relations)


def _lines(path: Path, number: int, sep: str | None = None, first: int = 1) -> list[_Text]:
    """The lines of a file from line `first` on, each of `number` fields; empty ones are passed over."""
    wanted = {2: "two fields", 3: "three fields"}[number] + (", separated by tabs" if sep else "")
    found = []
    try:
        with path.open(encoding="utf-8") as lines:
            for count, line in enumerate(lines, 1):
                if count < first or not line.strip():
                    continue
                # of two fields parted by blanks the last is an id, and the first a name that may hold blanks
                cut = line.rsplit(None, 1) if sep is None and number == 2 else line.split(sep)
                fields = [field.strip() for field in cut]
                if len(fields) != number or not all(fields):
                    raise ValueError(f"{path}, line {count} is {line.strip()[:80]!r}; it needs {wanted}")
                found.append(_Text(f"{path}, line {count}", fields))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8") from error
    return found


def _labelled(folder: Path) -> tuple[list[Tensor], tuple[str, ...], tuple[str, ...]]:
    files = [_lines(path, 3, "\t") for path in (_split_file(folder, split) for split in _SPLITS) if path is not None]
    if not files[0]:
        raise ValueError(f"{_split_file(folder, 'train')} holds no facts")
    numbers = []
    for kind, columns in (("entities", (0, 2)), ("relations", (1,))):
        path = folder / f"{kind}.dict"
        if path.is_file():
            names = _by_id(path, [(each.where, each.fields[0], each.fields[1]) for each in _lines(path, 2, "\t")])
        else:
            names = tuple(sorted({each.fields[column] for lines in files for each in lines for column in columns}))
        numbers.append({name: at for at, name in enumerate(names)})
    entity, relation = numbers
    rows = []
    for lines in files:
        table = []
        for each in lines:
            head, middle, tail = each.fields
            for label, known, kind in ((head, entity, "entities"), (middle, relation, "relations"),
                                       (tail, entity, "entities")):
                if label not in known:
                    raise ValueError(f"{each.where} names {label!r}, which {folder / kind}.dict does not know")
            table.append((entity[head], relation[middle], entity[tail]))
        rows.append(torch.tensor(table, dtype=torch.int64).reshape(-1, 3))
    return rows, tuple(entity), tuple(relation)


def _numbered(folder: Path) -> tuple[list[Tensor], tuple[str, ...], tuple[str, ...]]:
    names = []
    for kind in ("entity", "relation"):
        path = folder / f"{kind}2id.txt"
        if not path.is_file():
            raise ValueError(f"{folder} has OpenKE's train2id.txt, but no {path.name}")
        lines = _counted(path, 2)
        names.append(_by_id(path, [(each.where, each.fields[1], each.fields[0]) for each in lines]))
    entities, relations = names
    rows = []
    for split in _SPLITS:
        lines = _counted(folder / f"{split}2id.txt", 3)
        limits = (len(entities), len(entities), len(relations))  # head, tail, relation: OpenKE's order
        table = [[_number(each.where, field, limit) for field, limit in zip(each.fields, limits, strict=True)]
                 for each in lines]
        rows.append(torch.tensor(table, dtype=torch.int64).reshape(-1, 3)[:, [0, 2, 1]])
    return rows, entities, relations


def _counted(path: Path, number: int) -> list[_Text]:
    """The lines of a file whose first line says how many follow."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        count = lines.readline().strip()
    found = _lines(path, number, first=2)
    if count != str(len(found)):
        raise ValueError(f"{path} begins with {count!r}, and {len(found)} lines follow; OpenKE's files "
                         "begin with their number")
    return found


def _by_id(path: Path, pairs: list[tuple[str, str, str]]) -> tuple[str, ...]:
    """The names in the order of their ids, which run from 0 without gaps; pairs are (where, id, name)."""
    names = {_number(where, number, len(pairs)): name for where, number, name in pairs}
    if len(names) != len(pairs) or len(set(names.values())) != len(pairs):
        raise ValueError(f"{path} gives an id or a name twice")
    return tuple(names[at] for at in range(len(pairs)))


def _number(where: str, field: str, limit: int) -> int:
    if not field.isdecimal() or int(field) >= limit:
        raise ValueError(f"{where} has {field!r} where an id from 0 to {limit - 1} is needed")
    return int(field)
