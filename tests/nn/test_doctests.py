"""The examples in the documentation of minifcn.nn, run."""

import doctest
import importlib
import pkgutil

import pytest

import minifcn.nn

MODULES = [f"minifcn.nn.{module.name}" for module in pkgutil.iter_modules(minifcn.nn.__path__)]


@pytest.mark.parametrize("name", ["minifcn.nn", *MODULES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
