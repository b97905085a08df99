"""The examples in the documentation of minifcn.data, run."""

import doctest
import importlib
import pkgutil

import pytest

import minifcn.data

MODULES = [f"minifcn.data.{module.name}" for module in pkgutil.iter_modules(minifcn.data.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
