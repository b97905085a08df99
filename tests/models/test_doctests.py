"""The examples in the documentation of minifcn.models, run."""

import doctest
import importlib
import pkgutil

import pytest

import minifcn.models

MODULES = [f"minifcn.models.{module.name}" for module in pkgutil.iter_modules(minifcn.models.__path__)]


@pytest.mark.parametrize("name", ["minifcn.models", *MODULES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
