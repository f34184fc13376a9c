"""What pytest leaves out of the package: doctests of an adapter whose library is not installed."""

from __future__ import annotations

from importlib.util import find_spec

# DGL has no wheel above Python 3.11; the tests of its adapter skip, and say so
collect_ignore = [] if find_spec("dgl") else ["graphns/dgl.py", "graphns/adapters/dgl"]
