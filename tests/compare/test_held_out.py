"""What is held out of a user's graph, and that nothing of it leaks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from graphns.compare.held_out import Source, hold_out, read_held_out, read_source
from graphns.graph.graph import Graph

RING = torch.stack([torch.arange(12), (torch.arange(12) + 1) % 12])


def write(path, edges):
    path.write_text("".join(f"{a},{b}\n" for a, b in edges.T.tolist()))
    return str(path)


def pairs(graph):
    return {tuple(edge) for edge in graph.edge_index.T.tolist()}


def test_an_undirected_graph_keeps_both_directions_together():
    source = Source("ring", Graph.from_edge_index(torch.cat([RING, RING.flip(0)], 1)), True)
    for seed in range(3):
        found = hold_out(source, (2, 0.25), seed)
        assert found.sizes == {"train": 7, "val": 2, "test": 3}
        parts = [pairs(graph) for graph in found.parts.values()]
        assert [len(part) for part in parts] == [14, 4, 6]
        assert set.union(*parts) == pairs(source.graph) and sum(map(len, parts)) == 24
        assert all({(b, a) for a, b in part} == part for part in parts)
    assert pairs(hold_out(source, (2, 3), 0).train) != pairs(hold_out(source, (2, 3), 1).train)


def test_a_directed_graph_keeps_its_direction(tmp_path):
    source = read_source(write(tmp_path / "ring.csv", RING))
    assert (source.name, source.undirected) == ("ring", False)
    found = hold_out(source, (0, 3), 0)
    assert found.sizes == {"train": 9, "val": 0, "test": 3} and found.parts["test"].num_edges == 3
    assert read_source(write(tmp_path / "ring.csv", RING), undirected=True).undirected


def test_users_and_items(tmp_path):
    import scipy.sparse

    path = tmp_path / "items.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csr_array(np.ones((4, 6))))
    source = read_source(str(path))
    assert source.graph.bipartite and not source.undirected
    assert hold_out(source, (0.25, 0.25), 0).sizes == {"train": 12, "val": 6, "test": 6}


def test_held_out_edges_from_files(tmp_path):
    train = write(tmp_path / "train.csv", torch.cat([RING[:, :8], RING[:, :8].flip(0)], 1))
    files = tmp_path / "val.csv", tmp_path / "test.csv"
    write(files[0], RING[:, 8:10])
    write(files[1], RING[:, 10:])
    with pytest.raises(ValueError, match=r"val.csv has node 10, but the graph has 9; pass --num-nodes 11 or more"):
        hold_out(read_source(train), files, 0)
    found = hold_out(read_source(train, num_nodes=12), files, 0)
    assert found.sizes == {"train": 8, "val": 2, "test": 2}
    assert pairs(found.parts["test"]) == {(10, 11), (11, 10), (11, 0), (0, 11)}
    write(files[1], RING[:, 9:])
    with pytest.raises(ValueError, match=r"test.csv: the edge 9, 10 is a validation edge too"):
        hold_out(read_source(train, num_nodes=12), files, 0)
    write(files[1], RING[:, 7:8])
    with pytest.raises(ValueError, match=r"test.csv: the edge 7, 8 is a training edge too"):
        hold_out(read_source(train, num_nodes=12), files, 0)


def test_names_of_data_sets():
    source = read_source("digits")
    assert source.name == "digits" and source.undirected and source.graph.num_nodes == 1797


@pytest.mark.parametrize(("text", "found"), [
    ("0.05,0.1", (0.05, 0.1)), ("10, 20", (10, 20)), ("0,0.5", (0, 0.5)),
    ("a.csv,b.csv", (Path("a.csv"), Path("b.csv"))),
])
def test_what_is_held_out(text, found):
    assert read_held_out(text) == found


@pytest.mark.parametrize(("text", "message"), [
    ("0.1", "takes validation and test as VAL,TEST"), ("0.1,", "as VAL,TEST"), ("1,2,3", "as VAL,TEST"),
    ("0.1,test.csv", "two shares, two numbers or two files"), ("0,0", "holds nothing out"),
])
def test_held_out_refuses(text, message):
    with pytest.raises(ValueError, match=message):
        read_held_out(text)


@pytest.mark.parametrize(("name", "message"), [
    ("digts", "no file and no data set 'digts'; did you mean 'digits'"),
    ("qqqqqqqq", "data sets are digits, Cora"),
])
def test_wrong_names_are_answered_with_right_ones(name, message):
    with pytest.raises(ValueError, match=message):
        read_source(name)
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere.csv"):
        read_source("nowhere.csv")


@pytest.mark.parametrize("parts", [(1.5, 0.1), (-1, 2), (0.6, 0.4), (12, 0)])
def test_shares_that_cannot_be(parts):
    with pytest.raises(ValueError, match=r"must be a share|leave no training edge"):
        hold_out(Source("ring", Graph.from_edge_index(RING), False), parts, 0)
