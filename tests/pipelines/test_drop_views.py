"""Views of dropped edges and columns: counted, keyed, and independent of each other."""

from __future__ import annotations

import pytest
import torch

from graphns.encoders.gcn import gcn_adjacency
from graphns.pipelines.drop_views import drop_views
from graphns.streams import Stream
from graphns.views.augment import drop_edge, keep_mask
from tests.pipelines.runs import tiny


def test_each_view_has_its_rates_and_streams() -> None:
    data, stream = tiny(), Stream(5)
    views = drop_views(data, (0.2, 0.6), (0.3, 0.0), stream)
    for number, (view, edge_rate, column_rate) in enumerate(zip(views, (0.2, 0.6), (0.3, 0.0), strict=True)):
        edges = drop_edge(data.edge_index, edge_rate, stream.child(number, 0))
        assert torch.equal(view.adjacency.matrix.to_dense(), gcn_adjacency(edges, 30).matrix.to_dense())
        assert torch.equal(view.keep, keep_mask(data.num_features, column_rate, stream.child(number, 1)))


def test_where_no_edge_is_dropped_the_matrix_is_the_datas() -> None:
    data = tiny()
    first, second = drop_views(data, (0.0, 0.5), (0.0, 0.0), Stream(5))
    assert first.adjacency is data.adjacency and second.adjacency is not data.adjacency
    assert first.keep.all() and second.keep.all()


def test_a_rate_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a drop rate must be in \[0, 1\), got 1"):
        drop_views(tiny(), (0.1, 1.0), (0.0, 0.0), Stream(5))
