"""The table of methods: every row leads to a class that keeps the contract."""

from __future__ import annotations

from importlib import import_module

import pytest

from graphns.pipelines.method import NodeMethod
from graphns.pipelines.methods import METHODS, find
from graphns.pipelines.node_config import NodeConfig


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_there(name: str) -> None:
    method = find(name.upper().replace("-", "_"))
    assert issubclass(method, NodeMethod) and issubclass(method.config_class, NodeConfig)
    assert method.config_class.title != NodeConfig.title
    assert callable(import_module(method.__module__).train)


def test_the_nearest_name_is_given() -> None:
    with pytest.raises(ValueError, match="no method on nodes is called 'ccassg'; did you mean 'cca-ssg'"):
        find("ccassg")
