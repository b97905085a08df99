"""Every example in the documentation is run, in every module there is."""

import doctest
import importlib
import os
import pkgutil
from types import ModuleType

import numpy as np
import pytest

import minifcn
from minifcn import benchmarks, kernels


def _fail(name: str) -> None:
    raise ImportError(name)


def _modules(package: ModuleType) -> list[str]:
    inside = pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=_fail)
    # To import a __main__ is to run it.
    return [package.__name__, *(module.name for module in inside if not module.name.endswith(".__main__"))]


# In a source tree kernels/ and benchmarks/ do not lie inside minifcn/, so a walk through it may not meet them.
MODULES = sorted({*_modules(minifcn), *_modules(kernels), *_modules(benchmarks)})


def test_modules_of_every_folder_are_looked_at():
    some = {"minifcn.kernels.reference.conv", "minifcn.functional.conv", "minifcn.benchmarks.peers.pytorch"}
    assert some <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    if name == "minifcn.kernels.cuda.lang.ptx" and os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        pytest.skip("inline PTX is for the compiler, and here kernels are simulated")
    outcome = doctest.testmod(importlib.import_module(name), extraglobs={"np": np}, report=False)
    assert outcome.failed == 0, f"{outcome.failed} of {outcome.attempted} examples; see the output above"
