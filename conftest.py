"""What pytest leaves out of the package: doctests of an adapter whose library is not installed."""

from __future__ import annotations

from importlib.util import find_spec

# DGL has no wheel above Python 3.11; tests/adapters/conftest.py says so where its tests skip
collect_ignore = [] if find_spec("dgl") else ["graphns/dgl.py", "graphns/adapters/dgl"]
