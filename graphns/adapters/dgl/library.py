"""DGL itself, imported in one place."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def load_dgl() -> Any:
    """The module `dgl`, with torch behind it.

    DGL 1.1.3 takes `packaging` from itself, or else from a copy in setuptools that is gone since setuptools 71, and
    declares neither: the extra ``[dgl]`` brings it. Where nobody has chosen DGL's backend, it is torch, told by the
    variable DGLBACKEND: else DGL writes its choice into the user's home folder, and prints.

    Raises:
        ImportError: DGL, or what it needs, is not installed, or runs on another backend; the message says the cure.

    Example:
        >>> load_dgl().backend.backend_name
        'pytorch'
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    try:
        dgl = import_module("dgl")
    except ImportError as error:
        raise ImportError(f"DGL cannot be imported ({error}): pip install 'graphns[dgl]' on Python 3.11; DGL has no "
                          "wheel above it that runs beside current torch") from error
    if dgl.backend.backend_name != "pytorch":
        raise ImportError(f"DGL runs on {dgl.backend.backend_name}, graphns on torch: set DGLBACKEND=pytorch")
    return dgl
