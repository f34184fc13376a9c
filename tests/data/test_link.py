"""The form of links: what is made of what users give, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.data.link import LinkData, LinkPart
from graphns.encoders.sparse import Sparse
from graphns.pipelines.link_model import message_edges


def pairs(*ends: tuple[int, int]) -> Tensor:
    return torch.tensor(ends).T.contiguous()


def parts(**change: Any) -> dict[str, Any]:
    """Six nodes, three training edges, one of them twice and a loop."""
    return {"name": "tiny", "num_nodes": 6, "train": pairs((1, 0), (2, 1), (0, 1), (3, 3), (3, 4)),
            "valid": LinkPart(pairs((5, 0)), pairs((0, 2), (1, 5))),
            "test": LinkPart(pairs((2, 0), (5, 3)), torch.tensor([[[2, 2], [5, 4]], [[3, 4], [4, 3]]])), **change}


def test_what_is_made_of_it() -> None:
    data = LinkData(**parts())
    assert data.train.tolist() == [[0, 1, 3], [1, 2, 4]], "each pair once, smaller id first, no loop"
    assert data.graph.edge_index.tolist() == [[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]]
    assert data.test.positive.tolist() == [[2, 5], [0, 3]], "held-out pairs stay as they are: negatives go by their row"
    assert not data.valid.own and data.test.own
    assert data.part("test") is data.test and data.positive("train") is data.train
    assert data.joined("train", "valid", "test").num_edges == 2 * (3 + 1 + 2)
    assert data.joined("valid").edge_index.tolist() == [[0, 5], [5, 0]]
    assert (data.num_features, data.features, data.device.type) == (0, None, "cpu")
    assert (data.metric, data.setting, data.undirected, data.repeats) == ("mrr", "", True, False)
    assert not bool((message_edges(data, data.graph) == 5).any())  # of node 5 no training edge is known


def test_directed_edges_keep_their_direction() -> None:
    data = LinkData(**parts(undirected=False, valid=LinkPart(pairs((0, 5), (4, 3)), pairs((0, 2)))))
    assert data.train.tolist() == [[0, 1, 2, 3], [1, 0, 1, 4]]
    assert data.graph.num_edges == 4 and not data.graph.has_edge(torch.tensor([1]), torch.tensor([2])).any()
    assert [1, 2] in message_edges(data, data.graph).T.tolist(), "messages run both ways"
    assert [2, 1] in message_edges(data, data.graph).T.tolist(), "messages run both ways"


def test_negatives_that_are_positives_are_counted() -> None:
    negative = torch.tensor([[[2, 0, 1], [5, 3, 0]], [[5, 5, 0], [1, 5, 2]]])
    assert LinkData(**parts(test=LinkPart(pairs((2, 0), (5, 3)), negative))).known_negatives("test") == 4
    assert LinkData(**parts()).known_negatives("valid") == 1  # (0, 2) is a test positive turned round


def test_features_dense_and_sparse() -> None:
    full = torch.rand(6, 3) + 1
    data = LinkData(**parts(x=full.double()))
    assert data.features is data.x and data.num_features == 3 and isinstance(data.x, Tensor)
    assert data.x.dtype == torch.float32
    thin = torch.eye(6, 80)
    data = LinkData(**parts(x=thin))
    assert isinstance(data.features, Sparse) and torch.equal(data.features.to_dense(), thin)
    data = LinkData(**parts(x=Sparse.from_dense(thin)))
    assert data.features is data.x
    assert data.to("cpu") is data


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_another_device() -> None:
    from graphns.metrics.links import evaluate_links
    from graphns.scorers.overlap import AdamicAdar

    data = LinkData(**parts(x=torch.eye(6, 80)))
    moved = data.to("cuda")
    assert moved.device.type == moved.graph.device.type == moved.test.negative.device.type == "cuda"
    for part in ("valid", "test"):
        found = evaluate_links(AdamicAdar(moved.graph).pairs, moved.part(part))
        assert found == evaluate_links(AdamicAdar(data.graph).pairs, data.part(part))


def test_repeats_are_allowed_where_they_are_said() -> None:
    again = LinkPart(pairs((1, 0)), pairs((0, 2)))
    with pytest.raises(ValueError, match=r"1 valid positives are train edges too, the first of them \(1, 0\)"):
        LinkData(**parts(valid=again))
    with pytest.raises(ValueError, match="1 test positives are valid edges too"):
        LinkData(**parts(valid=LinkPart(pairs((0, 2)), pairs((1, 3)))))
    assert LinkData(**parts(valid=again, repeats=True)).joined("train").num_edges == 6
    # of a directed graph the other direction is another edge
    turned = LinkPart(pairs((4, 3)), pairs((0, 2)))
    assert LinkData(**parts(valid=turned, undirected=False)).valid.positive.tolist() == [[4], [3]]


@pytest.mark.parametrize("change, message", [
    ({"num_nodes": 0}, "at least one node, got num_nodes=0"),
    ({"train": torch.zeros(3, 2).long()}, r"train must be pairs \[2, n\], got \(3, 2\)"),
    ({"train": torch.zeros(2, 2, 2).long()}, r"train must be pairs \[2, n\], got \(2, 2, 2\)"),
    ({"train": torch.ones(2, 2)}, "train must hold integer ids, got torch.float32"),
    ({"train": torch.zeros(2, 0).long()}, r"train holds no pairs, got \(2, 0\)"),
    ({"train": pairs((0, 6))}, r"train has the id 6, outside \[0, 6\)"),
    ({"valid": LinkPart(pairs((-1, 0)), pairs((0, 2)))}, r"valid.positive has the id -1, outside"),
    ({"valid": LinkPart(pairs((5, 0)), torch.zeros(2, 2, 3).long())}, r"\[2, 1, n\], each positive's own, got \(2, 2"),
    ({"test": LinkPart(pairs((5, 3)), torch.zeros(2, 1, 0).long())}, "test.negative holds no pairs"),
    ({"x": torch.ones(5, 2)}, "x must have a row for each of 6 nodes, got 5"),
    ({"x": torch.full((6, 2), torch.nan)}, "NaN or infinite"),
])
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinkData(**parts(**change))


def test_there_are_two_parts_held_out() -> None:
    with pytest.raises(ValueError, match="'valid' and 'test', there is no 'val'"):
        LinkData(**parts()).part("val")
    with pytest.raises(ValueError, match="there is no 'all'"):
        LinkData(**parts()).joined("train", "all")
