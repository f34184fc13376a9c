"""Short import of the scikit-learn adapter: `from graphns.sklearn import KNNGraph`."""

from __future__ import annotations

from graphns.adapters.sklearn import KNNGraph

__all__ = ["KNNGraph"]
