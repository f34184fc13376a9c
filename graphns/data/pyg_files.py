"""PyG's `Data` in files of torch, read without executing them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def data_allowed(*others: Any) -> Iterator[None]:
    """Let `torch.load(weights_only=True)` make PyG's `Data`, and `others`, within the block.

    Before and after it, what may be made is the same: torch's own `safe_globals` takes away at its end what it was
    given, although PyG may have allowed it for good.

    Example:
        >>> import io
        >>> from torch_geometric.data import Data
        >>> file = io.BytesIO()
        >>> torch.save(Data(x=torch.ones(2, 1)), file)
        >>> with data_allowed():
        ...     torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        Data(x=[2, 1])
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what PyG's import calls
        from torch_geometric.data import Data
        from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
        from torch_geometric.data.storage import GlobalStorage

    wanted: list[Any] = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage, *others]
    known = torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([each for each in wanted if each not in known]):
        yield
