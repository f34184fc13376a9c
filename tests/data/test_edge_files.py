import pickle

import networkx as nx
import numpy as np
import pytest
import scipy.sparse
import torch

from graphns.data import edge_files

EDGES = [[0, 0, 1, 3], [1, 2, 2, 0]]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [
    ("a.csv", "0,1\n0,2\n1,2\n3,0\n"),
    ("b.csv", "source,target,weight\n0,1,0.5\n0,2,1\n1,2,x\n3,0,2\n"),
    ("c.tsv", "src\tdst\n0\t1\n0\t2\n1\t2\n3\t0\n"),
    ("d.txt", "# a comment\n\n0 1\n0  2\n1 2\n3 0"),
    ("e.edges", "0;1\n0;2\n1;2\n3;0\n"),
])
def test_text(tmp_path, name, text):
    found = edge_files.read(write(tmp_path / name, text))
    assert found.graph.edge_index.tolist() == EDGES
    assert found.names is None and found.graph.num_nodes == 4


def test_arrays(tmp_path):
    edges = np.array(EDGES)
    np.savez(tmp_path / "a.npz", edge_index=edges)
    np.save(tmp_path / "b.npy", edges.astype(np.int32))
    torch.save(torch.tensor(EDGES), tmp_path / "c.pt")
    torch.save({"edge_index": torch.tensor(EDGES)}, tmp_path / "d.pt")
    matrix = scipy.sparse.coo_matrix((np.array([1.0, 1, 1, 1, 0]), ([0, 0, 1, 3, 2], [1, 2, 2, 0, 2])), shape=(5, 5))
    scipy.sparse.save_npz(tmp_path / "e.npz", matrix.tocsr())
    for name, size in (("a.npz", 4), ("b.npy", 4), ("c.pt", 4), ("d.pt", 4), ("e.npz", 5)):
        graph = edge_files.read(tmp_path / name).graph
        assert graph.edge_index.tolist() == EDGES, name
        assert graph.num_nodes == size


def test_a_rectangular_matrix_is_bipartite(tmp_path):
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.csr_matrix(np.array([[0, 1, 1], [1, 0, 0]])))
    graph = edge_files.read(tmp_path / "a.npz").graph
    assert graph.bipartite and (graph.num_src, graph.num_dst) == (2, 3)
    with pytest.raises(ValueError, match="leave num_nodes out"):
        edge_files.read(tmp_path / "a.npz", num_nodes=9)
    with pytest.raises(ValueError, match="one direction only"):
        edge_files.read(tmp_path / "a.npz", undirected=True)


def test_graphml_keeps_names_and_both_directions(tmp_path):
    nx.write_graphml(nx.Graph([("ann", "bob"), ("bob", "cy")]), tmp_path / "a.graphml")
    found = edge_files.read(tmp_path / "a.graphml")
    assert found.names == ("ann", "bob", "cy")
    assert found.graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert found.node("cy") == 2
    with pytest.raises(ValueError, match="no node 'dan'; its first nodes are ann, bob, cy"):
        found.node("dan")
    nx.write_graphml(nx.DiGraph([("a", "b")]), tmp_path / "b.graphml")
    assert edge_files.read(tmp_path / "b.graphml").graph.edge_index.tolist() == [[0], [1]]


def test_size_and_direction(tmp_path):
    path = write(tmp_path / "a.csv", "0,1\n")
    assert edge_files.read(path, num_nodes=7).graph.num_nodes == 7
    assert edge_files.read(path, undirected=True).graph.edge_index.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match=r"anchor '2' is no node: ids run from 0 to 1"):
        edge_files.read(path).node("2")


@pytest.mark.parametrize(("name", "text", "message"), [
    ("a.csv", "", "holds no edges"),
    ("a.csv", "source,target\n", "holds no edges"),
    ("a.csv", "0,1\n1.5,2\n", "line 2 has '1.5' where an integer id is needed"),
    ("a.csv", "1.0,2\n", "line 1 has '1.0'"),
    ("a.csv", "0,1\nx,2\n", "line 2 has 'x'"),
    ("a.csv", "h,i\n0,1\n3\n", "line 3 is '3'; an edge needs two ids"),
    ("a.csv", "0,99999999999999999999999\n", "line 1 has '9+'"),
    ("a.csv", "0,-1\n", "-1"),
    ("a.csv", "0,\n", "line 1 has ''"),
    ("a.npz", "0,1\n", "not a NumPy file|pickle"),
    ("a.pt", "0,1\n", "not a saved tensor"),
    ("a.graphml", "0,1\n", "is not GraphML"),
    ("a.graphml", "<a/>", "is not GraphML"),
    ("a.json", "{}", "cannot tell the format of '.json'"),
    ("edges", "0 1", "cannot tell the format"),
])
def test_wrong_text(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        edge_files.read(write(tmp_path / name, text))
    assert str(tmp_path / name) in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe0\x00,\x001")
    with pytest.raises(ValueError, match="not a text file in UTF-8"):
        edge_files.read(tmp_path / "a.csv")


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, "ran", True)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "b.npz", "a.pt", "b.pt"])
def test_pickles_are_refused_unread(tmp_path, name):
    path, evil = tmp_path / name, np.array([Evil()], dtype=object)
    if name == "a.npy":
        np.save(path, evil, allow_pickle=True)
    elif name == "a.npz":
        np.savez(path, edge_index=evil)
    elif name == "a.pt":
        torch.save(Evil(), path)
    else:
        path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="could run code"):
        edge_files.read(path)
    assert not Evil.ran


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((3, 4), int), r"must be \[2, E\], got \(3, 4\)"),
    (np.zeros((4, 2), int), "transpose it"),
    (np.zeros((2, 4)), "must hold integers, got torch.float64"),
    (np.array([[0, -3], [1, 1]]), "-3"),
    (np.zeros((2, 0), int), "holds no edges"),
    (np.array([["a"], ["b"]]), "must hold integers, got <U1"),
    (np.zeros((2, 2), bool), "must hold integers"),
])
def test_wrong_arrays(tmp_path, array, message):
    np.savez(tmp_path / "a.npz", edge_index=array)
    np.save(tmp_path / "b.npy", array)
    for name in ("a.npz", "b.npy"):
        with pytest.raises(ValueError, match=message):
            edge_files.read(tmp_path / name)


def test_other_archives(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    with pytest.raises(ValueError, match="holds x; an array 'edge_index' or a scipy sparse matrix is needed"):
        edge_files.read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", format=np.array(b"csr"), shape=np.array([2, 2]))
    with pytest.raises(ValueError, match="not a whole scipy sparse matrix"):
        edge_files.read(tmp_path / "b.npz")
    (tmp_path / "a.npz").rename(tmp_path / "c.npy")
    with pytest.raises(ValueError, match="npz archive under the name"):
        edge_files.read(tmp_path / "c.npy")
    torch.save([1, 2], tmp_path / "d.pt")
    with pytest.raises(ValueError, match="holds a list; a tensor edge_index"):
        edge_files.read(tmp_path / "d.pt")


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.pt"])
def test_files_cut_off(tmp_path, name):
    edges = torch.randint(50, (2, 4000))
    if name == "a.npz":
        np.savez(tmp_path / name, edge_index=edges.numpy())
    elif name == "a.npy":
        np.save(tmp_path / name, edges.numpy())
    else:
        torch.save(edges, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in (0, 20, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"is not a|cut off|pickle"):
            edge_files.read(tmp_path / name)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        edge_files.read(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="is a folder"):
        edge_files.read(tmp_path)
