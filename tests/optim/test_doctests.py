"""The examples in the documentation of minifcn.optim, run."""

import doctest
import importlib
import pkgutil

import pytest

import minifcn.optim

MODULES = [f"minifcn.optim.{module.name}" for module in pkgutil.iter_modules(minifcn.optim.__path__)]


@pytest.mark.parametrize("name", ["minifcn.optim", *MODULES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
